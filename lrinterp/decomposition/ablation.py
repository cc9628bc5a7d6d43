"""Ablation of score terms: what is added to the scores before the softmax, as data.

An `Ablation` says which terms, which heads and what kind; `score_delta` computes the change of
the scores from the terms, `edited` applies it. Kinds, on the keys of each component (see gauge):

- flatten: each value becomes the mean of its component; a lone key (CLS) keeps its own;
- zero: the term is removed from all keys (raw gauge, to compare with the paper);
- permute: each key gets the value of another position of its component;
- resample: the terms come from another input;
- keep: all *other* terms are flattened (is the term sufficient?);
- placebo: the term stays; a random row, orthogonal to it within components and of the same
  centred norm, is subtracted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lrinterp.axes import Inputs, Occurrence
from lrinterp.decomposition.gauge import components
from lrinterp.decomposition.terms import TERMS, total
from lrinterp.encoders import Tower, positions

__all__ = [
    "KINDS",
    "Ablation",
    "Groups",
    "InputIndependent",
    "added",
    "edited",
    "groups_of",
    "row_delta",
    "score_delta",
]

Kind = Literal["flatten", "zero", "permute", "resample", "keep", "placebo"]
KINDS: tuple[str, ...] = get_args(Kind)

Rows = Float[Tensor, "batch head query key"]


class InputIndependent(ValueError):
    """Resampling was asked of terms that are the same for every input."""


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """Which terms are taken away, how, and in which heads (None: all)."""

    terms: tuple[str, ...]
    kind: Kind = "flatten"
    heads: tuple[int, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {self.kind!r}")
        if unknown := [term for term in self.terms if term not in TERMS]:
            raise ValueError(f"term: expected some of {', '.join(TERMS)}, got {unknown[0]!r}")


@dataclass(frozen=True)
class Groups:
    """Which keys may be averaged with which: the components, among the keys a query sees."""

    of_key: Int[Tensor, "#batch key"]
    seen: Bool[Tensor, "batch query key"]

    def means(self, rows: Rows) -> Rows:
        """Each key's mean over the seen keys of its group."""
        same = (self.of_key[:, :, None] == self.of_key[:, None]).to(rows.dtype)
        weight = self.seen[:, None].to(rows.dtype)
        sums = (rows * weight) @ same[:, None]
        counts = weight @ same[:, None]
        return sums / counts.clamp(min=1)

    def apart(self, some: Bool[Tensor, "batch key"]) -> "Groups":
        """The same groups, each divided into the keys of a mask and the others."""
        return Groups(2 * self.of_key + some.to(self.of_key), self.seen)

    def centred(self, rows: Rows) -> Rows:
        """Each key minus the mean of its group; zero where unseen."""
        return (rows - self.means(rows)) * self.seen[:, None]


def groups_of(tower: Tower, tokens: Inputs, occurs: Occurrence, *, pooled: bool = True) -> Groups:
    """The components of a tower's positions, and the keys that each query row sees.

    A causal query sees no later key; padding behind the pooled position is seen by none.
    """
    n = positions(tower, tokens)
    position = torch.arange(n, device=tokens.pool.device)
    query = tokens.pool[:, None] if pooled else position.expand(len(tokens), n)
    seen = position <= query.minimum(tokens.pool[:, None])[..., None]
    if tower.cfg.attention_dir == "bidirectional":
        seen = torch.ones_like(seen)
    return Groups(components(occurs)[1][None, :n].to(tokens.pool.device), seen)


def score_delta(
    terms: Float[Tensor, "term batch head query key"],
    ablation: Ablation,
    groups: Groups,
    donors: Float[Tensor, "term batch head query key"] | None = None,
) -> Rows:
    """What an ablation adds to the scores.

    `donors` are the terms of other inputs, for `resample`. Raises InputIndependent, a ValueError
    that names the terms, where they equal the input's own.
    """
    term = total(terms, ablation.terms)
    if ablation.kind == "resample":
        return in_heads(_resample(term, ablation, donors), ablation.heads)
    if ablation.kind == "keep":
        others = [name for name in TERMS if name not in ablation.terms]
        return row_delta(term, total(terms, others), ablation, groups)
    return row_delta(term, None, ablation, groups)


