"""French."""

from __future__ import annotations

from typing import Final

from voice_agent.languages.model import Language, Sentences

FRENCH: Final = Language(
    code="fr",
    english="French",
    own="Français",
    joints="et mais ou parce que qui quand où pendant si dans sur avec pour par depuis chez sans comme après avant",
    answer_in="Always answer in French, also if something above is in English. Répondez toujours en français.",
    reminder="Répondez en français.",
    sentences=Sentences(
        hello="Bonjour, je suis {agent}. Comment puis-je vous aider ?",
        hello_named="Bonjour {name}, je suis {agent}. Comment puis-je vous aider ?",
        welcome_back="Rebonjour. De quoi aimeriez-vous parler ?",
        welcome_back_named="Rebonjour {name}. De quoi aimeriez-vous parler ?",
        we_were_at="Nous en étions à : « {words} ».",
        go_on="Nous revoilà. Continuez, je vous écoute.",
        there="vous",
        no_answer="Pardon, je ne trouve pas de réponse pour le moment. Pouvez-vous répéter ?",
        not_heard="Pardon, je n'ai pas compris. Pouvez-vous répéter ?",
        recogniser_starts="Un instant, je me prépare encore à vous écouter. Répétez dans un moment, s'il vous plaît.",
        cannot_take_note="Pardon, je ne peux pas noter ce que vous dites pour le moment. Réessayez dans un instant.",
        lost="Pardon, j'ai perdu ce que vous venez de dire. Pouvez-vous répéter ?",
        not_told="Vous ne m'avez pas dit",
        not_told_that="Vous ne me l'avez pas dit.",
        forgetting="Je suis en train de l'oublier",
        forgetting_failed="Je n'ai pas pu l'oublier pour le moment",
        forgotten="Je l'ai oublié",
        nothing_to_forget="Je ne sais rien de cela",
        forgotten_but_written="J'ai oublié ce que vous m'avez dit, mais c'est encore écrit dans mes notes",
        only_written="Je ne peux pas oublier cela moi-même : c'est écrit dans mes notes",
    ),
)
