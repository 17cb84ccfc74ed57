"""Sanitiser of text that people, tools and stores put into a prompt: plain characters, bounded, no prompt markup.

Pure. Ordinary text stays as it is.
"""

from __future__ import annotations

import re
from typing import Final

NAME_CHARS: Final = 60
_BREAKS: Final = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Control characters, direction marks, zero-width spaces and Unicode tag characters. Joiners (U+200C, U+200D) stay:
words of some languages need them."""
_TEMPLATE: Final = re.compile(
    r"<[|｜]|[|｜]>|</?(?:s|bos|eos|unk|pad|start_of_turn|end_of_turn|tool_call|tool_response|think)>|<</?SYS>>|"
    r"\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]",
    re.IGNORECASE,
)
"""Turn and tool markers of chat templates: a local model reads them as such wherever they occur."""
_HARMLESS: Final = str.maketrans("<>[]", "‹›()")
_TAGS: Final = str.maketrans("<>", "‹›")
_NAME_WORDS: Final = 5
_ORDER_WORDS: Final = frozenset(
    "always never ignore forget say answer answers reply replies obey end every each system rules instructions "
    "must now pretend repeat".split()
)
"""A name of three words or more with one of these is an instruction to the assistant."""


def plain(text: str) -> str:
    """The text as written, but without invisible characters and with chat template markers made harmless."""
    seen = _UNSEEN.sub("", _BREAKS.sub("\n", text))
    return _TEMPLATE.sub(lambda mark: mark[0].translate(_HARMLESS), seen)


def quoted(text: str, most: int) -> str:
    """One line without tags: it cannot open a paragraph, a list or another speaker's turn."""
    line = " ".join(plain(text).split()).translate(_TAGS)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def quoted_lines(text: str) -> str:
    """The same with its lines kept, none of them empty: only we make a prompt's paragraphs. The caller bounds it."""
    lines = (" ".join(line.split()) for line in plain(text).translate(_TAGS).splitlines())
    return "\n".join(line for line in lines if line)


def called(name: str) -> str:
    """A person's name for a prompt and a greeting: a name that is a sentence is cut down to its first word."""
    words = quoted(name, NAME_CHARS).split()
    orders = len(words) > 2 and any(word.strip(".,'").lower() in _ORDER_WORDS for word in words)
    return " ".join(words[:1] if orders or len(words) > _NAME_WORDS else words)
