"""Chooses the voice of a language, by the settings and by the voices that there are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar


class HasLanguage(Protocol):
    """A voice."""

    @property
    def name(self) -> str:
        """Unique among the voices."""

    @property
    def language(self) -> str:
        """A language tag such as ``"en-US"``."""


V = TypeVar("V", bound=HasLanguage)


def choose_voice(voices: Iterable[V], language: str, preferred: str | None) -> V | None:
    """Choose the voice for a language: one of its region before others, then the preferred one, then by name.

    Returns:
        None without a voice of this language.
    """
    wanted, _, region = language.lower().partition("-")
    fitting = [voice for voice in voices if voice.language.lower().partition("-")[0] == wanted]

    def order(voice: V) -> tuple[bool, bool, str]:
        other_region = bool(region) and voice.language.lower() != language.lower()
        return other_region, voice.name != preferred, voice.name

    return min(fitting, key=order, default=None)


def voice_for(by_language: Mapping[str, str], language: str) -> str | None:
    """Return the voice that the settings name for a language, or else for its base language; None without one."""
    names = {tag.lower(): name for tag, name in by_language.items()}
    tag = language.lower()
    return names.get(tag) or names.get(tag.partition("-")[0])
