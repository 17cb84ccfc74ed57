"""Statements in an utterance: the parts that may tell something about the speaker, without questions and requests.
Pure; English.

A small language model that is asked for the facts in "What is my dog called?" invents a dog. So it is asked only about
these parts.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Sequence
from typing import Final

from voice_agent.memory.text import content_words, plain, sentences, stem, words

_QUESTION_WORDS: Final = frozenset(("what who whom whose which when where why how").split())
_AUXILIARIES: Final = frozenset(
    (
        "do does did is are am was were have has had can could would will shall should may might must isn aren don"
    ).split()
)
_SUBJECTS: Final = frozenset(("i you he she it we they there that this my your his her our their the a any").split())
_PRONOUNS: Final = frozenset(("i you he she it we they that this there").split())
_SUBJECTLESS: Final = frozenset(("been had have got moved lost bought started gave grew born").split())
_REQUESTS: Final = frozenset(
    (
        "tell give say play explain repeat stop sing read write show find describe list spell translate count "
        "guess imagine recommend suggest ignore pretend act answer speak talk forget help let lets"
    ).split()
)
_FILLERS: Final = frozenset(
    (
        "um uh er hm hmm oh ah well so and but okay ok hey hi hello yes yeah no please now right actually sorry "
        "listen wait look like also by the way honestly anyway"
    ).split()
)
_FIRST_PERSON: Final = frozenset(("i me my mine myself we us our ours").split())
_KIN_BY_NAME: Final = re.compile(
    r"(?<!\byour )(?<!\bhis )(?<!\bher )(?<!\btheir )(?<!\bthe )(?<!\ba )"
    r"\b(?:mum|mom|mama|mummy|dad|papa|daddy|gran|granny|grandma|grandpa|granddad|grandad|auntie)\b",
    re.IGNORECASE,
)
"""A speaker who says "Gran" means their own grandmother."""
_LEAD_IN: Final = re.compile(
    r"^(?:(?:please|and|so|oh|well|also|hey),? )*(?:(?:please )?(?:remember|note|keep in mind|don't forget|"
    r"do not forget|you should know|you must know|did you know|just so you know|for your information|by the way|"
    r"(?:guess|you know|tell you) what|you won't believe it|imagine that),?)[:!]?(?: (?:that|but))?,? ",
    re.IGNORECASE,
)
_EXCLAIMS: Final = re.compile(
    r"^\W*(?:(?:and|so|oh|well|but|then),? )*(?:(?:imagine|guess|picture)(?: this)?[,:] |what with )",
    re.IGNORECASE,
)
"""Openings of a statement that look like a request or a question: "Imagine, the bin was open."; "What with the strike,
nothing was running." """
_TAG: Final = re.compile(
    r",? (?:(?:can|could|would|will|do|does|did|is|are|was|were|has|have|had)(?:n't)? (?:you|i|he|she|it|we|they|that)"
    r"(?: (?:believe|imagine|think|know)(?: (?:it|that|so))?)?|right|eh|huh|you know)\?$",
    re.IGNORECASE,
)
"""Endings that do not make a statement a question: ", can you believe it?"."""
_TOPIC_WORDS: Final = 4
"""Words of the longest topic, as in "Nieces and nephews? I have eight." """
_SHORT_REMARK: Final = 6
"""Words of the longest remark whose "it" refers back. "It rained all the way, and then ..." refers to nothing."""
_THIRD_PERSON: Final = frozenset(("he she it they his her their its").split())


def told(utterance: str) -> str:
    """What the utterance tells, in the speaker's words; empty: nothing."""
    kept: list[str] = []
    topic = ""
    for one in map(_without_lead_in, map(_without_tag, sentences(utterance))):
        if _is_topic(one):
            topic = one.rstrip(" ?")
        elif words(one) and not is_question(one) and not is_request(one):
            kept.append(f"{topic}: {one}" if topic else one)
            topic = ""
        else:
            topic = ""
    return " ".join(kept)


def speaks_of_self(text: str) -> bool:
    """Also without a subject ("Had my jab on Monday.", "Been there twice.") and about a relative ("Gran is 90.")."""
    found = _opening(text)
    return bool(
        _FIRST_PERSON & set(words(text)) or (found and found[0] in _SUBJECTLESS) or _KIN_BY_NAME.search(plain(text))
    )


