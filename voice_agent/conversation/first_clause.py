"""First-clause tokenizer: gives TTS the first clause while the LLM still generates the rest, then whole sentences."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from livekit.agents.tokenize import SentenceStream, SentenceTokenizer, blingfire
from livekit.agents.tokenize.token_stream import BufferedSentenceStream

from voice_agent.languages import ENGLISH, Language

FIRST_CLAUSE_WORDS: Final = 3
"""A shorter first clause sounds clipped and gains nothing."""
_END: Final = re.compile(r"[.!?…。！？,;:，；：—–][\"')\]]*\s|(?<=[^\W\d_A-Z]{2})[.!?,;:]$")
"""A mark right after a word ends a clause before its space is there: the next token takes a tenth of a second."""
_ABBREVIATION: Final = re.compile(r"(?:^|\W)(?:[A-Z][a-z]{0,2}|\w\.\w)\.$")
"""Text that ends like an abbreviation may end with one: only the next words tell."""
_WORDS_BEFORE_A_JOINT: Final = 5


def end_of_first_clause(text: str, language: Language = ENGLISH) -> int | None:
    """End of the first piece that sounds natural by itself; None: it is not complete yet."""
    places = [
        (match.end(), FIRST_CLAUSE_WORDS)
        for match in _END.finditer(text)
        if not _ABBREVIATION.search(text[: match.end()].rstrip())
    ]
    places += [(match.end(), _WORDS_BEFORE_A_JOINT) for match in _joint(language.joints).finditer(text)]
    return min((end for end, words in places if len(text[:end].split()) >= words), default=None)


def clauses(text: str, language: Language = ENGLISH) -> list[str]:
    """The pieces in which a short answer is given to TTS."""
    end = end_of_first_clause(text, language) or len(text)
    return [piece for piece in (text[:end].strip(), text[end:].strip()) if piece]


@cache
def _joint(words: str) -> re.Pattern[str]:
    return re.compile(rf"\s(?=(?:{words.replace(' ', '|')})\s)")


class FirstClauseTokenizer(SentenceTokenizer):
    def __init__(self, language: Language = ENGLISH) -> None:
        self.language = language
        self._sentences = blingfire.SentenceTokenizer()

    def tokenize(self, text: str, *, language: str | None = None) -> list[str]:
        return self._sentences.tokenize(text, language=language)

    def stream(self, *, language: str | None = None) -> SentenceStream:
        return BufferedSentenceStream(tokenizer=_Pieces(self), min_token_len=1, min_ctx_len=1)


class _Pieces:
    """Splitter of the text of one answer so far; the last piece may still grow."""

    def __init__(self, sentences: FirstClauseTokenizer) -> None:
        self._sentences = sentences
        self._begun = False

    def __call__(self, text: str) -> list[str]:
        if self._begun:
            return self._sentences.tokenize(text)
        if (end := end_of_first_clause(text, self._sentences.language)) is None:
            return [text]
        self._begun = True
        return [text[:end].rstrip(), text[end:]]
