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

from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lrinterp.axes import Inputs
from lrinterp.encoders import Tower, positions

__all__ = ["CHANGES", "Groups", "Rows", "groups_of", "row_change"]

Rows = Float[Tensor, "batch head query key"]
SMALLEST = 1e-30


@dataclass(frozen=True)
class Groups:
    """Which keys may be averaged with which: the components, among the keys a query sees."""

    of_key: Int[Tensor, "#batch key"]
    seen: Bool[Tensor, "batch query key"]
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
        """Each key minus the mean of its group; zero where unseen."""
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
    tower: Tower,
    inputs: Inputs,
    of_position: Int[Tensor, "pos"],
    *,
    pooled: bool = True,
    grid: tuple[int, int] | None = None,
) -> Groups:
    """The components of a tower's positions, `of_position`, and the keys that each query row sees.

    A causal query sees no later key; padding behind the pooled position is seen by none.
    """
    n = positions(tower, inputs)
    position = torch.arange(n, device=inputs.pool.device)
    query = inputs.pool[:, None] if pooled else position.expand(len(inputs), n)
    seen = position <= query.minimum(inputs.pool[:, None])[..., None]
    if tower.cfg.attention_dir == "bidirectional":
        seen = torch.ones_like(seen)
    return Groups(of_position[None, :n], seen, grid)


def row_change(kind: str, rows: Rows, groups: Groups, seed: int = 0) -> Rows:
    """What a kind adds to the scores whose part `rows` is; KeyError for an unknown kind."""
    return CHANGES[kind](rows, groups, seed)


def _flatten(rows: Rows, groups: Groups, _: int) -> Rows:
    return -groups.centred(rows)


def _zero(rows: Rows, _: Groups, __: int) -> Rows:
    return -rows


def _permute(rows: Rows, groups: Groups, seed: int) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    return rows[..., _permutation(groups.of_key[0], generator)] - rows


def _permutation(of_key: Int[Tensor, "key"], generator: torch.Generator) -> Int[Tensor, "key"]:
    """A cyclic shift by one of a random order, inside each group: no key stays."""
    permutation = torch.arange(len(of_key))
    for group in of_key.unique():
        keys = torch.nonzero(of_key.cpu() == group.cpu()).flatten()
        shuffled = keys[torch.randperm(len(keys), generator=generator)]
        permutation[shuffled] = shuffled.roll(1)
    return permutation.to(of_key.device)


def _placebo(rows: Rows, groups: Groups, seed: int) -> Rows:
    """One random row a head, made orthogonal to each centred row and given its norm."""
    centred, generator = groups.centred(rows), torch.Generator().manual_seed(seed)
    noise = torch.randn(1, rows.shape[1], 1, rows.shape[3], generator=generator)
    noise = groups.centred(noise.to(centred).expand_as(centred))
    power = centred.pow(2).sum(-1, keepdim=True)
    along = (noise * centred).sum(-1, keepdim=True) / power.clamp(min=SMALLEST)
    return -_brought_to(noise - along * centred, power.sqrt())


def _reverse(rows: Rows, groups: Groups, _: int) -> Rows:
    height, width = groups.patches("reverse")
    cells = rearrange(rows[..., 1:], "n h q (row column) -> n h q row column", row=height)
    mirrored = rearrange(cells.flip(-1), "n h q row column -> n h q (row column)", column=width)
    return torch.cat([torch.zeros_like(rows[..., :1]), mirrored - rows[..., 1:]], dim=-1)


def _linear(rows: Rows, groups: Groups, _: int) -> Rows:
    return -_unfitted(rows, groups.patches("linear"))


def _residual(rows: Rows, groups: Groups, _: int) -> Rows:
    centred = _over_patches(rows)
    return _unfitted(rows, groups.patches("residual")) - centred


def _residual_rescaled(rows: Rows, groups: Groups, _: int) -> Rows:
    centred = _over_patches(rows)
    left = _unfitted(rows, groups.patches("residual_rescaled"))
    return _brought_to(left, centred.norm(dim=-1, keepdim=True)) - centred


def _over_patches(rows: Rows) -> Rows:
    """Each patch minus the mean over patches; 0 on the first key."""
    patches = rows[..., 1:] - rows[..., 1:].mean(-1, keepdim=True)
    return torch.cat([torch.zeros_like(rows[..., :1]), patches], dim=-1)


def _unfitted(rows: Rows, grid: tuple[int, int]) -> Rows:
    """What a least-squares plane over the patches leaves, without a mean; 0 on the first key."""
    height, width = grid
    cells = rearrange(rows[..., 1:], "n h q (row column) -> n h q row column", row=height)
    cells = cells - reduce(cells, "n h q row column -> n h q 1 1", "mean")
    for axis, length in ((-1, width), (-2, height)):
        step = torch.arange(length, dtype=rows.dtype, device=rows.device) - (length - 1) / 2
        step = step if axis == -1 else step[:, None]
        slope = (cells * step).sum((-1, -2), keepdim=True)
        cells = cells - slope / (step**2).expand(height, width).sum().clamp(min=0.5) * step
    flat = rearrange(cells, "n h q row column -> n h q (row column)", column=width)
    return torch.cat([torch.zeros_like(rows[..., :1]), flat], dim=-1)


def _brought_to(rows: Rows, norm: Float[Tensor, "batch head query 1"]) -> Rows:
    return rows * (norm / rows.norm(dim=-1, keepdim=True).clamp(min=SMALLEST))


CHANGES: dict[str, Callable[[Rows, Groups, int], Rows]] = {
    "flatten": _flatten,
    "zero": _zero,
    "permute": _permute,
    "placebo": _placebo,
    "reverse": _reverse,
    "linear": _linear,
    "residual": _residual,
    "residual_rescaled": _residual_rescaled,
}
