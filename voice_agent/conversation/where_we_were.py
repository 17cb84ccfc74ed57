"""Where the conversation stopped: said to a person who is back within two minutes, in place of a greeting. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from voice_agent.conversation.greeting import is_private
from voice_agent.languages import Sentences
from voice_agent.lifecycle.timing import Timing
from voice_agent.memory.facts.wishes import forget_wish
from voice_agent.memory.model import Turn
from voice_agent.memory.text import FUNCTION_WORDS, words

BACK_SOON: Final = Timing().lost_for
_MOST_WORDS: Final = 9
_FEWEST: Final = 2
"""Words that a sentence has at least beside small talk, to be what a conversation was about."""
_SENTENCE: Final = re.compile(r"(?<=[.!?…])\s+")
_PRIVATE_ABROAD: Final = re.compile(
    r"\b(?:contrase[ñn]as?|claves?|c[óo]digos?|n[úu]meros?|tel[ée]fonos?|direcci[óo]n|cuenta|banco|sueldo|salario|"
    r"deudas?|pasaporte|matr[íi]cula|llaves?|alarma|correo|peso|al[ée]rgi\w*|m[eé]dic\w*|pastillas?|insulina|dosis|"
    r"hospital|cl[íi]nica|operaci[óo]n|terapia|psic\w*|diagn[óo]stic\w*|enferm\w*|c[áa]ncer|tumor|vih|depresi\w*|"
    r"ansiedad|embaraz\w*|aborto|sangre|muri[óo]|muert\w*|morir|funeral|entierro|divorci\w*|despedid\w*|detenid\w*|"
    r"c[áa]rcel|juicio|suicid\w*|abus\w*|"
    r"mots? de passe|num[ée]ros?|t[ée]l[ée]phone|adresse|compte|banque|salaire|dettes?|passeport|cl[ée]s?|alarme|"
    r"courriel|poids|m[ée]dicaments?|comprim[ée]s?|insuline|m[ée]decin|dentiste|h[ôo]pital|clinique|op[ée]ration|"
    r"th[ée]rapie|malad\w*|cancer|tumeur|d[ée]prim\w*|d[ée]pression|anxi[ée]t[ée]|enceinte|fausse couche|sang|"
    r"mort\w*|d[ée]c[èe]s|d[ée]c[ée]d\w*|enterrement|fun[ée]railles|licenci\w*|arr[êe]t[ée]\w*|prison|tribunal)\b",
    re.IGNORECASE,
)
"""As in the greeting, in the other languages: what a person said is quoted in theirs."""
_AN_ADDRESS: Final = re.compile(r"@|://|\bwww\.")
_SMALL_TALK: Final = frozenset(
    "hello hi hey there thank thanks bye goodbye good nice morning evening night day later soon tomorrow ok okay "
    "yes no sure right fine great wait stop moment back again leave leaving going go come hola gracias adios buenos "
    "buenas dias tardes noches hasta luego vale si bonjour bonsoir merci salut revoir oui non attends attendez".split()
)


def where_we_were(turns: Sequence[Turn], sentences: Sentences) -> str:
    """`turns`: the last ones of the person, oldest first. Quotes the newest words that may be said aloud."""
    quoted = next((said for turn in reversed(turns) if (said := _few_words(turn.user_text))), "")
    return sentences.we_were_at.replace("{words}", quoted) if quoted else sentences.go_on


def _few_words(text: str) -> str:
    """Empty: it says nothing of the topic, or must not be repeated."""
    if is_private(text) or _PRIVATE_ABROAD.search(text) or _AN_ADDRESS.search(text) or forget_wish(text) is not None:
        return ""
    told = [sentence for sentence in _SENTENCE.split(" ".join(text.split())) if _is_about_something(sentence)]
    if not told:
        return ""
    spoken = told[-1].split()
    more = len(spoken) > _MOST_WORDS
    return " ".join(spoken[:_MOST_WORDS]).strip(' .,;:!?…"“”«»') + (" …" if more else "")


def _is_about_something(sentence: str) -> bool:
    return len({word for word in words(sentence) if word not in FUNCTION_WORDS | _SMALL_TALK}) >= _FEWEST
