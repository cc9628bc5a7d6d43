"""Captions of one template about objects left and right of each other, and the roles of tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Bool
from torch import Tensor

from lrinterp.axes import Tokens
from lrinterp.store import InputError

__all__ = ["SIDES", "Statement", "article", "statements", "token_roles"]

SIDES = ("left", "right")
ROLES = ("SOT", "first", "relation", "second", "words", "EOT")


@dataclass(frozen=True)
class Statement:
    """One caption, such as a cat to the left of a dog."""

    first: str
    side: str
    second: str

    @property
    def pieces(self) -> tuple[tuple[str, str], ...]:
        """The text in pieces, each with its role."""
        return (
            (article(self.first), "words"),
            (self.first, "first"),
            ("to the", "words"),
            (self.side, "relation"),
            (f"of {article(self.second)}", "words"),
            (self.second, "second"),
        )

    @property
    def text(self) -> str:
        """The caption.

        >>> Statement("apple", "left", "red cube").text
        'an apple to the left of a red cube'
        """
        return " ".join(piece for piece, _ in self.pieces)

    @property
    def order(self) -> tuple[str, str]:
        """What stands on the left, and what on the right."""
        return (self.first, self.second) if self.side == "left" else (self.second, self.first)


def article(noun: str) -> str:
    """The indefinite article, by the first letter."""
    return "an" if noun[:1].lower() in "aeiou" else "a"


def statements(pairs: Sequence[tuple[str, str]]) -> list[Statement]:
    """Both sides and both orders of each pair."""
    return [
        Statement(one, side, other)
        for side in SIDES
        for pair in pairs
        for one, other in (pair, pair[::-1])
    ]


def token_roles(
    said: Sequence[Statement], tokens: Tokens, read: Callable[[Sequence[str]], Tokens]
) -> dict[str, Bool[Tensor, "caption pos"]]:
    """Which positions are start, first object, relation word, second object, other words, end.

    `read` turns texts into tokens, as it made `tokens`; each piece of a caption is counted by
    itself. Raises InputError where the counts do not add up to the caption's own.
    """

    @cache
    def length(piece: str) -> int:
        return int(read([piece]).pool[0]) - 1

    roles = {name: torch.zeros(tokens.ids.shape, dtype=torch.bool) for name in ROLES}
    roles["SOT"][:, 0] = True
    for i, statement in enumerate(said):
        place = 1
        for piece, role in statement.pieces:
            roles[role][i, place : place + length(piece)] = True
            place += length(piece)
        if place != int(tokens.pool[i]):
            raise InputError(
                f"caption {statement.text!r}: the tokenizer joins its words; use other names"
            )
        roles["EOT"][i, place] = True
    return roles