def row_delta(chosen: Rows, others: Rows | None, ablation: Ablation, groups: Groups) -> Rows:
    """What an ablation adds to scores, from the part that it names and, to keep it, all others.

    Raises ValueError for `resample`, which needs the parts of other inputs.
    """
    generator = torch.Generator().manual_seed(ablation.seed)
    if ablation.kind == "permute":
        delta = chosen[..., _permutation(groups.of_key[0], generator)] - chosen
    elif ablation.kind == "placebo":
        delta = -_placebo(groups.centred(chosen), groups, generator)
    elif ablation.kind == "zero":
        delta = -chosen
    elif ablation.kind == "flatten":
        delta = -groups.centred(chosen)
    elif ablation.kind == "keep" and others is not None:
        delta = -groups.centred(others)
    else:
        raise ValueError(f"kind: {ablation.kind} needs more than the part that it names")
    return in_heads(delta, ablation.heads)


@contextmanager
def edited(
    tower: Tower,
    *,
    scores: Rows | None = None,
    values: Float[Tensor, "batch pos head d_head"] | None = None,
    pool: Int[Tensor, "batch"],
    layer: int = 0,
) -> Iterator[None]:
    """Inside, a layer adds `scores` to its attention scores and `values` to its values.

    Leaving restores the tower, also when the body raises.
    One query row of scores is added to the pooled row `pool` of each example, a full square to
    all rows. Keys that the causal mask hides stay hidden.
    """

    def add_scores(activation: Tensor, hook: object) -> Tensor:
        assert scores is not None
        return added(activation, scores, pool)

    def add_values(activation: Tensor, hook: object) -> Tensor:
        assert values is not None
        return activation + values

    hooks = []
    if scores is not None:
        hooks.append((f"blocks.{layer}.attn.hook_attn_scores", add_scores))
    if values is not None:
        hooks.append((f"blocks.{layer}.attn.hook_v", add_values))
    with tower.hooks(fwd_hooks=hooks):
        yield


def added(activation: Tensor, scores: Rows, pool: Int[Tensor, "batch"]) -> Tensor:
    """Attention scores with a full square added to all rows, or one row to the pooled one."""
    if scores.shape[2] > 1:
        return activation + scores
    changed = activation.clone()
    changed[torch.arange(len(pool), device=pool.device), :, pool] += scores[:, :, 0]
    return changed


def _resample(term: Rows, ablation: Ablation, donors: Tensor | None) -> Rows:
    if donors is None:
        raise ValueError("resample: expected the terms of other inputs as donors, got none")
    change = total(donors, ablation.terms) - term
    if change.abs().max() <= 1e-6 * term.abs().max():
        names = "+".join(ablation.terms)
        raise InputIndependent(
            f"resample: {names} does not depend on the input, nothing to resample"
        )
    return change


def _permutation(of_key: Int[Tensor, "key"], generator: torch.Generator) -> Int[Tensor, "key"]:
    """A cyclic shift by a random amount of a random order, inside each group: no key stays."""
    permutation = torch.arange(len(of_key))
    for group in of_key.unique():
        keys = torch.nonzero(of_key.cpu() == group.cpu()).flatten()
        shuffled = keys[torch.randperm(len(keys), generator=generator)]
        permutation[shuffled] = shuffled.roll(1)
    return permutation.to(of_key.device)


def _placebo(centred: Rows, groups: Groups, generator: torch.Generator) -> Rows:
    """One random row a head, made orthogonal to each centred row and given its norm."""
    noise = torch.randn(1, centred.shape[1], 1, centred.shape[3], generator=generator)
    noise = groups.centred(noise.to(centred).expand_as(centred))
    power = centred.pow(2).sum(-1, keepdim=True)
    along = (noise * centred).sum(-1, keepdim=True) / power.clamp(min=1e-30)
    noise = noise - along * centred
    return noise * (power.sqrt() / noise.norm(dim=-1, keepdim=True).clamp(min=1e-30))


def in_heads(delta: Rows, heads: tuple[int, ...] | None) -> Rows:
    """A change of some heads alone, of all for None; ValueError for a head that is not there."""
    if heads is None:
        return delta
    if bad := [head for head in heads if not 0 <= head < delta.shape[1]]:
        raise ValueError(f"head: expected 0 to {delta.shape[1] - 1}, got {bad[0]}")
    mask = torch.zeros(1, delta.shape[1], 1, 1, dtype=delta.dtype, device=delta.device)
    mask[:, list(heads)] = 1
    return delta * mask
