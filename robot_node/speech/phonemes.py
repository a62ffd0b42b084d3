"""Phonemes of a text, by the program espeak-ng: for neural voices that are given phonemes instead of letters."""

from __future__ import annotations

import re
import subprocess

from robot_node.core.child_environment import child_environment
from robot_node.errors import DeviceError
from robot_node.speech.espeak import voice_names

_COMMAND = "espeak-ng"
_TIMEOUT_S = 10.0
_CLAUSE_END = re.compile(r"(?<=[,.;:!?\u2026])\s+|(?<=[\uff0c\u3002\uff1b\uff1a\uff01\uff1f\u3001])\s*")
_LANGUAGE_CHANGE = re.compile(r"\([a-z]{2,3}(-[a-z0-9]+)*\)")
_ASCII = str.maketrans("\u2026\uff0c\u3002\uff1b\uff1a\uff01\uff1f\u3001", ".,.;:!?,")


def phonemes(text: str, language: str) -> str:
    """Return the International Phonetic Alphabet's signs for a text, with its punctuation, which voices know too.

    Args:
        text: A sentence.
        language: A language tag.

    Raises:
        DeviceError: espeak-ng is missing, does not know the language, or failed.
    """
    clauses = [clause.strip() for clause in _CLAUSE_END.split(text) if clause.strip()]
    for voice in voice_names(language):
        # An empty line ends a clause, and each clause is a line of the answer.
        if (lines := _run(voice, "\n\n".join(clauses))) is not None:
            break
    else:
        raise DeviceError(f"espeak-ng does not know the language {language[:40]!r} of the voice.")
    if len(lines) != len(clauses):  # it has found ends of clauses of its own
        return f"{', '.join(lines)}{_end(text)}"
    return " ".join(f"{line}{_end(clause)}" for line, clause in zip(lines, clauses, strict=True))


def _end(clause: str) -> str:
    last = clause.translate(_ASCII).rstrip("\"')\u201d\u2019")[-1:]
    return last if last in ",.;:!?" else ""


def _run(voice: str, text: str) -> list[str] | None:
    try:
        done = subprocess.run(
            (_COMMAND, "-q", "--ipa", "-b", "1", "-v", voice, "--stdin"),
            input=text.encode(),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            env=child_environment(),
        )
    except FileNotFoundError as error:
        raise DeviceError(
            "The speech program espeak-ng is missing, which knows how words are pronounced.",
            remedy="Install it: sudo apt install espeak-ng. A voice with a lexicon does not need it.",
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"espeak-ng failed: {error}.") from error
    if done.returncode != 0:
        return None
    lines = (_LANGUAGE_CHANGE.sub("", line).strip() for line in done.stdout.decode(errors="replace").splitlines())
    return [line for line in lines if line]
