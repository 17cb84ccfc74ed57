"""What interrupts the assistant while it speaks: decided by sound first, then by words. Pure.

Two stages. `Onset` hears within a tenth of a second that somebody speaks: the voice is held at once. `judge` decides by
what was recognised whether that was an interruption. If not, the voice goes on where it was held.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum
from typing import Final

SURE: Final = 0.7
"""Probability of speech from which a window counts towards an onset."""
ONSET: Final = 0.06
"""Seconds of sure speech without a gap. A key, a click and most knocks are shorter."""
FLOOR: Final = -50.0
"""dBFS. What is quieter holds nothing."""
BELOW_OWN: Final = 24.0
"""Decibels below the assistant's own voice: an echo behind echo cancellation."""
MOSTLY: Final = 0.7
"""Share of an utterance's voice that is the assistant's echo, from which on all of it is."""
BURST: Final = 0.35
"""Seconds of voice. A sound that is no longer and is followed by AFTER_BURST of silence is a cough or a murmur."""
AFTER_BURST: Final = 0.2
WITHOUT_WORDS: Final = 2.5
"""Seconds for which the voice is held while somebody is heard and no words are recognised."""
SHORT: Final = 0.65
"""Seconds of voice, two or three syllables. Recognisers make words of a murmur: so little interrupts as a call only."""
ECHO_WORDS: Final = 3
ECHO_LIKENESS: Final = 0.75
_VOICE: Final = 0.5


class Verdict(Enum):
    INTERRUPTS = "interrupts"
    BACKCHANNEL = "backchannel"
    NO_WORDS = "no_words"
    ECHO = "echo"


class Onset:
    """State of the sound at the microphone, told window by window. `holds`: the assistant's voice is to be held."""

    def __init__(self) -> None:
        self.holds = False
        self.voice = 0.0
        """Seconds of voice in this utterance."""
        self.silence = 0.0
        self._echoed = 0.0
        self._sure = 0.0
        self._held = 0.0
        self._speaks = False
        """An utterance has begun and not ended."""
        self._spent = False
        """It has been held for long enough."""

    def begin(self) -> None:
        """An utterance begins: what came before it is another."""
        self.voice, self._echoed, self._held = self._sure, 0.0, 0.0
        self._speaks = True

    @property
    def is_echo(self) -> bool:
        """Nobody else was heard in this utterance."""
        return self._echoed >= MOSTLY * self.voice > 0 and not (self.holds or self._held)

    def hears(
        self, probability: float, level: float, own: float, seconds: float, *, words: bool, echo: bool = False
    ) -> None:
        """Levels in dBFS, `own` of the assistant's voice. `words`: some were recognised in this utterance. `echo`: what
        the assistant said explains it (echo.py)."""
        self.voice += seconds * (probability >= _VOICE)
        self._echoed += seconds * (probability >= _VOICE and echo)
        self.silence = 0.0 if probability >= _VOICE else self.silence + seconds
        sure = probability >= SURE and level >= max(FLOOR, own - BELOW_OWN) and not echo
        self._sure = self._sure + seconds if sure else 0.0
        if not self.holds:
            self.holds = self._sure >= ONSET and not self._spent
            return
        self._held += seconds
        if self.voice <= BURST and self.silence >= AFTER_BURST:
            self.holds = False
        elif self._held >= WITHOUT_WORDS and not words:
            self.holds, self._spent = False, True

    def end(self) -> None:
        self.holds = self._speaks = self._spent = False

    def was_nothing(self) -> None:
        """The utterance was no interruption."""
        self.holds, self._spent = False, self._speaks


@dataclass(frozen=True, slots=True)
class Phrases:
    """Of one language, as words without marks."""

    backchannels: frozenset[tuple[str, ...]]
    calls: frozenset[tuple[str, ...]]
    """What people say to be let in. Never a backchannel, however short."""


def _table(backchannels: str, calls: str) -> Phrases:
    return Phrases(*(frozenset(tuple(one.split()) for one in some.split(",")) for some in (backchannels, calls)))


