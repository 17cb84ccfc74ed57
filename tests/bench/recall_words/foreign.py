"""Third-person facts of a person that no question of the bench asks for."""

from __future__ import annotations

import random
import re
from typing import Final

from tests.bench.recall_words.drawing import Value
from tests.bench.recall_words.values import MONTHS, VALUES

_WHO: Final = (
    "colleague from the archive",
    "former classmate",
    "physiotherapist",
    "chess partner",
    "allotment friend",
    "friend from student days",
    "swimming coach",
    "favourite bus driver",
    "old babysitter",
    "former trainee",
    "travel agent",
    "tax adviser",
    "window cleaner",
    "camping friend",
    "former team captain",
    "pen friend",
    "photo club friend",
    "acquaintance from the ski course",
    "hiking companion",
    "upstairs tenant",
    "friend from the book group",
    "old army friend",
    "former supervisor at the post office",
    "caretaker",
    "mechanic",
    "postwoman",
    "favourite market trader",
    "tennis opponent from the holidays",
)
"""Relations that no made-up person mentions."""
_OF_OTHERS: Final = (
    "collects {collect}",
    "has moved to {town}",
    "is learning {language}",
    "works for {company}",
    "used to be {job:a}",
    "spent a year in {country}",
    "cannot live without {drink}",
    "plays the {instrument}",
    "owns {breed:a} called {pet}",
    "is allergic to {allergen}",
    "drives an old {car}",
    "once studied {subject}",
    "does {sport} on {weekday}s",
    "has {number} grandchildren",
    "grows {vegetable} behind the house",
    "wants to buy {purchase:a}",
    "married someone from {country}",
    "reads {genre} on the train",
    "always brings {dessert} to parties",
    "has a birthday in {month}",
    "gives courses in {hobby}",
    "keeps {animal} in the country",
    "is saving for a trip to {town}",
    "got to know {given} in {town}",
)
_OF_THE_USER: Final = (
    "The user stayed in {town} for {number} nights in {month} {year}.",
    "In {year} the user had lunch with {given} {surname} in {town}.",
    "The user read a travel report about {country} in {month} {year}.",
    "The user lent {given} {surname} a drill in {month} {year}.",
    "The user sent a postcard from {town} to {given} in {year}.",
    "In {month} {year} the user saw a play about {job:a} from {town}.",
    "The user once helped {given} {surname} to move {purchase:a}.",
    "The user got a jar of jam from {given} in {month} {year}.",
    "In {year} the user missed a connection in {town} and met {given} there.",
    "The user wrote a letter of complaint to {company} in {month} {year}.",
)


def sentences(rng: random.Random, count: int, used: frozenset[str]) -> list[str]:
    """Distinct sentences without any value in `used`."""
    free = {
        name: [Value(entry[0], entry) for entry in entries if not used & set(map(str.casefold, entry))]
        for name, entries in VALUES.items()
    }
    # Some fixed words are values, too, such as a tennis opponent.
    told = re.compile("|".join(rf"\b{re.escape(value)}\b" for value in sorted(used)))
    found: dict[str, None] = {}
    while len(found) < count:
        sentence = _sentence(rng, free)
        if not told.search(sentence.casefold()):
            found[sentence] = None
    return list(found)


def _sentence(rng: random.Random, free: dict[str, list[Value]]) -> str:
    values: dict[str, object] = {name: rng.choice(some) for name, some in free.items() if some}
    values |= _numbers(rng)
    if rng.random() < 0.3:
        return rng.choice(_OF_THE_USER).format_map(values)
    about = rng.choice(_OF_OTHERS).format_map(values)
    return f"The user's {rng.choice(_WHO)} {rng.choice(free['given'])} {about}."


def _numbers(rng: random.Random) -> dict[str, str]:
    return {"year": str(rng.randint(1998, 2021)), "month": rng.choice(MONTHS), "number": str(rng.randint(2, 9))}
