"""Prompts with a wanted number of tokens.

They are made of common words of three letters: a token each to a model's own tokenizer, and, with the space between
them, to the simulated engine, which counts one for each four characters.
"""

from __future__ import annotations

import random

_WORDS = (
    "one",
    "two",
    "six",
    "ten",
    "and",
    "the",
    "sun",
    "sea",
    "ice",
    "oak",
    "owl",
    "fox",
    "day",
    "car",
    "dog",
    "cat",
    "map",
    "pen",
    "cup",
    "key",
    "bus",
    "sky",
    "red",
    "air",
)


def text(tokens: int, *, seed: int) -> str:
    """Return a prompt of `tokens` tokens; different seeds give texts that begin differently.

    >>> len(text(300, seed=1)) + 1
    1200
    """
    return " ".join(random.Random(seed).choices(_WORDS, k=tokens))  # noqa: S311 - text, not a secret
