"""Analysis of a question: about whom, about what, and for which kind of answer it asks. Pure; English."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from voice_agent.memory.text import content_words, plain, sentences, stem, words

_GROUPS: Final = (
    # Words and their synonyms: each group names one entity, by its first word. Words in `_WIDER` fit several groups.
    ("mother", "mum", "mom", "mama", "mummy"),
    ("father", "dad", "papa", "daddy"),
    ("sister",),
    ("brother",),
    ("daughter", "girl"),
    ("son", "boy"),
    ("wife",),
    ("husband",),
    ("boyfriend",),
    ("girlfriend",),
    ("ex",),
    ("grandmother", "grandma", "granny", "nan", "gran"),
    ("grandfather", "grandpa", "granddad", "grandad"),
    ("grandson",),
    ("granddaughter",),
    ("grandchild", "grandchildren", "grandkid"),
    ("aunt", "auntie"),
    ("uncle",),
    ("niece",),
    ("nephew",),
    ("cousin",),
    ("twin",),
    ("godmother",),
    ("godfather",),
    ("godchild", "godchildren", "godson", "goddaughter", "godparent"),
    ("stepmother",),
    ("stepfather",),
    ("stepson",),
    ("stepdaughter",),
    ("neighbour", "neighbor", "next door"),
    ("boss", "manager", "supervisor"),
    ("colleague", "coworker", "workmate"),
    ("teacher",),
    ("doctor", "gp", "physician"),
    ("dentist",),
    ("hairdresser", "barber"),
    ("landlord", "landlady"),
    ("dog", "puppy"),
    ("cat", "kitten"),
    ("hamster",),
    ("parrot",),
    ("rabbit", "bunny"),
    ("horse", "pony"),
    ("goldfish", "fish"),
    ("tortoise", "turtle"),
    ("guinea pig",),
)
_PARTNERS: Final = ("partner", "wife", "husband", "boyfriend", "girlfriend")
_WIDER: Final = {
    "parents": ("mother", "father"),
    "parent": ("mother", "father"),
    "sibling": ("sister", "brother"),
    "siblings": ("sister", "brother"),
    "child": ("daughter", "son"),
    "children": ("daughter", "son"),
    "kid": ("daughter", "son"),
    "kids": ("daughter", "son"),
    "grandparents": ("grandmother", "grandfather"),
    "eldest": ("daughter", "son"),
    "youngest": ("daughter", "son"),
    "toddler": ("daughter", "son"),
    "baby": ("daughter", "son"),
    "partner": _PARTNERS,
    "spouse": _PARTNERS,
    "fiance": _PARTNERS,
    "fiancee": _PARTNERS,
    "pet": ("dog", "cat", "hamster", "parrot", "rabbit", "horse", "goldfish", "tortoise", "guinea pig"),
}
_ENTITY: Final = {word: group[0] for group in _GROUPS for word in group}
_PLURAL: Final = {f"{word}s": name for word, name in _ENTITY.items()}
_TWO_WORDS: Final = tuple(name for name in _ENTITY if " " in name)
_IN_LAW: Final = re.compile(r"\b(\w+)[ -]in[ -]law\b")
_MOTHER, _FATHER = "(?:mother|mum|mom|mummy)", "(?:father|dad|daddy)"
_PARTNER: Final = "(?:wife|husband|partner|spouse|girlfriend|boyfriend|fiancee?|other half)"
_SIBLING: Final = "(?:brother|sister|sibling)s?"
_CHILD: Final = "(?:son|daughter|child|kid)s?"
_RELATIONS: Final = tuple(
    (re.compile(rf"\b{of} s? ?{whose}s?\b"), names)
    for of, whose, names in (
        (_PARTNER, _MOTHER, ("mother in law",)),
        (_PARTNER, _FATHER, ("father in law",)),
        (_PARTNER, "sister", ("sister in law",)),
        (_PARTNER, "brother", ("brother in law",)),
        (_PARTNER, "(?:son|boy)", ("stepson",)),
        (_PARTNER, "(?:daughter|girl)", ("stepdaughter",)),
        ("brother", "(?:wife|partner|girlfriend)", ("sister in law",)),
        ("sister", "(?:husband|partner|boyfriend)", ("brother in law",)),
        ("son", "wife", ("daughter in law",)),
        ("daughter", "husband", ("son in law",)),
        (f"(?:{_MOTHER}|{_FATHER}|parents?)", "sister", ("aunt",)),
        (f"(?:{_MOTHER}|{_FATHER}|parents?)", "brother", ("uncle",)),
        (f"(?:{_MOTHER}|{_FATHER})", _MOTHER, ("grandmother",)),
        (f"(?:{_MOTHER}|{_FATHER})", _FATHER, ("grandfather",)),
        (_SIBLING, "(?:son|boy)", ("nephew",)),
        (_SIBLING, "(?:daughter|girl)", ("niece",)),
        (_SIBLING, "(?:child|children|kid|baby)", ("niece", "nephew")),
        (_CHILD, "(?:son|boy)", ("grandson",)),
        (_CHILD, "(?:daughter|girl)", ("granddaughter",)),
    )
)
"""A relative named by way of another one: "my mum's sister"."""
_PHRASES: Final = (
    (re.compile(r"\b(?:former|ex) (?:partner|wife|husband|boyfriend|girlfriend)\b"), ("ex",)),
    (re.compile(r"\b(?:other|better) half\b"), ("partner", "wife", "husband", "boyfriend", "girlfriend")),
    (re.compile(r"\blittle ones?\b"), ("daughter", "son")),
    (re.compile(r"\boldest\b(?! (?:sister|brother|friend))"), ("daughter", "son")),
)


NAMES_SOMEBODY: Final = frozenset((*_ENTITY, *_PLURAL, *_WIDER))
"""Words for people and animals."""


def entities(text: str) -> frozenset[str]:
    """The people and animals that are mentioned, each by one name."""
    folded = plain(text)
    found = {f"{one[1]} in law" for one in _IN_LAW.finditer(folded)}
    folded = _IN_LAW.sub(" ", folded)
    for pattern, names in (*_RELATIONS, *_PHRASES):
        if pattern.search(folded):
            found.update(names)
            folded = pattern.sub(" ", folded)
    for name in _TWO_WORDS:
        if name in folded:
            found.add(_ENTITY[name])
            folded = folded.replace(name, " ")
    for word in re.findall(r"\w+", folded):
        if word in _ENTITY or word in _PLURAL:
            found.add(_ENTITY.get(word) or _PLURAL[word])
        elif word in _WIDER:
            found.update(_WIDER[word])
    return frozenset(found)


_KIND_OF: Final = re.compile(
    r"\b(?:what|which)(?: (?:kinds?|sorts?|types?|brand|make|pieces?) of)? (?P<noun>[a-z]+)\b|"
    r"\b(?:kinds?|sorts?|types?) of (?P<noun2>[a-z]+)\b"
)
_EMPTY: Final = frozenset(
    map(
        stem,
        (
            "kind sort type remember remind tell told recall again called call name make do get go much many long "
            "often current currently exactly ever supposed think way lot bit piece person people something anything "
            "little old new last closest nearest present usual own dear favourite favorite best"
        ).split(),
    )
)
"""Words of questions that do not tell what is asked about."""


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    entities: frozenset[str]
    matter: tuple[str, ...]
    """Content words that tell what is asked about."""
    asks: str
    """name, who, where, when, number, or empty."""


def read(text: str) -> Question:
    folded = plain(text)
    named = {stem(word) for word in words(" ".join(_ENTITY))}
    asked_kind = {stem(noun) for one in _KIND_OF.finditer(folded) for noun in one.groups() if noun}
    matter = tuple(
        dict.fromkeys(
            word
            for word in content_words(text)
            if stem(word) not in _EMPTY and stem(word) not in asked_kind and stem(word) not in named
        )
    )
    return Question(text, entities(text), matter, _asks(folded))


_NUMBER: Final = re.compile(
    r"\bhow (?:old|many|much|tall|big|heavy|far|high|large|fast|long)\b|\b(?:number|code|pin|combination|size|age|"
    r"password|phone)\b"
)
_WHEN: Final = re.compile(
    r"\bwhen\b|\b(?:what|which) (?:date|day|time|year|month|days)\b|\bhow long ago\b|\bsince when\b"
)
_NAME: Final = re.compile(r"\b(?:names?|named|called)\b|\bwhat (?:do|did) (?:i|we|they) call\b")
_WHO: Final = re.compile(r"\bwho(?:m|se)?\b")
_WHERE: Final = re.compile(r"\bwhere\b|\b(?:what|which) (?:city|town|country|place|street|village)\b")


def _asks(folded: str) -> str:
    for kind, pattern in (("when", _WHEN), ("number", _NUMBER), ("name", _NAME), ("who", _WHO), ("where", _WHERE)):
        if pattern.search(folded):
            return kind
    return ""


_MONTH_OR_DAY: Final = re.compile(
    r"\b(?:january|february|march|april|may|june|july|august|september|october|november|december|monday|tuesday|"
    r"wednesday|thursday|friday|saturday|sunday|morning|evening|noon|night|week|weekend|spring|summer|autumn|winter|"
    r"christmas|easter|day|year)s?\b"
)


_PLACE: Final = re.compile(r"\b(?:in|at|on|near|to|from|behind|under|by|beside|into|with)\b")


def holds(fact: str, asks: str) -> bool:
    """Whether the fact has an answer of the kind that is asked for."""
    if not asks:
        return True
    folded = plain(fact)
    has_number = any(word.isdigit() for word in words(fact))
    if asks == "number":
        return has_number
    if asks == "when":
        return has_number or bool(_MONTH_OR_DAY.search(folded))
    if asks == "name":
        in_lower_case = any(line == line.lower() for line in fact.splitlines())  # so are names that STT does not know
        return bool(_names(fact)) or in_lower_case
    if asks == "who":
        return bool(_names(fact)) or bool(entities(fact))
    return bool(_names(fact) or _PLACE.search(folded))


def _names(fact: str) -> list[str]:
    """Words with a capital, but not the first of a sentence, "I", days and months."""
    whole = [sentence for line in fact.splitlines() for sentence in sentences(line)]
    inner = [word for sentence in whole for word in sentence.split()[1:] if word[:1].isupper()]
    return [word for word in inner if not _MONTH_OR_DAY.match(plain(word)) and words(word)[:1] != ["i"]]


_ADVICE: Final = re.compile(
    r"\b(?:can|could|would|will|should|shall|may|might|must) (?:you|i|we)\b|"
    r"\bhow (?:do|can|should) (?:i|we)\b(?! (?:like|take|prefer)\b)|"
    r"\bwhat (?:do|should|can) (?:i|we) (?:do|say|make|cook|wear|need)\b|\blet (?:me|us)\b|"
    r"\bhow (?:long|often|much|many)(?: \w+)? (?:do|must) (?:i|we) (?:have|need) to\b"
)
_OWN: Final = re.compile(r"\b(?:my|our)\b|\b(?:am|was|were|do|did|have|had|are) (?:i|we)\b|\bof mine\b")
_TO_ME: Final = re.compile(
    r"\b(?!(?:help|tell|show|give|teach|explain|get|bring|let|for|to|with|from|excuse|believe|trust|forgive|and|or|about)"
    r" )\w+ me\b"
)
"""What others do to the speaker: "When do they interview me?" """
_FROM_MEMORY: Final = re.compile(r"\b(?:remember|remind|know|tell me|say|recall)\b")


def asks_about_self(text: str) -> bool:
    """Whether it asks for something that only the person can have told: "What is my cat called?", "Do I eat meat?". Not
    "Can you help me?" or "How do I boil an egg?", which want help."""
    folded = plain(text)
    if not _OWN.search(folded):
        return bool(_TO_ME.search(folded)) and " you " not in f" {folded} "
    if _ADVICE.search(folded):
        return bool(_FROM_MEMORY.search(folded)) and bool(re.search(r"\b(?:my|our)\b", folded))
    return True


_OWN_NAME: Final = re.compile(
    r"^(?:(?:so|and|but|hey|please|tell me|can you tell me|(?:can|do) you (?:still )?(?:know|remember|recall)),? )*"
    r"(?:what is my (?:(?:full|whole|first) )?name|what my (?:(?:full|whole|first) )?name is|"
    r"what (?:am i|i am) (?:called|named)|what (?:do|should) (?:you|they|people) call me|how should you address me|"
    r"who am i|who i am|who this is|who is (?:this|speaking|talking to you)|"
    r"whom? (?:are you|you are) (?:talking|speaking) (?:to|with))(?: again| then| now)?\W*$"
)


def plainly(text: str) -> str:
    """The question in the words in which its answer is kept, where they share none. A small model that is asked "Who am
    I?" says who it is itself."""
    return "What is my name?" if asks_own_name(text) else text


def asks_own_name(text: str) -> bool:
    return bool(_OWN_NAME.search(plain(text)))


_EVERYTHING: Final = re.compile(
    r"\b(?:what|everything|anything|something|all)\b.*\b(?:know|remember|learned|noted|recall)\b.*\b(?:me|us)\b|"
    r"\bdo you (?:know|remember) me\b"
)


def asks_everything(text: str) -> bool:
    """Whether it asks for all that is known: "What do you know about me?" """
    return bool(_EVERYTHING.search(plain(text)))
