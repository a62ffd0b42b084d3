"""How much a browser loads: of the built page, as it is sent."""

from __future__ import annotations

import re

from robot_node.console.page import PageFile, page_files

_FIRST_LOAD_LIMIT = 250_000
_WHAT_INDEX_LOADS = re.compile(r'<(?:script|link)\b[^>]*?\s(?:src|href)="\.(/[^"]+)"')
_LANGUAGE = re.compile(r"/assets/(?:de|zh)-[^/]+\.js")


def _sent(file: PageFile) -> int:
    return len(file.content if file.compressed is None else file.compressed)


def test_the_first_load_is_light_in_every_language() -> None:
    files = page_files()
    needed = {"/index.html", *_WHAT_INDEX_LOADS.findall(files["/index.html"].content.decode())}
    assert {path.rpartition(".")[2] for path in needed} >= {"html", "js", "css"}
    first = {path: _sent(files[path]) for path in needed}
    languages = [_sent(file) for path, file in files.items() if _LANGUAGE.fullmatch(path)]
    assert len(languages) == 2
    assert sum(first.values()) + max(languages) <= _FIRST_LOAD_LIMIT, (first, languages)
