"""How much a browser loads: of the built page, as it is sent."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from robot_node.console.page import PageFile, page_files
from tests.console.browser import visit
from tests.console.conftest import Site

_FIRST_LOAD_LIMIT = 250_000
_WHAT_INDEX_LOADS = re.compile(r'<(?:script|link)\b[^>]*?\s(?:src|href)="\.(/[^"]+)"')
_CODE = re.compile(r"/assets/.*\.(?:js|css)")
_LANGUAGE = re.compile(r"/assets/(?:de|zh)-[^/]+\.js")


def _sent(file: PageFile) -> int:
    return len(file.content if file.compressed is None else file.compressed)


def _named(files: dict[str, PageFile]) -> set[str]:
    return set(_WHAT_INDEX_LOADS.findall(files["/index.html"].content.decode()))


def test_the_first_load_is_light_in_every_language() -> None:
    files = page_files()
    needed = {"/index.html", *_named(files)} & set(files)
    assert {path.rpartition(".")[2] for path in needed} >= {"html", "js", "css"}
    first = {path: _sent(files[path]) for path in needed}
    languages = [_sent(file) for path, file in files.items() if _LANGUAGE.fullmatch(path)]
    assert len(languages) == 2
    assert sum(first.values()) + max(languages) <= _FIRST_LOAD_LIMIT, (first, languages)


@pytest.mark.asyncio(loop_scope="session")
async def test_all_code_that_a_robot_needs_is_named_by_the_page_itself(site: Site, tmp_path: Path) -> None:
    """So it is fetched at once, and counted above."""
    async with visit(site.browser, "about:blank", tmp_path) as page:
        loaded = set[str]()
        page.page.on("request", lambda request: loaded.add(urlsplit(request.url).path))
        page.url = site.address
        await page.page.goto(site.address)
        await page.ready()
        code = {path for path in loaded if _CODE.fullmatch(path)}
        assert code == {path for path in _named(page_files()) if _CODE.fullmatch(path)}
