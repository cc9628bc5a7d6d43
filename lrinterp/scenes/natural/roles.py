"""The roles of positions: which patches lie under which object, which tokens name which.

Captions here come from one template, about objects left and right of each other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from lrinterp.axes import Tokens
from lrinterp.scenes.natural.relation import Box
from lrinterp.store import InputError

__all__ = [
    "BACKGROUND",
    "Grid",
    "Statement",
    "box_in_square",
    "patch_at",
    "patch_roles",
    "statements",
    "token_roles",
]

BACKGROUND = "background"
Grid = tuple[int, int]
Mask = Bool[Tensor, "batch pos"]


# Patches.


def box_in_square(box: Box, size: tuple[int, int]) -> Box:
    """A box of a picture of some (width, height) after it was padded to a square."""
    side = max(size)
    x0, y0, x1, y1 = (
        (end * length + (side - length) / 2) / side
        for end, length in zip(box, (*size, *size), strict=True)
    )
    return x0, y0, x1, y1


def place_of_patches(grid: Grid) -> tuple[Int[Tensor, "pos"], Int[Tensor, "pos"]]:
    """Row and column of the patch at each position, which come row by row; -1 for CLS."""
    rows, columns = torch.meshgrid(*map(torch.arange, grid), indexing="ij")
    cls = torch.tensor([-1])
    return torch.cat([cls, rows.flatten()]), torch.cat([cls, columns.flatten()])


def patches_under(box: Box, grid: Grid) -> Bool[Tensor, "pos"]:
    """The positions of patches that a box, in fractions of the picture, covers in part or whole."""
    row, column = place_of_patches(grid)
    across = (column < box[2] * grid[1]) & (column + 1 > box[0] * grid[1])
    return across & (row < box[3] * grid[0]) & (row + 1 > box[1] * grid[0])


def patch_at(box: Box, grid: Grid) -> int:
    """The patch under the middle of a box, counted from 0, row by row."""
    row = min(grid[0] - 1, int((box[1] + box[3]) / 2 * grid[0]))
    return row * grid[1] + min(grid[1] - 1, int((box[0] + box[2]) / 2 * grid[1]))


def patch_roles(boxes: Sequence[tuple[Box, Box]] | None, n: int, grid: Grid) -> dict[str, Mask]:
    """Masks over CLS and the patches of some pictures: CLS, left, right, background.

    `boxes` are those of the left and right object in the square picture. Without boxes the roles
    are the halves of the picture, `left half`, `middle` (of an odd number of columns) and
    `right half`, the same for all `n` pictures.
    """
    column = place_of_patches(grid)[1]
    cls = (column < 0).expand(n, -1)
    if boxes is not None:
        left, right = (
            torch.stack([patches_under(pair[i], grid) for pair in boxes]) for i in (0, 1)
        )
        return {"CLS": cls, "left": left, "right": right, BACKGROUND: ~(cls | left | right)}
    left, right = column < grid[1] // 2, column >= (grid[1] + 1) // 2
    halves = {"left half": left & (column >= 0), "right half": right, "middle": ~(left | right)}
    return {"CLS": cls, **{k: mask.expand(n, -1) for k, mask in halves.items() if mask.any()}}


# Captions.


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
        for side in ("left", "right")
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

    roles = {
        name: torch.zeros(tokens.ids.shape, dtype=torch.bool)
        for name in ("SOT", "first", "relation", "second", "words", "EOT")
    }
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