_SOUNDS: Final = "mm,mhm,hm,hmm,uh,uh huh,um,aha,ah,oh,ooh,eh,ha,heh,ok,okay,wow"
PHRASES: Final = {
    "en": _table(
        f"{_SOUNDS},huh,mm hmm,yeah,yep,yup,yes,kay,right,sure,i see,got it,of course,exactly,great,good,nice,cool,"
        "really,interesting,true,alright,all right,gotcha,indeed,i know,fine,makes sense,sounds good,go on",
        "stop,wait,no,nope,hold on,hang on,hey,hello,excuse me,sorry,pardon,what,why,when,where,who,how,which,quiet,"
        "enough,silence,shut up,pause,help,cancel,never mind,next,skip,back,again,repeat,louder,slower,faster,but,"
        "actually,listen,one moment,one second,just a moment,a question",
    ),
    "es": _table(
        f"{_SOUNDS},sí,si,ya,vale,claro,bien,muy bien,bueno,de acuerdo,entiendo,ya veo,exacto,eso es,genial,"
        "perfecto,por supuesto,de verdad,ajá,aja",
        "para,pare,alto,espera,espere,no,oye,oiga,perdón,perdona,disculpa,qué,que,por qué,cuándo,cuando,dónde,"
        "donde,quién,quien,cómo,como,cuál,silencio,basta,calla,cállate,ayuda,cancela,siguiente,otra vez,repite,"
        "más alto,más despacio,pero,escucha,un momento,un segundo",
    ),
    "de": _table(
        f"{_SOUNDS},ja,jaja,genau,gut,sehr gut,klar,stimmt,richtig,verstehe,ich verstehe,alles klar,ach so,achso,"
        "schön,toll,super,echt,natürlich,na gut,in ordnung",
        "stopp,stop,halt,warte,warten sie,nein,nee,moment,einen moment,entschuldigung,was,warum,wieso,wann,wo,wer,"
        "wie,welche,ruhe,genug,still,pause,hilfe,abbrechen,weiter,nochmal,noch mal,zurück,lauter,langsamer,aber,hör zu",
    ),
    "fr": _table(
        f"{_SOUNDS},oui,ouais,d accord,bien,très bien,bon,je vois,je comprends,exact,exactement,super,vraiment,"
        "bien sûr,c est vrai,ça marche",
        "stop,arrête,arrêtez,attends,attendez,non,hé,pardon,excusez moi,quoi,pourquoi,quand,où,qui,comment,quel,"
        "quelle,silence,assez,tais toi,aide,annule,suivant,encore,répète,plus fort,moins vite,mais,écoute,un moment",
    ),
    "it": _table(
        f"{_SOUNDS},sì,si,già,bene,va bene,certo,capisco,esatto,giusto,perfetto,davvero,d accordo",
        "ferma,fermati,basta,aspetta,aspetti,no,ehi,scusa,scusi,che,cosa,perché,quando,dove,chi,come,quale,silenzio,"
        "zitto,aiuto,annulla,avanti,ancora,ripeti,più forte,più piano,ma,ascolta,un momento,un attimo",
    ),
    "pt": _table(
        f"{_SOUNDS},sim,pois,pois é,tá,está bem,certo,claro,entendo,exato,ótimo,legal,verdade,com certeza",
        "para,pare,espera,espere,não,ei,desculpa,desculpe,o que,que,por que,quando,onde,quem,como,qual,silêncio,"
        "chega,ajuda,cancela,próximo,de novo,repete,mais alto,mais devagar,mas,escuta,um momento",
    ),
}
"""Languages without an entry: any word interrupts."""
_LAUGH: Final = re.compile(r"(?:[hj][aeio]){2,}h?")


def judge(text: str, voice: float, said: str, language: str = "en", *, answers: bool = False) -> Verdict:
    """`voice`: seconds of it. `said`: what the assistant is saying. `answers`: it has just asked something."""
    words = words_of(text)
    if not words:
        return Verdict.NO_WORDS
    phrases = PHRASES.get(language[:2].lower() or "en")
    called = phrases is not None and _contains(words, phrases.calls)
    if phrases is not None and not called:
        if _consists_of(words, phrases.backchannels):
            return Verdict.INTERRUPTS if answers else Verdict.BACKCHANNEL
        if voice <= SHORT and not answers:
            return Verdict.BACKCHANNEL
    return Verdict.ECHO if _is_echo(words, words_of(said)) else Verdict.INTERRUPTS


def words_of(text: str) -> list[str]:
    """Lower case; a drawn-out "mmmm" as "mm"; a laugh as "ha"."""
    words = re.findall(r"[^\W_]+", text.lower())
    drawn = (re.sub(r"(.)\1{2,}", r"\1\1", word) for word in words)
    return ["ha" if _LAUGH.fullmatch(word) else word for word in drawn]


def _contains(words: list[str], phrases: frozenset[tuple[str, ...]]) -> bool:
    return any(tuple(words[at : at + size]) in phrases for size in (1, 2, 3) for at in range(len(words)))


def _consists_of(words: list[str], phrases: frozenset[tuple[str, ...]]) -> bool:
    at = 0
    while at < len(words):
        size = next((size for size in (3, 2, 1) if tuple(words[at : at + size]) in phrases), 0)
        if not size:
            return False
        at += size
    return True


def _is_echo(words: list[str], said: list[str]) -> bool:
    """Nearly all of it is what the assistant says, in its order and close together."""
    if len(words) < ECHO_WORDS:
        return False
    alike = SequenceMatcher(None, said, words, autojunk=False)
    longest = alike.find_longest_match()
    if not longest.size:
        return False
    start = max(0, longest.a - longest.b - 2)
    near = said[start : start + len(words) + 4]
    blocks = SequenceMatcher(None, near, words, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) >= ECHO_LIKENESS * len(words)
