"""Decision about proposed facts: whether they are grounded in what was said, and new, known already or a correction.
Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Final

from voice_agent.memory.facts.dates import DAYS, MONTHS
from voice_agent.memory.facts.fact import is_quote
from voice_agent.memory.facts.statements import clauses, proper_names, speaks_of_self
from voice_agent.memory.text import FUNCTION_WORDS, content, content_words, plain, sentences, stem, words

GLUE: Final = frozenset(
    map(
        stem,
        (
            "user name named call called own owns live lives work works old year years age aged prefer prefers dislike "
            "dislikes enjoy enjoys like likes love loves take takes make makes use uses located person want wants plan "
            "plans favorite favourite best number code day date time month week and also currently born birthday "
            "allergic allergy eat drink stand people family member lasting new former previous instead anymore longer"
        ).split(),
    )
)
"""Words with which a fact may be phrased although they were not said."""
_LONGEST_WORDS: Final = 40
_ABOUT_US: Final = re.compile(
    r"\b(?:assistant|chatbot|callers|system prompt|instructions?|ignore|rules?|prompt|ai|pretend|obey|"
    r"always (?:answer|say|reply))\b",
    re.IGNORECASE,
)
"""Facts about the user are data: sentences about the assistant and its rules are not kept."""
_SPEAK: Final = r"(?:say|answer|reply|respond|speak|end|begin|start|finish|obey|repeat|greet|mention|add|use)"
_ORDER: Final = re.compile(
    rf"\b(?:ignore|forget|disregard|override) (?:all|any|every|your|the|these|those|previous|earlier)\b|"
    rf"\b(?:every|each|all|your|any) (?:answers?|repl(?:y|ies)|responses?|greetings?)\b|"
    rf"\byour (?:rules?|instructions?|(?:system )?prompt|name is)\b|\bsystem prompt\b|\b(?:system|developer|admin) ?:|"
    rf"\b(?:always|never) {_SPEAK}\b(?! (?:up|off|out|late|early))|"
    rf"\b(?:assistant|you|it) (?:must|shall|should|will|has to|have to|is to|are to|only|always) "
    rf"(?:always |never |only |now )?{_SPEAK}\b|"
    rf"\byou {_SPEAK} (?:only|with|every)\b|\bpretend (?:that|to)\b|"
    rf"(?:^|[,:;.!>\"] |\bcall )(?:please |always |now )?{_SPEAK} (?:with|by|only)\b",
    re.IGNORECASE,
)
_MARKUP: Final = re.compile(r"[<>{}\[\]`|\\]|https?://")
_CORRECTS: Final = re.compile(
    r"\b(?:actually|correction|i meant?|i was wrong|any ?more|no longer|instead|in fact|changed|switched|used to|"
    r"moved|now|sorry|wrong|not (?:\w+ ){0,3}but|renamed|postponed|rescheduled|from now on|after all|these days)\b",
    re.IGNORECASE,
)
_NEGATIONS: Final = frozenset(("not", "never", "no", "without", "cannot"))


_DOES: Final = re.compile(
    r"The user (?:(?:has|have|had) to |must |can |should |would |will |always |often |usually |never |keeps )*"
    r"(?P<verb>[a-z]+)"
)
_SUBJECTS: Final = frozenset("i you he she it we they".split())


@dataclass(frozen=True, slots=True)
class Known:
    """A known fact, as far as the decision needs it."""

    fact_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    text: str
    same_as: str = ""
    """Id of the known fact that says the same."""
    replaces: str = ""
    """Id of the known fact that it corrects."""


def accepted(proposed: Sequence[str], said: str, context: str) -> list[str]:
    """`said`: the statement; `context`: further words that may be used (what was said just before, the names of known
    facts)."""
    facts = [tidy(one) for one in proposed]
    facts = [fact for fact in facts if acceptable(fact, f"{said} {context}") and grounded(fact, said, context)]
    facts = [fact for fact in facts if not said_of_you(fact, said)]
    whole = [fact for fact in facts if not any(fact != other and is_same(fact, other) for other in facts)]
    return list(dict.fromkeys(whole))


def decide(facts: Sequence[str], said: str, known: Sequence[Known]) -> list[Decision]:
    """Each decision counts for the later ones."""
    decided: list[Decision] = []
    present = list(known)
    for fact in facts:
        same = next((one for one in present if is_same(fact, one.text)), None)
        if same is not None:
            decided.append(Decision(fact, same_as=same.fact_id))
            continue
        old = corrected(fact, said, present)
        decided.append(Decision(fact, replaces=old.fact_id if old else ""))
        if old is not None:
            present.remove(old)
    return decided


def tidy(sentence: str) -> str:
    text = " ".join(sentence.split()).strip(" -•*")
    return text if text.endswith((".", "!", '"')) or not text else f"{text}."


def acceptable(fact: str, said: str) -> bool:
    """Whether it is of sensible size, without markup, no order to the assistant, and about the user only where the user
    spoke of themselves ("You are funny." tells nothing about them)."""
    return bool(
        fact
        and len(words(fact)) <= _LONGEST_WORDS
        and content(fact)
        and (speaks_of_self(said) or not re.search(r"\busers?\b", fact, re.IGNORECASE))
        and not _MARKUP.search(fact)
        and not _ABOUT_US.search(fact)
        and not is_order(fact)
        and (is_quote(fact) or " you " not in f" {plain(fact)} ")
    )


def is_order(text: str) -> bool:
    """Whether it tells the assistant how to speak, whatever its origin: said by a person or written into Letta."""
    return bool(_ORDER.search(text))


def no_orders(stored: str) -> Iterator[str]:
    """The sentences of a stored text that are no orders."""
    return (sentence for sentence in sentences(stored) if not is_order(sentence))


def without_orders(said: str) -> str:
    """The statement without orders: each sentence up to the clause that tells the assistant how to speak. A small model
    turns an order to say X into "The user says X in each reply." """
    return " ".join(kept for one in sentences(said) if (kept := _before_order(one)))


def _before_order(sentence: str) -> str:
    order = _ORDER.search(sentence)
    if order is None:
        return sentence
    begin = max(found for found in (0, *_begins(sentence)) if found <= order.start())
    left = sentence[:begin].strip(" ,;:.!")
    return f"{left}." if left else ""


def _begins(sentence: str) -> Iterator[int]:
    """Where its clauses and brackets begin."""
    yield from itertools.accumulate(map(len, clauses(sentence)))
    yield from (place for place, character in enumerate(sentence) if character in "([")


def grounded(fact: str, said: str, context: str = "") -> bool:
    """Whether every name and number of the fact was said, and of its other words all but one in four; something of it
    must come from this statement and not only from the context. Of a statement that denies something and names
    somebody, a name from the context is what it denies."""
    heard_words = words(f"{said} {context}")
    heard = {stem(word) for word in heard_words}
    own = set(content(said))
    run_together = "".join(heard_words)
    names = proper_names(fact)
    if negated(said) and names and proper_names(said) and names.isdisjoint(words(said)):
        return False
    found, missing = 0, 0
    for word in content_words(fact):
        if word in heard_words or stem(word) in heard or (len(word) > 2 and word in run_together):
            found += 1
        elif word.isdigit() or word in names:
            return False
        elif stem(word) not in GLUE:
            missing += 1
    return found > 0 and missing <= found // 3 and not own.isdisjoint(content(fact))


def said_of_you(fact: str, said: str) -> bool:
    """Whether the fact says of the user what the statement says of "you", the assistant or anybody: a small model makes
    "The user books months ahead." of "You have to book months ahead there." """
    does = _DOES.match(fact)
    if does is None or is_quote(fact):
        return False
    spoken, wanted = words(said), stem(does["verb"].lower())
    subjects = [_subject(spoken[:place]) for place, word in enumerate(spoken) if stem(word) == wanted]
    return bool(subjects) and all(subject == "you" for subject in subjects)


def _subject(before: Sequence[str]) -> str:
    """The nearest pronoun in front of a verb, at most four words before it."""
    return next((word for word in reversed(before[-4:]) if word in _SUBJECTS), "")


def is_same(one: str, other: str) -> bool:
    """Whether the new fact says nothing that the known one does not say."""
    mine, theirs = _plainly(one), _plainly(other)
    if negated(one) != negated(other):
        return False
    return bool(mine) and mine <= theirs


_ALIKE: Final = {stem(word): "name" for word in ("named", "called", "call", "name")}


def _plainly(fact: str) -> set[str]:
    return {_ALIKE.get(word, word) for word in content(fact)}


def negated(text: str) -> bool:
    return bool(_NEGATIONS & set(words(text)))


def corrected(fact: str, said: str, known: Sequence[Known]) -> Known | None:
    """The known fact that this one replaces."""
    cued = bool(_CORRECTS.search(said))
    denied = {stem(word) for found in _DENIED.finditer(said) for word in content_words(found[1])}
    best: tuple[float, Known] | None = None
    for one in known:
        likeness = _DENIES if _denies(fact, one.text, denied) else _same_matter(fact, one.text, cued)
        if likeness and (best is None or likeness >= best[0]):
            best = likeness, one
    return best[1] if best else None


_SINGLE: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\byears? old\b",
        r"\b(?:is|are) (?:named|called)\b",
        r"\blives? in\b",
        r"\blives? at\b",
        r"\bworks? (?:at|for)\b",
        r"\bworks? as\b",
        r"\b(?:code|number|password|address|birthday|appointment|favou?rite|size|age|name)\b.*\b(?:is|on|at)\b",
        r"\bweighs?\b",
        r"\bis married to\b",
    )
)
"""What has one value at a time: another value replaces the old one without being announced."""
_CUE_WORDS: Final = frozenset(
    map(stem, ("actually changed switched moved renamed postponed rescheduled wrong now").split())
)
_WHEN: Final = frozenset(map(stem, [*DAYS, *MONTHS]))


_DENIED: Final = re.compile(
    r"\b(?:not|wasn't|isn't|weren't|aren't|no longer|instead of|rather than)"
    r"(?: (?:the|a|an|at|in|on|called|it))? ([\w'-]+)",
    re.IGNORECASE,
)
"""The value that no longer holds: "80" in "not 80, but 95"."""
_DENIES: Final = 3.0


def _denies(fact: str, other: str, denied: Set[str]) -> bool:
    """Whether both are about the same thing, and the other one's value is the one that was denied."""
    mine, theirs = _matter(fact), _matter(other)
    return bool(denied & theirs - {word for word in mine if not word.isdigit()}) and bool(mine & theirs - denied)


