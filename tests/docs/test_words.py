"""The project's prose and names use the field's words: the most frequent offenders, each with a better word."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BETTER = {
    r"whoever": "anyone who, the caller, the agent, the viewer",
    r"anew": "again, from the start; re-create, reconnect, restart",
    r"all the same": "anyway",
    r"goodbyes?": "the message by name (DISCONNECT, notifications/disconnected), or shutdown",
    r"(is|are) no more(?! than)": "has left, is offline, does not exist",
    r"of one's own": "custom, its own",
    r"in place of": "instead of, replacing",
    r"(is|are) over": "has ended, is closed, has passed",
    r"(gives?|giving) out": "outputs, delivers, returns",
    r"what shall": "what to",
    r"(goes|went|gone) dark": "goes off, went off",
    r"all is well": "everything works, healthy",
    r"tells? of": "reports, announces",
    r"(is|are|was|were|be|been) told": "is notified, gets, receives",
    r"has gone": "has left, has ended",
    r"com(e|es|ing) and go(es|ing)?": "connect and leave",
    r"stands? (in|at|before|behind|beside|there)": "is in, is set in, precedes",
    r"one after the other": "in order, one at a time",
    r"beside": "next to, with, during, compared with, in addition to",
    r"mistakes? of ours": "a bug",
    r"makes? a mistake": "has a bug, raises an unexpected error",
    r"(the )?whole truth": "the status",
    r"away with": "remove, uninstall",
    r"has not the form": "is not a valid ...",
    r"nobody (has )?look(s|ed)": "unwatched, idle",
    r"somebody answers at": "a device responds at",
    r"nobody keeps": "name what is missing",
    r"on hardware that is simulated": "on simulated hardware",
}
"""Patterns of whole words, in any case, with the words that readers search for."""

NAMES = {
    "beside": "extra, siblings, ...",
    "doubt": "mark_stale",
    "doubted": "stale",
    "ears": "recognition",
    "getting_on": "heartbeat",
    "given": "the thing itself",
    "looked": "touch, update",
    "outlets": "mixer",
    "pieces": "chunks",
    "told": "the message itself",
    "whoever": "caller, client",
}
"""Names of functions, classes, parameters and modules, with better ones."""

PATTERN = re.compile(rf"\b({'|'.join(BETTER)})\b", re.IGNORECASE)
SHOWN = (".md", ".py", ".service", ".toml", ".yml")
CODE = re.compile(r"`[^`]*`|test_\w+")
"""Text in backticks is a name in a document; names are checked where they are defined."""


def files() -> list[str]:
    """Tracked files of the project, the tests' own excluded."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    shown = [name for name in listed.splitlines() if name.endswith(SHOWN) and not name.startswith("tests/")]
    return sorted(name for name in shown if (ROOT / name).is_file() and not (ROOT / name).is_symlink())


def offenders(name: str) -> Iterator[str]:
    """The lines of a file with a word that has a better one."""
    for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1):
        prose = CODE.sub("", line) if name.endswith(".md") else line
        for found in PATTERN.finditer(prose):
            yield f"{name}:{number}: {found[0]!r}: better {better(found[0])}"


def better(word: str) -> str:
    """The better words for a match."""
    return next(words for pattern, words in BETTER.items() if re.fullmatch(pattern, word, re.IGNORECASE))


def offending_names(name: str) -> Iterator[str]:
    """The names that a module defines and that have a better one."""
    if Path(name).stem in NAMES:
        yield f"{name}: better {NAMES[Path(name).stem]}"
    for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined = node.name
        elif isinstance(node, ast.arg):
            defined = node.arg
        else:
            continue
        if (words := NAMES.get(defined.strip("_").lower())) is not None:
            yield f"{name}:{node.lineno}: {defined!r}: better {words}"


def test_prose_uses_the_words_that_readers_search_for() -> None:
    found = [line for name in files() for line in offenders(name)]
    assert not found, "\n".join(found)


def test_names_are_the_standard_terms() -> None:
    found = [line for name in files() if name.endswith(".py") for line in offending_names(name)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("pattern", BETTER)
def test_no_better_word_is_itself_an_offender(pattern: str) -> None:
    assert not PATTERN.search(BETTER[pattern])
