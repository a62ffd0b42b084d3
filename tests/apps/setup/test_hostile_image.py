"""``setup --root`` with images whose links lead out of them: nothing outside is read or changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from robot_node.apps.setup import survey
from robot_node.apps.setup.actions import MakeFolder, MakeLink, MakeUser, Remove, WriteFile
from robot_node.apps.setup.executor import Executor
from robot_node.apps.setup.image import path_in
from robot_node.errors import SetupError
from tests.apps.setup.system_image import make_image


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A mounted image, beside what belongs to this machine."""
    host = tmp_path / "host"
    (host / "robot-node").mkdir(parents=True)
    (host / "robot-node/robot-node.toml").write_text("# of this machine\n")
    (host / "robot-node").chmod(0o777)
    return make_image(tmp_path / "image")


def contents(folder: Path) -> dict[str, tuple[int, str]]:
    """All below a folder: mode and text."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.read_text() if path.is_file() else "")
        for path in (folder, *folder.rglob("*"))
    }


# Links in the image, with their targets.
LINKS = {
    "absolute": {"etc/robot-node": "HOST/robot-node"},
    "relative": {"etc/robot-node": "../../host/robot-node"},
    "link to a link": {"etc/robot-node": "one", "etc/one": "./two/robot-node", "etc/two": "HOST"},
    "the folder above": {"etc": "HOST"},
    "the file": {"etc/robot-node/robot-node.toml": "HOST/robot-node/robot-node.toml"},
}


@pytest.mark.parametrize("kind", LINKS)
def test_no_action_leaves_the_image(kind: str, image: Path, tmp_path: Path) -> None:
    host = tmp_path / "host"
    for link, target in LINKS[kind].items():
        path = image / link
        if path.exists():
            path.rename(image / "before")
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(target.replace("HOST", str(host)))
    before = contents(host)
    found = survey.survey(image)
    assert "# of this machine\n" not in [entry.text for entry in found.entries.values()]
    executor = Executor(image)
    for action in (
        MakeFolder(survey.SETTINGS_FOLDER, 0o755),
        WriteFile(survey.SETTINGS, "# of the image\n", 0o640),
        MakeLink(f"{survey.SETTINGS_FOLDER}/link", "/x"),
    ):
        executor.perform(action)
    assert path_in(image, survey.SETTINGS).read_text() == "# of the image\n"
    assert path_in(image, survey.SETTINGS).is_relative_to(image)
    executor.perform(Remove(survey.SETTINGS))
    executor.perform(Remove(survey.SETTINGS_FOLDER))
    assert contents(host) == before


def test_a_circle_is_an_error(image: Path) -> None:
    (image / "etc/robot-node").symlink_to("other")
    (image / "etc/other").symlink_to("/etc/robot-node")
    with pytest.raises(SetupError, match="Too many levels of symbolic links"):
        Executor(image).perform(MakeFolder(survey.SETTINGS_FOLDER, 0o755))
    with pytest.raises(SetupError, match="Too many levels of symbolic links"):
        survey.survey(image)


@pytest.mark.parametrize("name", ["etc", "etc/passwd", "etc/shadow-", "etc/group.lock"])
def test_users_are_not_created_through_links(name: str, image: Path, tmp_path: Path) -> None:
    outside = tmp_path / "host/outside"
    if (image / name).exists():
        (image / name).rename(outside)
    (image / name).symlink_to(outside)
    before = contents(tmp_path / "host")
    with pytest.raises(SetupError, match="symbolic link: useradd could follow it out of the image"):
        Executor(image).perform(MakeUser(survey.USER, (), survey.STATE))
    assert contents(tmp_path / "host") == before


def test_paths_are_those_of_openat2(image: Path) -> None:
    (image / "a/b").mkdir(parents=True)
    (image / "a/up").symlink_to("../../../..")
    (image / "a/down").symlink_to("/a/b/../b/./")
    assert path_in(image, "/a/up/a/b") == image / "a/b"
    assert path_in(image, "/../../a/down/c") == image / "a/b/c"
    assert path_in(image, "/a/down", follow_last=False) == image / "a/down"
    assert path_in(Path("/"), "/etc/passwd") == Path("/etc/passwd")
