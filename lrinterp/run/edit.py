"""Edit: an intervention as data. What is changed, how, and where; `run.under(edit)` makes it.

Nothing here runs a model. An Edit is checked when it is made, compared and hashed like a number,
and says in `cells` and `label` what it is, so that tables need no other words.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

from jaxtyping import Float
from torch import Tensor

from lrinterp.decomposition import (
    CHANGES,
    GAUGES,
    KEY_CONTENT,
    KEY_POSITION,
    MEANS,
    TERMS,
    gauge_of,
)
from lrinterp.encoders import Tower
from lrinterp.store import one_of

if TYPE_CHECKING:
    from lrinterp.run.tower import TowerRun

__all__ = [
    "ALL",
    "ATTENTION",
    "HEAD_SITES",
    "KINDS",
    "MAP_SITES",
    "NAMED",
    "OWN",
    "POOLED",
    "RANDOM",
    "RESIDUAL_SITES",
    "SITES",
    "VP",
    "Edit",
]

VP, ATTENTION, OWN = "VP", "attention", "own"
NAMED = {
    "key_position": "+".join(KEY_POSITION),
    "key_content": "+".join(KEY_CONTENT),
    "value_position": VP,
}
"""Other names for sets of terms."""
RESIDUAL_SITES = ("resid_pre", "attn_out", "mlp_out")
HEAD_SITES = ("q", "k", "v", "z")
MAP_SITES = ("attn_scores", "pattern")
SITES = (*RESIDUAL_SITES, *HEAD_SITES, *MAP_SITES)
ON_TERMS = (*CHANGES, "keep", "keep_objects", "resample")
ON_VALUES = ("flatten", "zero")
ON_ATTENTION = ("exchange", "equalise")
ON_SITES = ("zero", "patch", "add")
KINDS = tuple(dict.fromkeys((*ON_TERMS, *ON_ATTENTION, *ON_SITES)))
RANDOM = ("placebo", "permute", "resample")
"""Kinds that draw at random: their numbers are means over draws."""
POOLED, ALL = "pooled", "all"
"""Query rows or positions: the one that embeddings are read from, or all of them."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One intervention in one tower.

    `what` and the `how` that goes with it:

    - terms of the attention scores ("EP", "EP+PP+bP" or "key_position", "key_content"): flatten,
      zero, keep (flatten all other terms), keep_objects (the same, over objects and empty keys
      apart), permute, resample, placebo, reverse, linear, residual, residual_rescaled; see
      `lrinterp.decomposition.changes`;
    - VP, the position part of the values, alone or with terms ("EP+VP"), is taken away: flatten
      or zero, which is how the terms go;
    - "attention", the weights after the softmax: exchange (the objects' weights change places),
      equalise (each object gets their mean);
    - a site (resid_pre, attn_out, mlp_out, q, k, v, z, attn_scores, pattern) at the positions of a
      role: zero, patch (take what the run `source` has there), add (`vector`).

    Terms are changed in the stream that a layer reads in the edited run itself. What is position
    there stays what it is in the intact run. Raises ValueError, which names expected and got.
    """

    what: str = NAMED["key_position"]
    how: str = "flatten"
    tower: str = "image"
    layers: tuple[int, ...] | list[int] | None = None
    """None: all layers."""
    heads: tuple[int, ...] | list[int] | None = None
    """None: all heads."""
    queries: str = ALL
    """Query rows: `pooled` or `all`; of attention and maps also a role."""
    role: str = ALL
    """Positions of a site, keys of a map: a role of the examples, `pooled`, or `all`."""
    gauge: str = OWN
    """How content is told from position: canonical or raw weights, which the first layer alone
    has; means over inputs; or a layer's native one: canonical where it has weights, else means."""
    alpha: float = 1.0
    """How much of the change is made."""
    seed: int = 0
    """Of what is drawn at random."""
    source: "TowerRun | None" = field(default=None, repr=False)
    """Where a patch is taken from: a run of the same tower on as many inputs."""
    vector: Float[Tensor, "width"] | tuple[float, ...] | None = field(default=None, repr=False)
    """What is added, as wide as the site; kept as plain numbers, so that Edits can be compared."""

    def __post_init__(self) -> None:
        for name, value in as_plain(self).items():
            object.__setattr__(self, name, value)
        one_of(self, "how", self.kinds)
        one_of(self, "gauge", (OWN, MEANS, *GAUGES))
        if (self.how == "patch") != (self.source is not None):
            raise ValueError("source: a run to patch from goes with how='patch', and with it alone")
        if (self.how == "add") != (self.vector is not None):
            raise ValueError("vector: what to add goes with how='add', and with it alone")
        check_values(self)
        if self.heads is not None and self.what in RESIDUAL_SITES:
            raise ValueError(f"heads: {self.what} belongs to no head, got {self.heads}")
        if self.gauge in GAUGES and self.layers != (0,):
            raise ValueError(f"gauge: {self.gauge} is a split of the first layer's weights alone")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The `how` that goes with `what`; ValueError for something unknown."""
        if self.what == ATTENTION:
            return ON_ATTENTION
        if self.what in SITES:
            return ON_SITES
        names = self.what.split("+")
        if unknown := [name for name in names if name not in (*TERMS, VP)]:
            expected = ", ".join((*NAMED, ATTENTION, *SITES, *TERMS, VP))
            raise ValueError(f"what: expected one of {expected}, got {unknown[0]!r}")
        return ON_VALUES if VP in names else ON_TERMS

    @property
    def terms(self) -> tuple[str, ...]:
        """The score terms that it is about."""
        return tuple(name for name in self.what.split("+") if name in TERMS)

    @property
    def values(self) -> bool:
        """Is it about the position part of the values too?"""
        return VP in self.what.split("+")

    def scaled(self, alpha: float) -> Self:
        """The same with `alpha` times its change: 0 does nothing, 2 goes twice as far.

        Flattening scaled by 1 - a leaves a times the term.
        """
        return replace(self, alpha=self.alpha * alpha)

    def layers_of(self, tower: Tower) -> tuple[int, ...]:
        """The layers that it edits; ValueError for one that is not there."""
        n = tower.cfg.n_layers
        layers = tuple(range(n) if self.layers is None else self.layers)
        if bad := [layer for layer in layers if not 0 <= layer < n]:
            raise ValueError(f"layer: expected 0 to {n - 1}, got {bad[0]}")
        return layers

    def hook(self, layer: int) -> str:
        """The TransformerLens name of its site in a layer."""
        inner = "" if self.what in RESIDUAL_SITES else "attn."
        return f"blocks.{layer}.{inner}hook_{self.what}"

    def within(self, tower: Tower) -> Self:
        """The same edit as a tower knows it: layers by number, rows that matter, gauge by name.

        Two edits that change a tower alike are then equal. In a tower of one layer no query row
        but the pooled one reaches the embedding.
        """
        n, layers = tower.cfg.n_layers, self.layers_of(tower)
        everywhere = None if n > 1 and layers == tuple(range(n)) else layers
        only = n == 1 and self.queries == ALL and self.what not in SITES
        gauge = self.gauge_at(tower, 0) if layers == (0,) else self.gauge
        rows = POOLED if only else self.queries
        return replace(self, layers=everywhere, queries=rows, gauge=gauge)

    @property
    def dose(self) -> float:
        """What a removed term is left times; of other kinds how much of the change is made."""
        return 1 - self.alpha if self.how in ("flatten", "zero") else self.alpha

    def cells(self, tower: Tower) -> dict[str, str]:
        """The identifying columns of a table row."""
        return {
            "encoder": self.tower,
            "terms": self.what,
            "heads": _listed(self.heads),
            "kind": self.how,
            "dose": f"{self.dose:g}",
            "gauge": self.split_name(tower),
            "layers": _listed(self.layers),
            "queries": self.queries,
        }

    def gauge_at(self, tower: Tower, layer: int) -> str:
        """The gauge of one of its layers by name."""
        return gauge_of(tower, layer) if self.gauge == OWN else self.gauge

    def split_name(self, tower: Tower) -> str:
        """The splits of its layers by name, such as `canonical`, or `canonical, means` above."""
        return ", ".join(dict.fromkeys(self.gauge_at(tower, k) for k in self.layers_of(tower)))


def as_plain(edit: Edit) -> dict[str, Any]:
    """Fields under their own names and as tuples, so that they can be compared and hashed."""
    found: dict[str, Any] = {
        name: tuple(value)
        for name in ("layers", "heads")
        if isinstance(value := getattr(edit, name), list)
    }
    if isinstance(edit.vector, Tensor):
        if edit.vector.ndim != 1:
            raise ValueError(f"vector: expected one axis, got {tuple(edit.vector.shape)}")
        found["vector"] = tuple(edit.vector.tolist())
    return found | {"what": NAMED.get(edit.what, edit.what)}


def check_values(edit: Edit) -> None:
    """Refuse a run of all towers, and numbers that are not finite, not whole, or twice there."""
    if hasattr(edit.source, "towers"):
        raise ValueError(f"source: expected a tower of a run: run.towers[{edit.tower!r}]")
    if not all(map(math.isfinite, (edit.alpha, *(edit.vector or ())))):
        raise ValueError("alpha, vector: expected finite numbers")
    for name in ("layers", "heads"):
        numbers = getattr(edit, name)
        own = numbers if isinstance(numbers, tuple) else ()
        whole = all(isinstance(n, Integral) and n is not True for n in own)
        if numbers is not None and not (own and whole and len(set(own)) == len(own)):
            expected = "whole numbers, each once, or None for all"
            raise ValueError(f"{name}: expected {expected}, got {numbers!r}")


def _listed(numbers: Sequence[int] | None) -> str:
    return "all" if numbers is None else ",".join(map(str, numbers))
