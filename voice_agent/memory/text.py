"""Text normalisation for comparing words: lower case, stems, numbers as digits. Pure; English."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

import snowballstemmer

_STEMMER: Final = snowballstemmer.stemmer("english")
_WORD: Final = re.compile(r"[^\W_]+")
_APOSTROPHE: Final = re.compile(r"[’‘`´]")

UNITS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
TENS: Final = ("twenty thirty forty fifty sixty seventy eighty ninety").split()
_ORDINALS: Final = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
_NUMBERS: Final = (
    {word: number for number, word in enumerate(UNITS)}
    | {word: 10 * number for number, word in enumerate(TENS, 2)}
    | {word: number for number, word in enumerate(_ORDINALS)}
    | {"thirtieth": 30, "once": 1, "twice": 2, "dozen": 12}
)
_ORDINAL_DIGITS: Final = re.compile(r"(\d+)(?:st|nd|rd|th)")
_CONTRACTIONS: Final = (
    (re.compile(r"\bcan't\b"), "cannot"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"\bcannot\b"), "can not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"'(?:m)\b"), " am"),
    (re.compile(r"'(?:re)\b"), " are"),
    (re.compile(r"'(?:ve)\b"), " have"),
    (re.compile(r"'(?:ll)\b"), " will"),
    (re.compile(r"'(?:d)\b"), " would"),
    (re.compile(r"'s\b|s'(?=\s|$)"), " s"),
)

FUNCTION_WORDS: Final = frozenset(
    (
        "a an the this that these those some any each every all both such own same other another much many more "
        "most few less least and or but so if then than as because while though although since until unless of in "
        "on at by for with from to into onto over under about between through during before after above below up "
        "down out off again further here there now just only also too very really quite well still already even "
        "ever never not no yes i me my mine myself we us our ours you your yours he him his she her hers it its "
        "they them their theirs who whom whose which what when where why how is am are was were be been being do "
        "does did doing done have has had having will would shall should can could may might must s t d m re ve ll "
        "oh um uh er hm like know mean please thing things something anything user one"
    ).split()
)
"""Words that do not tell what a sentence is about."""


def plain(text: str) -> str:
    """Lower case without accents, one form of apostrophe, contractions expanded."""
    folded = unicodedata.normalize("NFKD", _APOSTROPHE.sub("'", text)).casefold()
    folded = "".join(character for character in folded if not unicodedata.combining(character))
    for pattern, replacement in _CONTRACTIONS:
        folded = pattern.sub(replacement, folded)
    return folded


def words(text: str) -> list[str]:
    """Words in order; numbers as digits, whether written or spelled out ("twenty-first" is "21")."""
    return list(_joined_numbers(_WORD.findall(plain(text))))


def _joined_numbers(found: Iterable[str]) -> Iterator[str]:
    tens: int | None = None
    for word in found:
        ordinal = _ORDINAL_DIGITS.fullmatch(word)
        number = _NUMBERS.get(word)
        if tens is not None:
            if number is not None and 0 < number < 10:
                yield str(tens + number)
                tens = None
                continue
            yield str(tens)
            tens = None
        if ordinal:
            yield ordinal[1]
        elif number is None:
            yield word
        elif number >= 20 and number % 10 == 0:
            tens = number
        else:
            yield str(number)
    if tens is not None:
        yield str(tens)


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    stemmed: str = _STEMMER.stemWord(word)
    return stemmed


def content_words(text: str) -> list[str]:
    """All words but the function words."""
    return [word for word in words(text) if word not in FUNCTION_WORDS]


def content(text: str) -> list[str]:
    """Stems of the content words."""
    return [stem(word) for word in content_words(text)]


_SENTENCE_END: Final = re.compile(r"(?<=[.!?…])\s+(?=[^\s])")


def sentences(text: str) -> list[str]:
    return [one.strip() for one in _SENTENCE_END.split(text.strip()) if one.strip()]
