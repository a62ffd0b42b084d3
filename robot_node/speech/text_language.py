"""The language of a text, out of a few: by its letters, and where these are the same, by its commonest words. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

_SCRIPTS: Mapping[str, tuple[tuple[int, int], ...]] = MappingProxyType(
    {
        "latin": ((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF)),
        "greek": ((0x370, 0x3FF),),
        "cyrillic": ((0x400, 0x52F),),
        "armenian": ((0x530, 0x58F),),
        "hebrew": ((0x590, 0x5FF),),
        "arabic": ((0x600, 0x6FF), (0x750, 0x77F)),
        "devanagari": ((0x900, 0x97F),),
        "bengali": ((0x980, 0x9FF),),
        "tamil": ((0xB80, 0xBFF),),
        "thai": ((0xE00, 0xE7F),),
        "georgian": ((0x10A0, 0x10FF),),
        "hangul": ((0x1100, 0x11FF), (0xAC00, 0xD7AF)),
        "kana": ((0x3040, 0x30FF),),
        "han": ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF)),
    }
)

_SCRIPTS_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "zh": ("han",),
        "cmn": ("han",),
        "yue": ("han",),
        "ja": ("kana", "han"),
        "ko": ("hangul",),
        "el": ("greek",),
        "hy": ("armenian",),
        "ka": ("georgian",),
        "th": ("thai",),
        "ta": ("tamil",),
        "bn": ("bengali",),
        **dict.fromkeys(("ru", "uk", "bg", "sr", "mk", "be", "kk", "ky", "mn"), ("cyrillic",)),
        **dict.fromkeys(("ar", "fa", "ur", "ps"), ("arabic",)),
        **dict.fromkeys(("he", "yi"), ("hebrew",)),
        **dict.fromkeys(("hi", "mr", "ne", "sa"), ("devanagari",)),
    }
)
"""The scripts of languages; all others are written in Latin letters."""

_WORDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        language: frozenset(words.split())
        for language, words in {
            "en": "the and is are you it that of to in what have this with not be was i do can for my your on",
            "de": "der die das und ist sind ich du nicht ein eine es zu mit was wie auf im guten hallo danke ja nein",
            "fr": "le la les et est un une je tu vous pas que qui des du en dans pour bonjour merci avec sur c'est oui",
            "es": "el la los las y es un una yo que de no en por para con hola gracias buenos como esta usted del",
            "it": "il lo la gli e un una io che di non per con ciao grazie sono come questo della buongiorno del",
            "pt": "o a os as e um uma eu que de com para por obrigado bom dia como isso em do da voc\u00ea est\u00e1",
            "nl": "de het een en is ik je niet van dat in op met wat hoe goed hallo dank voor zijn deze ook",
            "pl": "i w nie na to jest si\u0119 z co jak ja ty dzie\u0144 dobry czy tak ale prosz\u0119",
            "sv": "och det \u00e4r jag du inte en ett att i p\u00e5 med som f\u00f6r hej tack god vad hur den",
            "tr": "ve bir bu ne i\u00e7in de\u011fil var ben sen merhaba nas\u0131l evet hay\u0131r \u00e7ok da",
        }.items()
    }
)
_LETTERS: Mapping[str, str] = MappingProxyType(
    {
        "de": "\u00e4\u00f6\u00fc\u00df",
        "fr": "\u00e7\u00e9\u00e8\u00ea\u00e0\u00f9\u0153\u00ee",
        "es": "\u00f1\u00bf\u00a1\u00e1\u00ed\u00f3\u00fa\u00e9",
        "it": "\u00e0\u00e8\u00f2\u00f9\u00ec",
        "pt": "\u00e3\u00f5\u00e7\u00e1\u00ea\u00e9",
        "pl": "\u0142\u017c\u015b\u0107\u0105\u0119\u0144\u017a\u00f3",
        "sv": "\u00e5\u00e4\u00f6",
        "tr": "\u011f\u015f\u0131\u00e7\u00f6\u00fc",
        "uk": "\u0456\u0457\u0454\u0491",
        "ru": "\u044b\u044d\u0451",
        "be": "\u045e",
        "fa": "\u067e\u0686\u0698\u06af",
    }
)
"""Letters that speak for a language among those with the same script."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def language_of(text: str, languages: Iterable[str], default: str) -> str:
    """Return the language that a text is probably in.

    Args:
        text: A text.
        languages: Language tags to choose from.
        default: A language tag, for texts that say nothing else.
    """
    candidates = tuple(dict.fromkeys((default, *languages)))
    if len(candidates) == 1 or (script := _script(text)) is None:
        return default
    fitting = [tag for tag in candidates if script in _SCRIPTS_OF.get(_base(tag), ("latin",))]
    if script == "han" and any(_in_script(char, "kana") for char in text):
        fitting = [tag for tag in fitting if _base(tag) == "ja"] or fitting
    if not fitting:
        return default
    words = Counter(_WORD.findall(text.lower()))
    return max(fitting, key=lambda tag: _score(_base(tag), words))  # of several the first: the default, if it fits


def _score(base: str, words: Counter[str]) -> int:
    letters = _LETTERS.get(base, "")
    common = _WORDS.get(base, frozenset())
    return sum(times * (2 * (word in common) + sum(char in letters for char in word)) for word, times in words.items())


def _script(text: str) -> str | None:
    """The script of most letters."""
    counts = Counter(script for char in text if char.isalpha() for script in _SCRIPTS if _in_script(char, script))
    return max(counts, key=lambda script: counts[script]) if counts else None


def _in_script(char: str, script: str) -> bool:
    return any(first <= ord(char) <= last for first, last in _SCRIPTS[script])


def _base(tag: str) -> str:
    return tag.lower().partition("-")[0]
