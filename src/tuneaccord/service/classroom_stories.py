"""Ready-made stories for a class: one question to an assistant, and the styles in which it could be tuned to answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tuneaccord.errors import nearest
from tuneaccord.service.errors import Invalid


@dataclass(frozen=True)
class Story:
    """A pool of one prompt in words: each style has a name, a reply, and how often the base model answers so."""

    title: str
    question: str
    styles: tuple[tuple[str, str, float], ...]

    def pool(self) -> dict[str, Any]:
        """The pool as a session freezes it."""
        return {
            "kind": "responses",
            "prompts": [{"id": "question", "text": self.question}],
            "responses": [[{"id": name, "text": reply} for name, reply, _ in self.styles]],
            "base": [[chance for _, _, chance in self.styles]],
        }


STORIES: dict[str, Story] = {
    "homework": Story(
        "A study helper for one school",
        "I do not understand why dividing by a fraction means multiplying by its inverse. Can you help?",
        (
            ("patient", "Let us take it slowly. How many halves fit into three? Draw them, and count with me.", 0.30),
            ("brief", "Because 3 ÷ ½ asks how many halves are in 3, and that is 3 × 2.", 0.25),
            ("strict", "First write down the definition of a quotient. Then come back and we go on.", 0.10),
            ("playful", "Three pizzas, half a pizza each: how many friends can you feed? See, you multiplied!", 0.15),
            ("exact", "Dividing by a/b undoes multiplying by a/b, and b/a times a/b is one. So it is times b/a.", 0.20),
        ),
    ),
    "town": Story(
        "One help line for a town",
        "My neighbour is noisy at night. What can I do?",
        (
            ("kind", "That must be tiring. Talk to them on a quiet afternoon first; most people do not know.", 0.30),
            ("legal", "Quiet hours are from ten to six. Note dates and times; the office takes complaints.", 0.25),
            ("brief", "Talk to them. Then write. Then call the office.", 0.20),
            ("cautious", "I cannot judge this from here. Please turn to the office for advice.", 0.15),
            ("bold", "Invite them for dinner at eleven at night and ask whether they sleep well.", 0.10),
        ),
    ),
    "game": Story(
        "One storyteller for a game",
        "You open the door of the old lighthouse. What do you see?",
        (
            ("eerie", "The stairs are wet, though it has not rained for weeks. Above you, a step creaks.", 0.25),
            ("funny", "A seagull in a captain's hat. It looks you up and down and asks for your ticket.", 0.20),
            ("action", "Steel flashes. You duck, roll, and the lantern shatters where your head was.", 0.20),
            ("poetic", "Dust turns in a bar of light, slow as snow, and the sea breathes in the walls.", 0.15),
            ("puzzle", "Three levers, a clock without hands, and a note: 'Only noon opens me.'", 0.15),
            ("plain", "A round room with a table, two chairs and a staircase.", 0.05),
        ),
    ),
}


def story(name: str) -> Story:
    """The story of this name; raises :class:`Invalid`.

    >>> len(story("homework").styles)
    5
    """
    if name not in STORIES:
        raise Invalid(f"story must be one of {', '.join(STORIES)}; got {name!r:.40}. {nearest(name, list(STORIES))}")
    return STORIES[name]


def fitting_strength(seats: int) -> float:
    """A strength at which a class of ``seats`` moves the model visibly without one player's wish vanishing in it.

    Random wishes add up like the square root of their number, so the strength grows like it.

    >>> fitting_strength(4), fitting_strength(25)
    (2.4, 6.0)
    """
    return round(1.2 * math.sqrt(seats), 1)
