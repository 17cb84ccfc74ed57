"""Facts for recall from memory blocks that tell about a person, such as Letta's `human`. Pure; English.

They stand in the prompt anyway; recall counts them too, so that it never says "nothing was told" about one of them. A
block speaks of the person by name or as "they" and joins much in one sentence. A question finds it when it is put as
the person would say it: one clause, in the first person (docs/measured.md).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Final

from voice_agent.memory.facts.decide import no_orders
from voice_agent.memory.facts.fact import UNDATED, Fact, FactSource
from voice_agent.memory.facts.store import Owner
from voice_agent.memory.model import Block
from voice_agent.memory.recall.index import as_said

_PREFIX: Final = "block:"
_NAME: Final = re.compile(r"(?i:\b(?:called|named|name is|name:|user is)) ([A-Z][\w'’-]*)")
_ANYBODY: Final = "(?:The |This )?(?:user|human|person|customer|caller|client|patient|guest)(?: I talk to)?|He|She|They"
_THEIRS: Final = re.compile(r"^(?:His|Her|Their) ")
_ENTRY: Final = re.compile(r"^[-*• ]*(?P<key>[A-Za-z][\w ]{1,30}): (?P<value>\S.*)$")
_NEXT_VERB: Final = re.compile(r"(?:,|,? and) (?=(?:[a-z]{2,}[^s\W]s|is|has|had|can|cannot|does) (?!and\b|or\b|of\b))")
"""Separates two verbs in the third person. Plural nouns look the same ("cats, dogs and birds of prey"): what follows
tells them apart."""
_NEXT_SUBJECT: Final = re.compile(r"; ")


def block_facts(blocks: Iterable[Block], owner: Owner) -> list[Fact]:
    """`blocks`: what the owner hears that may tell about them (`Listener.told_about`)."""
    values = [block.value for block in blocks]
    names = "".join(f"|{re.escape(name[1])}" for name in map(_NAME.search, values) if name)
    somebody = re.compile(rf"^(?P<who>{_ANYBODY}{names})(?P<s>['’]s)? ")
    lines = (line for value in values for line in value.splitlines())
    found = dict(part for line in lines for sentence in no_orders(line) for part in _parts(sentence, somebody))
    return [
        Fact(
            f"{_PREFIX}{hashlib.sha256(text.encode()).hexdigest()[:32]}",
            owner.letta_agent_id,
            owner.person_id,
            text,
            UNDATED,
            FactSource.LETTA,
            said=said,
        )
        for text, said in found.items()
    ]


def from_block(fact: Fact) -> bool:
    return fact.fact_id.startswith(_PREFIX)


def _parts(sentence: str, somebody: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Parts of a sentence about the person: as it says them, and as the person would."""
    if entry := _ENTRY.match(sentence):
        key, value = entry["key"], entry["value"]
        verb = key.split()[0].lower().endswith("s") and " " in key  # "Lives in: Lyon"
        yield sentence, as_said(f"The user {key.lower()} {value}") if verb else f"My {key.lower()} is {value}"
        return
    for part in _NEXT_SUBJECT.split(sentence):
        part = part[:1].upper() + part[1:]
        subject = somebody.match(part)
        if subject is None or subject["s"]:
            said = _THEIRS.sub("My ", part) if subject is None else f"My {part[subject.end() :]}"
            yield part, as_said(said)
            continue
        for clause in _NEXT_VERB.split(part[subject.end() :]):
            yield f"{subject['who']} {clause}", as_said(f"The user {clause}")