def refers_back(text: str) -> bool:
    """Whether it can be understood only together with what was said before ("Actually, he is four.")."""
    opening = _opening(text)
    return bool(_THIRD_PERSON & set(opening[:3])) and ("it" not in opening[:1] or len(opening) <= _SHORT_REMARK)


def is_question(sentence: str) -> bool:
    if sentence.rstrip().endswith("?"):
        return True
    if _EXCLAIMS.match(sentence):
        return False
    first, second = (*_opening(sentence)[:2], "", "")[:2]
    if first in ("when", "where"):  # "When it's hot we order in." is a statement.
        return not second or second in _AUXILIARIES
    if first in _QUESTION_WORDS:  # "What I like is tea.", "What a day!"
        return second not in ("i", "we", "my", "our", "a")
    if first in _SUBJECTLESS:  # "Had my jab on Monday."
        return second in _PRONOUNS
    return first in _AUXILIARIES and second in _SUBJECTS


def is_request(sentence: str) -> bool:
    opening = _opening(sentence)
    return bool(opening) and opening[0] in _REQUESTS and not _EXCLAIMS.match(sentence)


def _without_lead_in(sentence: str) -> str:
    shorter = _LEAD_IN.sub("", sentence)
    return shorter if shorter and (shorter == sentence or not is_question(shorter)) else ""


def _without_tag(sentence: str) -> str:
    shorter = _TAG.sub("", sentence)
    if shorter == sentence or not words(shorter) or is_question(shorter):
        return sentence
    return f"{shorter}."


def _is_topic(sentence: str) -> bool:
    found = words(sentence)
    return (
        sentence.rstrip().endswith("?")
        and 0 < len(found) <= _TOPIC_WORDS
        and not {"you", "your"} & set(found)
        and found[0] not in _QUESTION_WORDS | _AUXILIARIES | _FILLERS
    )


def _opening(sentence: str) -> list[str]:
    found = words(sentence)
    start = next((place for place, word in enumerate(found) if word not in _FILLERS), len(found))
    return found[start:]


_CLAUSE_END: Final = re.compile(
    r"[,;:.!?]+\s+|\s+(?:and|but|because|since|so|while|although|where|which|who)\s+", re.IGNORECASE
)


def left_out(said: str, facts: Sequence[str]) -> list[str]:
    """Sentences, or parts of long ones, that the facts do not cover: a small model covers the beginning of a long
    sentence and omits its end, or what was misheard."""
    covered = {stem(word) for fact in facts for word in content_words(fact)}
    return [part for one in sentences(said) if (part := _part_left_out(one, covered))]


def _part_left_out(sentence: str, covered: Collection[str]) -> str:
    parts = clauses(sentence)
    lost = [place for place, clause in enumerate(parts) if _is_lost(clause, covered)]
    if not lost:
        return ""
    if len(words(sentence)) <= _SHORT:
        return sentence.strip(" .,;:!?")
    around = parts[max(0, lost[0] - 1) : lost[-1] + 2]
    return "".join(around).strip(" .,;:!?")


def _is_lost(clause: str, covered: Collection[str]) -> bool:
    about = [word for word in content_words(clause) if stem(word) not in covered and stem(word) not in _ASIDE]
    return len(about) > 1 or any(word.isdigit() for word in about) or bool(proper_names(clause) & set(about))


def pieces(sentence: str) -> list[str]:
    """The sentence in pieces short enough to be shown, each of whole clauses."""
    found = [""]
    for clause in clauses(sentence):
        if found[-1] and len(words(found[-1] + clause)) > _SHORT:
            found.append("")
        found[-1] += clause
    return [piece.strip(" .,;:!?") for piece in found]


def clauses(sentence: str) -> list[str]:
    """Each with the separator in front of it."""
    ends = [0, *(found.start() for found in _CLAUSE_END.finditer(sentence)), len(sentence)]
    return [sentence[start:end] for start, end in itertools.pairwise(ends) if end > start]


def proper_names(clause: str) -> set[str]:
    """Words with a capital, but for the first."""
    return {name for one in clause.split()[1:] if one[:1].isupper() for name in words(one)}


_ASIDE: Final = frozenset(
    map(
        stem,
        (
            "actually mistake wrong sorry honestly really quite correction meant now mixed scratch turns say said let "
            "believe imagine nice meet course dear god guess think know look mind way both call called name named"
        ).split(),
    )
)
"""Words beside the matter."""
_SHORT: Final = 30
"""Words of the longest sentence that is kept as a whole."""
