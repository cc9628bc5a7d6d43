"""What is known of the positions of some inputs: clusters, roles, a grid."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from lrinterp.axes import Occurrence

__all__ = ["EVERY", "Index", "Places", "as_slice"]

Index = slice | Int[Tensor, "_"]
"""Which of some inputs."""
EVERY = slice(None)


def as_slice(index: Index, n: int) -> Index:
    """Those of n inputs that follow one another as a slice: it takes views, an index copies."""
    if isinstance(index, slice) or not len(index):
        return index
    start, end = int(index[0]), int(index[0]) + len(index)
    follow = torch.equal(index, torch.arange(start, end, device=index.device))
    return slice(start, end) if follow and start >= 0 and end <= n else index


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """What is known of the positions of some inputs."""

    occurs: Occurrence | None = None
    """Which token stands at which position in some admissible input."""
    clusters: Int[np.ndarray, "batch"] | None = None
    """A number of each input: what is its position is learnt from other clusters alone."""
    roles: Mapping[str, Bool[Tensor, "batch pos"]] = field(default_factory=dict)
    """Masks of the positions that play a role."""
    grid: tuple[int, int] | None = None
    """Rows and columns of the patches behind CLS; None where positions are words."""

    def at(self, index: Index) -> "Places":
        """The same of some inputs."""
        place = index if isinstance(index, slice) else index.cpu()
        own = self.clusters
        some = own if own is None else own[place if isinstance(place, slice) else place.numpy()]
        roles = {name: mask[place] for name, mask in self.roles.items()}
        return replace(self, clusters=some, roles=roles)
