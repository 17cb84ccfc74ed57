"""Segmentation of a text for TTS: speakable clauses; a short first clause is heard long before a whole sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

MARKUP: Final = re.compile(r"<[^<>]{0,200}>")
UNSPOKEN: Final = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f\u200d*_`#~|]")
SENTENCE: Final = re.compile(r"(?<=[.!?…。！？])[\"')\]]*\s+|\n+")
CLAUSE: Final = re.compile(r"(?<=[,;:，；：—–])\s+")
FIRST_CLAUSE_WORDS: Final = 3
"""A shorter first clause sounds clipped and saves no time."""
LONGEST_PIECE: Final = 180
"""Characters. A longer sentence is spoken clause by clause: audio starts and can be cancelled earlier."""


def clauses(text: str) -> Iterator[str]:
    """Pieces to synthesise one after the other; none for a text without words."""
    first = True
    for sentence in SENTENCE.split(_plain(text)):
        piece = sentence.strip()
        if not piece:
            continue
        for part in _pieces(piece, first):
            if any(character.isalnum() for character in part):
                yield part
                first = False


def _plain(text: str) -> str:
    return UNSPOKEN.sub(" ", MARKUP.sub(" ", text))


def _pieces(sentence: str, first: bool) -> Iterator[str]:
    if first:
        match = next(
            (m for m in CLAUSE.finditer(sentence) if len(sentence[: m.start()].split()) >= FIRST_CLAUSE_WORDS), None
        )
        if match and len(sentence) > 40:
            yield sentence[: match.start()]
            sentence = sentence[match.end() :]
    if len(sentence) <= LONGEST_PIECE:
        yield sentence
        return
    gathered = ""
    for part in CLAUSE.split(sentence):
        if gathered and len(gathered) + len(part) > LONGEST_PIECE:
            yield gathered
            gathered = ""
        gathered = f"{gathered} {part}".strip()
    if gathered:
        yield gathered
