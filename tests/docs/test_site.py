"""The site of the documentation: built without a warning, and whoever reads it loads nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOADED = re.compile(r"""<(?:script|img|iframe|source|link rel="stylesheet")[^>]*(?:src|href)=["']([^"']+)""")
IMPORTED = re.compile(r"""(?:url\(|@import )["']?([a-z]+:)?//""")


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", str(source), str(site)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow  # 'make docs' builds it too, without a warning
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    built = build(ROOT / "docs", tmp_path)
    assert built.returncode == 0, built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} <= {page.stem for page in pages}
    loaded = {(page.name, address) for page in pages for address in LOADED.findall(page.read_text())}
    assert ("index.html", "_static/documentation_options.js") in {(page, url.split("?")[0]) for page, url in loaded}
    assert not [(page, address) for page, address in loaded if "//" in address]
    for style in tmp_path.rglob("*.css"):
        assert not IMPORTED.search(style.read_text()), style.name


@pytest.mark.slow
def test_a_dead_link_a_missing_picture_and_a_page_that_is_in_no_list_are_errors(tmp_path: Path) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    (source / "conf.py").write_text((ROOT / "docs" / "conf.py").read_text())
    (source / "index.md").write_text("# A\n\n[b](b.md) [c](index.md#c)\n\n![d](d.png)\n\n```{toctree}\ne\n```\n")
    (source / "lost.md").write_text("# Lost\n")
    built = build(source, tmp_path / "site")
    assert built.returncode == 1
    for complaint in ("'b.md'", "'c'", "d.png", "'e'", "lost.md"):
        assert complaint in built.stderr


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "AGENTS.md"])
def test_a_page_outside_the_site_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", (ROOT / page).read_text())
    assert links
    for file, anchor in links:
        target = ROOT / (file or page)
        assert target.exists(), file
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, f"{file}#{anchor}"
