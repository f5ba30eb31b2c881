"""What fitted reports are made of: eight fixed, published numbers of a reply, each on [0, 1].

The three built-in criteria and five cheap features that need no model and no data. They are fixed before anybody
reports and can be had of any text. With each feature comes its opposite, ``1 - feature``: the sixteen *archetypes*, of
which a mix with weights that are not negative can want more or less of anything. An archetype and its opposite sum to
one, so a constant is a mix too, and the sixteen columns have rank nine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from tuneaccord.llm.criteria import CRITERIA

#: raised when a feature changes, so that old fits are not taken for new ones
VERSION = 1
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_ENDS = ".!?…。！？"


def _brief(prompt: str, reply: str) -> float:
    """One for no word, a half for twenty.

    >>> round(_brief("How are you?", "Fine, and you?"), 2)
    0.87
    """
    return 1.0 / (1.0 + len(_WORD.findall(reply)) / 20.0)


def _varied(prompt: str, reply: str) -> float:
    """The share of words that were not there before."""
    words = _WORD.findall(reply.lower())
    return len(set(words)) / len(words) if words else 1.0


def _on_topic(prompt: str, reply: str) -> float:
    """The share of the prompt's different words that the reply has too.

    >>> round(_on_topic("How are you?", "Fine, and you?"), 2)
    0.33
    """
    asked = set(_WORD.findall(prompt.lower()))
    return len(asked & set(_WORD.findall(reply.lower()))) / len(asked) if asked else 0.0


def _asking(prompt: str, reply: str) -> float:
    """The share of sentences that are questions."""
    ends = re.findall(rf"[{_ENDS}]+", reply)
    return sum("?" in end or "？" in end for end in ends) / len(ends) if ends else 0.0


def _finished(prompt: str, reply: str) -> float:
    """Whether the last sentence has an end."""
    return float(reply.rstrip("\"'”’)*` ").endswith(tuple(_ENDS)))


_OWN = {"brief": _brief, "varied": _varied, "on_topic": _on_topic, "asking": _asking, "finished": _finished}
NAMES = (*CRITERIA, *_OWN)


def features(prompts: Sequence[str], replies: Sequence[str]) -> np.ndarray:
    """The features of each reply, (replies, features), in the order of ``NAMES``."""
    given = [np.array(criterion.score(prompts, replies), dtype=float) for criterion in CRITERIA.values()]
    for feature in _OWN.values():
        given.append(np.array([feature(p, r) for p, r in zip(prompts, replies, strict=True)], dtype=float))
    return np.stack(given, axis=-1) if len(replies) else np.empty((0, len(NAMES)))


def archetypes(prompts: Sequence[str], replies: Sequence[str]) -> np.ndarray:
    """Each feature and its opposite, (replies, 2 features)."""
    given = features(prompts, replies)
    return np.concatenate([given, 1.0 - given], axis=1)


def identity() -> dict:
    """What decides the features."""
    return {"features": list(NAMES), "version": VERSION, "criteria": [c.digest_data() for c in CRITERIA.values()]}
