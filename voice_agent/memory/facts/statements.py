"""The parts of an utterance that may tell something about the speaker: no questions, no requests. Pure; English.

A small language model that is asked for the facts in "What is my dog called?" invents a dog. So it is asked only
about what is left here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from voice_agent.memory.text import content_words, sentences, stem, words

_QUESTION_WORDS: Final = frozenset(("what who whom whose which when where why how").split())
_AUXILIARIES: Final = frozenset(
    (
        "do does did is are am was were have has had can could would will shall should may might must isn aren don"
    ).split()
)
_SUBJECTS: Final = frozenset(("i you he she it we they there that this my your his her our their the a any").split())
_REQUESTS: Final = frozenset(
    (
        "tell give say play explain repeat stop sing read write show find describe list spell translate count "
        "guess imagine recommend suggest ignore pretend act answer speak talk forget help"
    ).split()
)
_FILLERS: Final = frozenset(
    (
        "um uh er hm hmm oh ah well so and but okay ok hey hi hello yes yeah no please now right actually sorry "
        "listen wait look like also by the way honestly anyway"
    ).split()
)
_FIRST_PERSON: Final = frozenset(("i me my mine myself we us our ours").split())
_LEAD_IN: Final = re.compile(
    r"^(?:(?:please|and|so|oh|well|also),? )*(?:(?:please )?(?:remember|note|keep in mind|don't forget|do not forget|"
    r"you should know|you must know|did you know|just so you know|for your information|by the way),?)(?: that)?,? ",
    re.IGNORECASE,
)
_THIRD_PERSON: Final = frozenset(("he she it they his her their its").split())


def told(utterance: str) -> str:
    """What of it is told, in the speaker's words; empty: nothing is."""
    kept = [_without_lead_in(one) for one in sentences(utterance)]
    return " ".join(one for one in kept if words(one) and not is_question(one) and not is_request(one))


def speaks_of_self(text: str) -> bool:
    return bool(_FIRST_PERSON & set(words(text)))


def refers_back(text: str) -> bool:
    """Whether it can be understood only together with what was said before ("Actually, he is four.")."""
    return bool(_THIRD_PERSON & set(_opening(text)[:3]))


def is_question(sentence: str) -> bool:
    if sentence.rstrip().endswith("?"):
        return True
    opening = _opening(sentence)
    if not opening:
        return False
    first = opening[0]
    if first in _QUESTION_WORDS:
        # "When I was a child I lived in Oslo." and "What I like is tea." tell something.
        return len(opening) < 2 or opening[1] not in ("i", "we", "my", "our")
    return first in _AUXILIARIES and len(opening) > 1 and opening[1] in _SUBJECTS


def is_request(sentence: str) -> bool:
    opening = _opening(sentence)
    return bool(opening) and opening[0] in _REQUESTS


def _without_lead_in(sentence: str) -> str:
    shorter = _LEAD_IN.sub("", sentence)
    return shorter if shorter and (shorter == sentence or not is_question(shorter)) else ""


def _opening(sentence: str) -> list[str]:
    found = words(sentence)
    start = next((place for place, word in enumerate(found) if word not in _FILLERS), len(found))
    return found[start:]


_CLAUSE_END: Final = re.compile(
    r"[,;:.!?]+\s+|\s+(?:and|but|because|since|so|while|although|where|which|who)\s+", re.IGNORECASE
)


def left_out(said: str, facts: Sequence[str]) -> list[str]:
    """The clauses about the speaker of which the facts lack most: a small model tells the beginning of a long sentence
    and forgets its end, or what was misheard."""
    covered = {stem(word) for fact in facts for word in content_words(fact)}
    missing = []
    for clause in _CLAUSE_END.split(said):
        about = {stem(word) for word in content_words(clause)}
        if len(about - covered) > 1 and (speaks_of_self(clause) or about & covered):
            missing.append(clause.strip(" .,;:!?"))
    return missing
