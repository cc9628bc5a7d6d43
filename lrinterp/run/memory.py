"""What a run may take: memory up to a budget, memory-mapped files above it; threads."""

import math
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lrinterp.encoders import Tower
from lrinterp.store import InputError

if TYPE_CHECKING:
    from lrinterp.run.tower import TowerRun

__all__ = ["BUDGET", "Sites", "keeping", "part_size", "room", "using_threads"]

BUDGET = 2**30
"""Bytes that the streams of one pass, or the sites inside its layers, may take in memory."""
PART_BYTES = 2**30
"""What the activations of two runs and one backward pass may take, whatever the model."""
TOGETHER = (
    ("attn.hook_attn_scores", "attn.hook_pattern"),
    ("attn.hook_z", "hook_mlp_out", "hook_attn_out"),
    ("attn.hook_q", "attn.hook_k", "attn.hook_v"),
)
"""Sites of a layer that are kept together: who asks for one soon asks for the others."""


def room(shape: tuple[int, ...], like: Tensor, copies: int) -> Tensor:
    """An empty tensor; memory-mapped where so many of its size would exceed the budget."""
    if math.prod(shape) * like.element_size() * copies <= BUDGET:
        return torch.empty(shape, dtype=like.dtype, device=like.device)
    file = tempfile.NamedTemporaryFile(prefix="lrinterp-", suffix=".stream")  # noqa: SIM115
    dtype = torch.empty(0, dtype=like.dtype).numpy().dtype
    mapped = torch.from_numpy(np.memmap(file, dtype=dtype, mode="w+", shape=shape))
    weakref.finalize(mapped, file.close)
    return mapped


def part_size(tower: Tower, n_positions: int) -> int:
    """How many examples may be patched side by side within PART_BYTES; at least one.

    Counted for each layer: six sites as wide as the stream and two maps, of both runs and as
    gradients; and what the backward pass keeps, about fourteen streams, four MLPs and four maps.
    ViT-B/32 patches 10 pairs at once, ViT-L/14 one.
    """
    cfg = tower.cfg
    wide, maps = n_positions * cfg.d_model, cfg.n_heads * n_positions**2
    mlp = 0 if cfg.attn_only else n_positions * (cfg.d_mlp or 0)
    numbers = 3 * (6 * wide + 2 * maps) + 14 * wide + 4 * mlp + 4 * maps
    return max(1, PART_BYTES // (4 * numbers * cfg.n_layers))


class Sites(Mapping):  # bare, so that no type checker reads a site to see what it is
    """The activations of a run by hook name, each made when it is first asked for.

    Streams come from the run's pass. What lies inside a layer is made again from the stream that
    the layer reads and kept, the oldest forgotten first, within the budget.
    """

    def __init__(self, run: "TowerRun") -> None:
        self.run = run
        self.known = set(run.tower.hook_dict)
        self.inside: dict[str, Tensor] = {}

    def __contains__(self, name: object) -> bool:
        return name in self.known

    def __iter__(self) -> Iterator[str]:
        return iter(self.run.tower.hook_dict)

    def __len__(self) -> int:
        return len(self.known)

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.known:
            raise KeyError(name)
        if (known := self.run.known(name)) is not None:
            return known
        layer, site = place_of(name)
        if layer is None:
            return self.outside(name)
        if site in ("hook_resid_pre", "hook_resid_post"):
            return self.run.residual(layer + (site == "hook_resid_post"))
        group = next((group for group in TOGETHER if site in group), (site,))
        self.load([f"blocks.{layer}.{one}" for one in group])
        if name not in self.inside:
            raise InputError(
                f"hook {name!r} of the {self.run.name} tower never fires in this model"
            )
        return self.inside[name]

    def load(self, names: Iterable[str]) -> None:
        """Make some sites inside layers at once: a layer's work for each layer that lacks one."""
        asked = [n for n in names if n in self.known and n not in self.inside]
        for layer in sorted({number for n in asked if (number := place_of(n)[0]) is not None}):
            own = [n for n in asked if place_of(n)[0] == layer]
            found = self.made(own, layer)
            rarely = ("hook_mlp_out", "hook_attn_out")
            if silent := [n for n in own if n not in found and not n.endswith(rarely)]:
                raise InputError(
                    f"hook {silent[0]!r} of the {self.run.name} tower never fires in this model"
                )
            self.keep(found)

    def outside(self, name: str) -> Tensor:
        """What is made of the inputs before the first layer, or of the weights."""
        found = self.made([name], None)
        if name not in found:
            raise InputError(f"hook {name!r} of the {self.run.name} tower is not kept")
        self.keep(found)
        return found[name]

    def made(self, names: list[str], layer: int | None) -> dict[str, Tensor]:
        """What some hooks of one layer see, or of what comes before the first, of all inputs."""
        parts = []
        for some, part in self.run.parts():
            start = None if layer is None else self.run.residual(layer)[some]
            parts.append(fired(part, names, layer or 0, start))
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def keep(self, found: Mapping[str, Tensor]) -> None:
        """Keep some sites, and forget the oldest where all would exceed the budget.

        Attention maps go first: they are the largest, and read layer by layer.
        """
        self.inside |= found
        size = sum(tensor.nbytes for tensor in self.inside.values())
        old = [name for name in self.inside if name not in found]
        for name in sorted(old, key=lambda name: not name.endswith(TOGETHER[0])):
            if size > BUDGET:
                size -= self.inside.pop(name).nbytes


@torch.no_grad()
def fired(part: "TowerRun", names: list[str], layer: int, start: Tensor | None) -> dict[str, Any]:
    """What some hooks see while one layer runs on its stream, or while inputs are embedded."""
    found: dict[str, Tensor] = {}
    with part.hooked([(name, keeping(found)) for name in names], inside=layer):
        if start is None:
            part.tower(part.inputs.values, stop_at_layer=0)
        else:
            part.tower(start, start_at_layer=layer, stop_at_layer=layer + 1)
    return found


def keeping(found: dict[str, Tensor]) -> Callable[[Tensor, Any], None]:
    """A hook that keeps what it sees by its name."""

    def keep(activation: Tensor, hook: Any) -> None:
        found[hook.name] = activation

    return keep


def place_of(name: str) -> tuple[int | None, str]:
    """Layer and site of a hook: blocks.3.attn.hook_z is (3, attn.hook_z)."""
    blocks, _, rest = name.partition(".")
    layer, _, site = rest.partition(".")
    return (int(layer), site) if blocks == "blocks" and layer.isdecimal() else (None, name)


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """Inside, torch uses so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
