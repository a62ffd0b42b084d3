"""Recordings over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from robot_node.robot.recording.library import Library, Limits
from robot_node.robot.web.clips import clip_routes
from robot_node.settings.http import HttpSettings
from tests.robot.recording.test_contents import recorded
from tests.robot.web.conftest import TOKEN, running_server

DATA = bytes(range(256)) * 40


def library(folder: Path) -> tuple[Library, list[str]]:
    """Two recordings, the older one first."""
    made = Library(folder, Limits(10**9, None, 0))
    names = [made.name_for(datetime.now(UTC) - timedelta(hours=hours)) for hours in (2, 1)]
    for name in names:
        made.create(name)
        (folder / name).write_bytes(DATA)
    return made, names


async def test_clips_are_listed_and_served_with_ranges_to_who_has_the_token(tmp_path: Path) -> None:
    clips, (older, newer) = library(tmp_path)
    unfinished = {older}
    async with running_server(
        HttpSettings(port=0, token=TOKEN), also=clip_routes(clips, is_unfinished=unfinished.__contains__)
    ) as server:
        assert (await server.client.get(f"/clips/{newer}")).status_code == 401
        server.client.headers["Authorization"] = f"Bearer {TOKEN}"
        listed = (await server.client.get("/clips/")).json()["clips"]
        assert [(clip["name"], clip["bytes"]) for clip in listed] == [(newer, len(DATA)), (older, len(DATA))]
        assert [clip["recording"] for clip in listed] == [False, True]
        whole = await server.client.get(f"/clips/{newer}")
        assert (whole.content, whole.headers["content-type"]) == (DATA, "video/mp4")
        assert whole.headers["accept-ranges"] == "bytes"
        part = await server.client.get(f"/clips/{newer}", headers={"Range": "bytes=100-199"})
        assert (part.status_code, part.content) == (206, DATA[100:200])
        assert part.headers["content-range"] == f"bytes 100-199/{len(DATA)}"
        beyond = await server.client.get(f"/clips/{newer}", headers={"Range": "bytes=999999-"})
        assert beyond.status_code == 416
        assert (await server.client.get(f"/clips/{older}")).status_code == 409


async def test_the_list_says_how_long_each_is_and_what_caused_it(tmp_path: Path) -> None:
    clips, (older, newer) = library(tmp_path)
    (tmp_path / newer).write_bytes(await recorded(2, "when motion door"))
    async with running_server(HttpSettings(port=0), also=clip_routes(clips, is_unfinished=lambda _: False)) as server:
        answer = (await server.client.get("/clips/")).json()
        assert answer["all"] == 2
        first, second = answer["clips"]
        assert (first["name"], first["cause"]) == (newer, "when motion door")
        assert first["seconds"] == pytest.approx(2, abs=0.2)
        assert (second["name"], second["seconds"], second["cause"]) == (older, None, "")


@pytest.mark.parametrize("name", ["nothing.mp4", "secret.txt", "..%2Fsecret.txt", "%2e%2e/secret.txt", "clip-link.mp4"])
async def test_nothing_else_is_served(tmp_path: Path, name: str) -> None:
    clips, _ = library(tmp_path / "clips")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "clips" / "secret.txt").write_text("secret")
    (tmp_path / "clips" / "clip-link.mp4").symlink_to(tmp_path / "secret.txt")
    async with running_server(HttpSettings(port=0), also=clip_routes(clips, is_unfinished=lambda _: False)) as server:
        answer = await server.client.get(f"/clips/{name}")
        assert answer.status_code == 404
        assert "secret\n" not in answer.text
