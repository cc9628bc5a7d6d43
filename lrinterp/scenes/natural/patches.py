"""Which patches of a picture lie under which object, in the picture and in its mirror image."""

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Bool
from torch import Tensor

from lrinterp.scenes.natural.relation import Box

__all__ = ["BACKGROUND", "box_in_square", "patch_at", "patch_roles", "under"]

BACKGROUND = "background"
Grid = tuple[int, int]
Mask = Bool[Tensor, "batch pos"]


def box_in_square(box: Box, size: tuple[int, int]) -> Box:
    """A box of a picture of some (width, height) after it was padded to a square."""
    side = max(size)
    x, y = ((side - length) / 2 for length in size)
    return (
        (box[0] * size[0] + x) / side,
        (box[1] * size[1] + y) / side,
        (box[2] * size[0] + x) / side,
        (box[3] * size[1] + y) / side,
    )


def under(box: Box, grid: Grid) -> Bool[Tensor, "row column"]:
    """The patches that a box, in fractions of the picture, covers in part or whole."""
    rows, columns = (torch.arange(n) for n in grid)
    across = (columns < box[2] * grid[1]) & (columns + 1 > box[0] * grid[1])
    down = (rows < box[3] * grid[0]) & (rows + 1 > box[1] * grid[0])
    return down[:, None] & across


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
    cls = torch.zeros(n, 1 + grid[0] * grid[1], dtype=torch.bool)
    cls[:, 0] = True
    if boxes is None:
        return {"CLS": cls, **{k: with_cls(m.expand(n, *grid)) for k, m in halves(grid).items()}}
    left, right = (
        with_cls(torch.stack([under(pair[side], grid) for pair in boxes])) for side in (0, 1)
    )
    return {"CLS": cls, "left": left, "right": right, BACKGROUND: ~(cls | left | right)}


def halves(grid: Grid) -> dict[str, Bool[Tensor, "row column"]]:
    """The two sides of a picture, and the column between them where there is one."""
    column = torch.arange(grid[1]).expand(*grid)
    sides = {"left half": column < grid[1] // 2, "right half": column >= (grid[1] + 1) // 2}
    middle = ~(sides["left half"] | sides["right half"])
    return {**sides, "middle": middle} if middle.any() else sides


def with_cls(mask: Bool[Tensor, "batch row column"]) -> Mask:
    """A mask over patches as one over positions; CLS is not in it."""
    flat = rearrange(mask, "batch row column -> batch (row column)")
    return torch.cat([torch.zeros_like(flat[:, :1]), flat], dim=1)
