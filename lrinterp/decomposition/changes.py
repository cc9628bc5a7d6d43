"""What an edit adds to the scores of a row, from the part of the scores that it is about.

Rows are `[batch head query key]`, and so is what comes back. Kinds, on the keys of each component
(see `gauge`; a lone key such as CLS keeps its own value):

- flatten: each value becomes the mean of its component;
- zero: the part is removed from all keys;
- permute: each key gets the value of another key of its component;
- placebo: the part stays; a random row, orthogonal to it within components and of the same
  centred norm, is subtracted;
- reverse: each patch gets the value of the patch at its mirror image, left for right;
- linear: the part becomes its plane fit over the patches, its mean kept;
- residual: the part becomes what the fit leaves; residual_rescaled brings that, centred, to the
  centred norm of the part, so that shape is told from size.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lrinterp.decomposition.streams import Streams

__all__ = ["CHANGES", "Groups", "Rows", "groups_of", "row_change"]

CHANGES = (
    "flatten", "zero", "permute", "placebo", "reverse", "linear", "residual", "residual_rescaled",
)  # fmt: skip
Rows = Float[Tensor, "batch head query key"]
Patches = Float[Tensor, "batch head query patch"]
SMALLEST = 1e-30


@dataclass(frozen=True)
class Groups:
    """Which keys may be averaged with which: the components, among the keys a query sees."""

    of_key: Int[Tensor, "#batch key"]
    seen: Bool[Tensor, "batch #query key"]
    grid: tuple[int, int] | None = None
    """Rows and columns of the patches behind the first key; None where keys are no patches."""

    def means(self, rows: Rows) -> Rows:
        """Each key's mean over the seen keys of its group."""
        same = (self.of_key[:, :, None] == self.of_key[:, None]).to(rows.dtype)
        weight = self.seen[:, None].to(rows.dtype)
        sums = (rows * weight) @ same[:, None]
        counts = weight @ same[:, None]
        return sums / counts.clamp(min=1)

    def centred(self, rows: Rows) -> Rows:
        """Each key minus the mean of its group; zero where masked."""
        return (rows - self.means(rows)) * self.seen[:, None]

    def apart(self, some: Bool[Tensor, "batch key"]) -> "Groups":
        """The same groups, each divided into the keys of a mask and the others."""
        return Groups(2 * self.of_key + some.to(self.of_key), self.seen, self.grid)

    def patches(self, kind: str) -> tuple[int, int]:
        """The grid; ValueError, naming what asked for it, where there is none."""
        if self.grid is None:
            raise ValueError(f"how: {kind} needs keys that are patches of a picture")
        return self.grid


def groups_of(
    streams: Streams, *, pooled: bool = True, grid: tuple[int, int] | None = None
) -> Groups:
    """The components of a tower's positions, and the keys that each query row sees.

    A causal query sees no later key; padding behind the pooled position is seen by none.
    """
    seen = streams.seen[:, None]
    if not pooled and streams.tower.cfg.attention_dir == "causal":
        seen = seen & torch.ones_like(seen[0]).expand(seen.shape[-1], -1).tril()
    return Groups(streams.of_position[None], seen, grid)


def row_change(kind: str, rows: Rows, groups: Groups, seed: int = 0) -> Rows:
    """What a kind adds to the scores whose part `rows` is; ValueError for an unknown kind."""
    match kind:
        case "flatten":
            return -groups.centred(rows)
        case "zero":
            return -rows
        case "permute":
            return rows[..., permutation(groups.of_key[0], seed)] - rows
        case "placebo":
            return -placebo(rows, groups, seed)
    return F.pad(patch_change(kind, rows[..., 1:], groups.patches(kind)), (1, 0))


def permutation(of_key: Int[Tensor, "key"], seed: int) -> Int[Tensor, "key"]:
    """A cyclic shift by one of a random order, inside each group: no key stays."""
    generator, shifted = torch.Generator().manual_seed(seed), torch.arange(len(of_key))
    for group in of_key.unique():
        keys = torch.nonzero(of_key.cpu() == group.cpu()).flatten()
        shuffled = keys[torch.randperm(len(keys), generator=generator)]
        shifted[shuffled] = shuffled.roll(1)
    return shifted.to(of_key.device)


def placebo(rows: Rows, groups: Groups, seed: int) -> Rows:
    """One random row a head, made orthogonal to each centred row and given its norm."""
    centred, generator = groups.centred(rows), torch.Generator().manual_seed(seed)
    noise = torch.randn(1, rows.shape[1], 1, rows.shape[3], generator=generator)
    noise = groups.centred(noise.to(centred).expand_as(centred))
    power = centred.pow(2).sum(-1, keepdim=True)
    along = (noise * centred).sum(-1, keepdim=True) / power.clamp(min=SMALLEST)
    return brought_to(noise - along * centred, power.sqrt())


def patch_change(kind: str, rows: Patches, grid: tuple[int, int]) -> Patches:
    """What a kind that knows where patches lie adds to their scores."""
    if kind == "reverse":
        cells = rearrange(rows, "n h q (row column) -> n h q row column", row=grid[0])
        return rearrange(cells.flip(-1), "n h q row column -> n h q (row column)") - rows
    centred, left = rows - rows.mean(-1, keepdim=True), unfitted(rows, grid)
    match kind:
        case "linear":
            return -left
        case "residual":
            return left - centred
        case "residual_rescaled":
            return brought_to(left, centred.norm(dim=-1, keepdim=True)) - centred
    raise ValueError(f"how: expected one of {', '.join(CHANGES)}, got {kind!r}")


def unfitted(rows: Patches, grid: tuple[int, int]) -> Patches:
    """What a least-squares plane over the patches leaves, without a mean."""
    cells = rearrange(rows, "n h q (row column) -> n h q row column", row=grid[0])
    cells = cells - reduce(cells, "n h q row column -> n h q 1 1", "mean")
    for axis, length in ((-1, grid[1]), (-2, grid[0])):
        step = torch.arange(length, dtype=rows.dtype, device=rows.device) - (length - 1) / 2
        step = step if axis == -1 else step[:, None]
        slope = (cells * step).sum((-1, -2), keepdim=True)
        cells = cells - slope / (step**2).expand(grid).sum().clamp(min=0.5) * step
    return rearrange(cells, "n h q row column -> n h q (row column)")


def brought_to(rows: Patches, norm: Float[Tensor, "batch head query 1"]) -> Patches:
    """Each row with another norm."""
    return rows * (norm / rows.norm(dim=-1, keepdim=True).clamp(min=SMALLEST))