def _same_matter(fact: str, other: str, cued: bool) -> float:
    """How sure it is that both are about the same thing with different values; 0: they are not."""
    mine, theirs = _matter(fact), _matter(other)
    shared, only_mine, only_theirs = mine & theirs, mine - theirs, theirs - mine
    if len(only_mine) > _MOST_NEW or len(only_theirs) > _MOST_NEW:
        return 0.0
    overlap = len(shared) / max(1, min(len(mine), len(theirs)))
    if negated(fact) != negated(other):
        return 2.0 + overlap if overlap >= 0.99 else 0.0
    if only_mine and only_theirs and _kind(only_mine) != _kind(only_theirs):
        return 0.0
    if cued and overlap >= 0.5:
        return 1.0 + overlap
    single = any(pattern.search(fact) and pattern.search(other) for pattern in _SINGLE)
    return 1.0 + overlap if single and _opening(fact) == _opening(other) else 0.0


_MOST_NEW: Final = 4
"""Content words by which a fact and its correction may differ."""


def _matter(fact: str) -> set[str]:
    return set(content(fact)) - GLUE - _CUE_WORDS


def _kind(values: set[str]) -> str:
    return "number" if any(value.isdigit() or value in _WHEN for value in values) else "word"


def _opening(fact: str) -> tuple[str, ...]:
    """Subject and verb. The noun "name" is left out: it says the same as the verb does."""
    found = words(fact)
    verb = next((place for place, word in enumerate(found) if word in _VERBS), len(found))
    about = [stem(word) for word in found[:verb] if word not in FUNCTION_WORDS and word != "name"]
    return (*about, *("be" if word in ("is", "are") else stem(word) for word in found[verb : verb + 1]))


_VERBS: Final = frozenset(
    (
        "is are was were has have had lives live works work likes like named called does do will can cannot moved "
        "weighs prefers plays collects wants owns loves hates eats drinks leaves starts"
    ).split()
)
