"""Wishes to forget: their recognition in what a person says (pure; English), and their execution."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from voice_agent.memory.text import content, plain, sentences

if TYPE_CHECKING:
    from voice_agent.memory.facts.forgetting import Forgetting
    from voice_agent.memory.facts.store import Owner


@dataclass(frozen=True, slots=True)
class ForgetWish:
    what: str
    """Description of what is to be forgotten; empty with `everything`."""
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    forgotten: int
    texts: tuple[str, ...] = ()
    """The facts as they were. For the answer only, never stored."""
    written: int = 0
    """Sentences of the assistant's memory blocks that say it, too: only who may edit the assistant changes these."""


_POLITE: Final = (
    r"(?:(?:please|now|ok(?:ay)?|so|and|well|oh|no|actually|hey|sorry|just|kindly|then|alright|yes|also|um|uh)[, ]+)*"
)
_ASKED: Final = (
    r"(?:(?:can|could|would|will) you (?:please )?(?:just )?|would you mind |"
    r"you (?:should|must|can|may|need to|have to) (?:please )?(?:just )?|"
    r"i (?:want|would like|need|wish) you to (?:please )?|i wish you would |let us |let s )?"
)
_FORGET: Final = (
    rf"^{_POLITE}{_ASKED}{_POLITE}(?:forget(?:ting)?(?: about)?|"
    r"(?:delete|erase|remove)(?: from your memory)?|do not remember|stop remembering)\b(?P<what>.*)$"
)
_SHOULD_NOT: Final = (
    rf"^{_POLITE}(?:you (?:should|must|need) not (?:to )?|i do not want you to |i would rather you did not |"
    r"i do not (?:want|like) (?:that )?you )(?:remember(?:ing)?|know)\b(?P<what>.*)$"
)
_WISHES: Final = (re.compile(_FORGET), re.compile(_SHOULD_NOT))
_ONLY_MEMORY: Final = re.compile(r"\b(?:delete|erase|remove)\b")
_OF_MEMORY: Final = re.compile(
    r"\b(?:memory|memories|notes?|remember|know|about me|my|told you|tell you|i said|i told)\b"
)
_EVERYTHING: Final = re.compile(
    r"^(?:about )?(?:(?:everything|all|anything|the lot)(?: (?:of it|of that|that|which|what|things?|facts?))?"
    r"(?: (?:you|i|we)(?: have| ever| had)*(?: ever)? (?:know|known|remember|learned|learnt|said|told|tell|stored|kept|"
    r"saved|noted)(?: you)?)?(?: (?:about|of|from|on) (?:me|myself))?|me|all about me|who i am|my (?:entire |whole )?"
    r"(?:memory|memories|data))(?: (?:now|please|again|from your memory|for ever|forever|completely))*$"
)
_LEAD: Final = re.compile(
    r"^(?:(?:about|that|what|whatever|everything|anything|all|the (?:thing|part|fact|bit)s?|which|it|of|from|when|if|"
    r"(?:i|we)(?: have| had| just| ever)* (?:said|told|tell|mentioned|mention|talked|spoke|asked)(?: to)?(?: you)?|"
    r"you (?:know|remember|have noted|learned)|on|regarding|concerning)\b ?)+"
)
_TRAIL: Final = re.compile(
    r"(?: (?:please|now|again|from your memory|for ever|forever|completely|any ?more|ok|okay))+$"
)
_NOT_MEANT: Final = re.compile(r"^(?:it|that|this|about it|about that|i asked|i said anything|to|the question)?$")
"""About the talk itself ("forget it"), or the rest of "forget to"."""


def forget_wish(utterance: str) -> ForgetWish | None:
    """None: nothing is to be forgotten ("I always forget my keys", "don't forget the milk", "forget it")."""
    for sentence in sentences(utterance):
        if (wish := _in_sentence(sentence)) is not None:
            return wish
    return None


def _in_sentence(sentence: str) -> ForgetWish | None:
    text = " ".join(re.sub(r"[^\w' -]+", " ", plain(sentence)).split())
    found = next((match for match in (pattern.match(text) for pattern in _WISHES) if match), None)
    if found is None:
        return None
    what = found["what"].strip()
    # "Remove the last song" is no wish about memory.
    if _ONLY_MEMORY.search(text[: found.start("what")]) and not _OF_MEMORY.search(text):
        return None
    if _EVERYTHING.match(what):
        return ForgetWish("", everything=True)
    if _NOT_MEANT.match(what) or what.startswith(("to ", "about it ", "it ")):
        return None
    what = _TRAIL.sub("", _LEAD.sub("", what)).strip()
    return ForgetWish(what) if content(what) else None


async def carry_out(forgetting: Forgetting, owner: Owner, wish: ForgetWish) -> Outcome:
    """Call it once the turn with the wish is in the outbox: the turn is redacted, too, where it names the content."""
    if wish.everything:
        return Outcome(await forgetting.forget_all(owner))
    meant = await forgetting.matching(owner, wish.what)
    forgotten = await forgetting.forget(owner, [fact.fact_id for fact in meant])
    forgotten += await forgetting.forget_unlearned(owner, wish.what)
    return Outcome(forgotten, tuple(fact.text for fact in meant))
