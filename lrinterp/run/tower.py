"""One tower on some inputs: everything the intact model does, when it is first asked for, once.

One gradient-free pass gives the embeddings and the residual stream before every layer. A site
inside a layer (queries, attention, head outputs) is made again from the stream that the layer
reads: a layer's work, not a pass. `at` narrows without running anything.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens import ActivationCache

from lrinterp.axes import Embeddings
from lrinterp.decomposition import Streams, components
from lrinterp.run.memory import EMBEDDING, Sites, keeping, room
from lrinterp.run.passes import EVERY, Hook, Index, Pass, as_slice, last_name, resid_pre
from lrinterp.store import InputError

__all__ = ["Narrowed", "TowerRun"]


class TowerRun(Pass):
    """A tower and its inputs; streams, embeddings and activations come when asked for."""

    def parts(self, size: int | None = None) -> Iterator[tuple[slice, "TowerRun"]]:
        """The inputs in parts of a size, of a batch for None, in order; one part of no inputs."""
        size = size or self.batch_size
        for start in range(0, max(len(self), 1), size):
            yield (some := slice(start, start + size)), self.at(some)

    # What the pass leaves

    @property
    def embeddings(self) -> Embeddings:
        """Unit embeddings of the pooled position."""
        return self.kept_site(EMBEDDING)

    def residual(self, layer: int) -> Float[Tensor, "batch pos d_model"]:
        """The stream before a layer; for `n_layers`, the one that embeddings are read from."""
        return self.kept_site(last_name(self.tower) if layer == self.n_layers else resid_pre(layer))

    def pooled(self, layer: int) -> Float[Tensor, "batch d_model"]:
        """The pooled position of the stream before a layer; no whole stream is kept for it."""
        if self.known(last_name(self.tower)) is None and not self.edits:
            return self.pooled_streams[layer]
        rows = torch.arange(len(self), device=self.inputs.pool.device)
        return self.residual(layer)[rows, self.inputs.pool]

    def kept_site(self, name: str) -> Tensor:
        """A tensor that the pass leaves."""
        if name not in self.kept:
            self.kept |= self.run_pass()
        return self.kept[name]

    def taken(self, name: str, index: Index) -> Tensor:
        """A tensor that the pass leaves, of some inputs."""
        return self.kept_site(name)[index]

    def known(self, name: str, index: Index = EVERY) -> Tensor | None:
        """A site of some inputs where it is there already, or None."""
        there = self.kept.get(name, self.sites.inside.get(name))
        return None if there is None else there[index]

    def start(self) -> tuple[int, Tensor | None]:
        """The layer that a pass starts at and the stream before it; None for the inputs."""
        return 0, None

    @torch.no_grad()
    def run_pass(self) -> dict[str, Tensor]:
        """The pass: streams of all layers and embeddings, memory-mapped where they are large."""
        first, start = self.start()
        names = [resid_pre(layer) for layer in range(first, self.n_layers)]
        names.append(last_name(self.tower))
        stores: dict[str, Tensor] = {}
        for some, part in self.bar(self.parts()):
            found: dict[str, Tensor] = {}
            with part.hooked([(name, keeping(found)) for name in names]):
                last = part.forward(first, None if start is None else start[some])
            found[EMBEDDING] = self.model.project(self.name, last, part.inputs.pool)
            for name, value in found.items():
                if name not in stores:
                    stores[name] = room((len(self), *value.shape[1:]), value, len(names))
                stores[name][some] = value
        return stores

    # What is made from it

    @cached_property
    def streams(self) -> Streams:
        """The streams, split into content and position; see `lrinterp.decomposition.streams`."""
        if self.places.occurs is None:
            raise InputError(f"the {self.name} run does not know which positions tokens occur at")
        n, own = self.n_positions, self.places.clusters
        place = torch.arange(n, device=self.inputs.pool.device)
        bidirectional = self.tower.cfg.attention_dir == "bidirectional"
        return Streams(
            tower=self.tower,
            pool=self.inputs.pool,
            of_position=components(self.places.occurs)[1][:n].to(place.device),
            seen=(place <= self.inputs.pool[:, None]) | bidirectional,
            cache=self.sites,
            clusters=None if own is None else torch.from_numpy(own.copy()).to(place.device),
        )

    @cached_property
    def sites(self) -> Sites:
        """Every activation by its full hook name."""
        return Sites(self)

    @cached_property
    def cache(self) -> ActivationCache:
        """The same under all names of TransformerLens, such as `cache["pattern", 0]`."""
        return ActivationCache(self.sites, self.tower)  # type: ignore[arg-type]

    def at(self, index: Index) -> "Narrowed":
        """Some of the inputs, in the order asked for; position is what it is for all of them."""
        return Narrowed(self, index)

    def of(self, index: Index) -> "Narrowed":
        """Some of the inputs alone: position is a mean over these alone."""
        return Narrowed(self, index, alone=True)

    @torch.no_grad()
    def values(self, sites: Iterable[str]) -> dict[str, Tensor]:
        """Some activations by hook name, those inside a layer in one go."""
        self.sites.load(names := list(sites))
        return {name: self.sites[name] for name in names}

    @torch.no_grad()
    def along(
        self, last: Float[Tensor, "some pos d_model"], direction: Embeddings
    ) -> Float[Tensor, "some"]:
        """Margins by a last stream, in double precision; directions and pools repeat as needed."""
        copies = len(last) // max(len(self), 1)
        embedded = self.model.project(self.name, last, self.inputs.pool.repeat(copies))
        return (embedded.double() * direction.double().repeat(copies, 1)).sum(-1)


class Narrowed(TowerRun):
    """Some inputs of another run, whose numbers it shares."""

    def __init__(self, whole: TowerRun, index: Index, *, alone: bool = False) -> None:
        index = as_slice(index, len(whole))
        super().__init__(whole.model, whole.name, whole.inputs.at(index), whole.places.at(index))
        self.whole, self.index, self.alone = whole, index, alone
        self.edits = whole.edits

    def kept_site(self, name: str) -> Tensor:
        """The part of what the other run's pass leaves."""
        if name not in self.kept:
            self.kept[name] = self.whole.taken(name, self.index)
        return self.kept[name]

    def taken(self, name: str, index: Index) -> Tensor:
        """Of what is not kept here nothing more than these inputs is copied."""
        if name in self.kept:
            return self.kept[name][index]
        return self.whole.taken(name, self.joint(index))

    @cached_property
    def streams(self) -> Streams:
        """The streams; what counts as position is that of all inputs of the other run."""
        whole = self.whole.streams
        among = None if self.alone else (whole, self.index)
        own = None if whole.clusters is None else whole.clusters[self.index]
        some = {"pool": self.inputs.pool, "seen": whole.seen[self.index], "cache": self.sites}
        return replace(whole, **some, clusters=own, among=among, vectors={})

    @cached_property
    def pooled_streams(self) -> Float[Tensor, "layer batch d_model"]:
        """The part of the other run's."""
        return self.whole.pooled_streams[:, self.index]

    def known(self, name: str, index: Index = EVERY) -> Tensor | None:
        """The part of a site that either run has already; kept where all of these ask for it."""
        own = super().known(name, index)
        if own is None and (own := self.whole.known(name, self.joint(index))) is not None:
            self.kept |= {name: own} if index is EVERY else {}
        return own

    def joint(self, index: Index) -> Index:
        """Some of these inputs, as the other run counts them."""
        if index is EVERY:
            return self.index
        n = len(self.whole)
        return as_slice(torch.arange(n)[self.index][index], n)

    def hooks_at(self, index: Index, inside: int | None = None) -> list[Hook]:
        """Those of the other run, for these inputs."""
        return self.whole.hooks_at(self.joint(index), inside)
