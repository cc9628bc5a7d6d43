"""Run: a model on examples, and everything the intact model does there, lazily and once.

`record` gives one; `of` a set of pictures narrows it without running anything, `under` some edits
gives a Run with other numbers and the same interface. Not meant for suites of many thousand
pictures of a suite: the benchmark reads those in batches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens import ActivationCache

from lrinterp.axes import AnyInputs, Embeddings, Pixels, Scores
from lrinterp.decomposition import Streams
from lrinterp.encoders import DualEncoder, PatchTower, positions
from lrinterp.metric import Metric
from lrinterp.run.edit import Edit
from lrinterp.run.margins import gradient, margins, under
from lrinterp.run.memory import match_hooks, open_folder, save_folder
from lrinterp.run.passes import Places
from lrinterp.run.tower import TowerRun
from lrinterp.scenes import SETS, Examples
from lrinterp.scoring import credits, margin_weights
from lrinterp.stats import LINEAR, SHARE, Sample, Scale
from lrinterp.store import InputError

__all__ = ["Run", "load_recording", "record"]


@dataclass(frozen=True, eq=False)
class Run:
    """A model and the examples that it reads; what it does with them comes when asked for.

    Its tensors are those it keeps and shares with the runs made of it: clone one before changing
    it in place.
    """

    model: DualEncoder
    examples: Examples
    towers: Mapping[str, TowerRun]
    """By tower: streams, activations, splits; see `TowerRun`."""
    sets: dict[str, "Run"] = field(default_factory=dict, repr=False)
    """The sets that it was narrowed to, so that all who ask share what was computed."""

    @property
    def inputs(self) -> Mapping[str, AnyInputs]:
        """What each tower reads."""
        return {name: tower.inputs for name, tower in self.towers.items()}

    @property
    def embeddings(self) -> Mapping[str, Embeddings]:
        """Unit embeddings by tower."""
        return {name: tower.embeddings for name, tower in self.towers.items()}

    @property
    def streams(self) -> Mapping[str, Streams]:
        """Residual streams by tower, with their split into content and position."""
        return {name: tower.streams for name, tower in self.towers.items()}

    @property
    def cache(self) -> Mapping[str, ActivationCache]:
        """Activations by tower; `run.cache["image"]["pattern", 0]` and the long form both work."""
        return {name: tower.cache for name, tower in self.towers.items()}

    @cached_property
    def scores(self) -> Scores:
        """Cosine of every picture with every caption."""
        return self.embeddings["image"] @ self.embeddings["text"].T

    def site(self, tower: str, name: str) -> Tensor:
        """An activation by its full hook name; InputError for a name that is no hook."""
        if name not in self.towers[tower].sites:
            raise InputError(f"{name!r} is no hook of the {tower} tower")
        return self.towers[tower].sites[name]

    def pooled(self, tower: str, layer: int) -> Float[Tensor, "batch d_model"]:
        """The pooled position of the stream before a layer."""
        return self.towers[tower].pooled(layer)

    def at(self, index: Int[np.ndarray, "some"]) -> Self:
        """Some of the pictures, in the order asked for; what position is stays as it was.

        IndexError for a picture that is not there.
        """
        index = np.arange(len(self.examples))[index]  # the caller may change its own
        image = self.towers["image"].at(torch.from_numpy(index))
        return type(self)(self.model, self.examples.at(index), {**self.towers, "image": image})

    def of(self, set_name: str) -> "Run":
        """The pictures of one set alone; ValueError where no set is called so."""
        if set_name not in self.sets:
            if set_name not in (known := dict.fromkeys((*SETS, *self.examples.image_set))):
                raise ValueError(f"set: expected one of {', '.join(known)}, got {set_name!r}")
            index = self.examples.where(set_name)
            image = self.towers["image"].of(torch.from_numpy(index))
            towers = {**self.towers, "image": image}
            self.sets[set_name] = type(self)(self.model, self.examples.at(index), towers)
        return self.sets[set_name]

    def under(self, *edits: Edit) -> Self:
        """The same examples with some edits made at once, each in its own tower."""
        if unknown := [edit.tower for edit in edits if edit.tower not in self.towers]:
            raise ValueError(f"tower: expected {' or '.join(self.towers)}, got {unknown[0]!r}")
        towers = {
            name: under(tower, *(edit for edit in edits if edit.tower == name))
            for name, tower in self.towers.items()
        }
        return type(self)(self.model, self.examples, towers)

    @property
    def direction(self) -> Embeddings:
        """Of each picture its true captions minus their other orders: order's margin is along it.

        Captions of several templates count alike.
        """
        texts = self.embeddings["text"]
        return margin_weights(self.examples).to(texts) @ texts

    @property
    def margin(self) -> Float[Tensor, "image"]:
        """Of each picture: cosine with its true captions minus that with their other orders."""
        return (self.embeddings["image"].double() * self.direction.double()).sum(-1)

    def accuracy(self, metric: str = "order", candidates: str = "pair") -> Metric:
        """Swap accuracy, retrieval or object-set accuracy, with its interval over labels.

        All pictures must be of one set (`of`); see `lrinterp.scoring.METRICS`.
        """
        values = credits(self.scores, self.examples, metric, candidates)
        chance = self.examples.chance if metric == "order" else None
        return self.mean(torch.from_numpy(values), SHARE, chance=chance)

    def mean(
        self, values: Float[Tensor, "image"], scale: Scale = LINEAR, *, chance: float | None = None
    ) -> Metric:
        """The mean over pictures of any number of each, such as `run.margin`, with its interval.

        Two such means of the same pictures have a paired difference: `a - b`.
        """
        sample = Sample.mean(values.double().cpu().numpy()[None], self.examples.image_units, scale)
        about = {"examples": self.examples.fingerprint, "unit": self.examples.unit}
        return Metric.of_sample(sample, chance=chance, **about)

    def margins(
        self, edits: Sequence[Edit], direction: Embeddings | None = None
    ) -> Float[Tensor, "edit image"]:
        """The margin of every picture under each edit of the image tower alone.

        Along the order direction where none is given. Edits of one site run together, so hundreds
        of patches are cheap; see `lrinterp.run.margins`.
        """
        along = self.direction if direction is None else direction
        return margins(self.towers["image"], edits, along)

    def gradient(
        self, sites: Sequence[str], direction: Embeddings | None = None
    ) -> dict[str, Float[Tensor, "image ..."]]:
        """By hook name: d margin of each picture / d activation in the image tower.

        Along the order direction where none is given. Cost: one pass forward and back.
        """
        along = self.direction if direction is None else direction
        parts = [gradient(part, along[some], sites) for some, part in self.towers["image"].parts()]
        return {name: torch.cat([part[name] for part in parts]) for name in sites}

    def save(self, folder: str | Path, names: Sequence[str] = ()) -> None:
        """Write inputs, embeddings and the named activations; whole or not at all.

        One memory-mapped .npy file each, in batches, so that memory stays bounded.
        """
        save_folder(Path(folder), self.towers, match_hooks(self.towers, names))


def record(
    model: DualEncoder,
    examples: Examples,
    names: Sequence[str] = (),
    *,
    folder: str | Path | None = None,
    progress: bool | None = None,
) -> Run:
    """A Run of both towers. Nothing runs before something is asked for.

    With `folder` the named sites are written there, in batches, and opened memory-mapped; names
    are TransformerLens's, may hold wildcards (`blocks.*.attn.hook_pattern`), and a leading tower
    restricts them. Raises InputError for a name that matches no hook, for examples that a tower
    cannot read, and where there is no picture.
    """
    check_sizes(model, examples)
    if not len(examples):
        raise InputError("no pictures to record: every set that was asked for is empty")
    run = Run(model, examples, towers_of(model, examples, progress=progress))
    wanted = match_hooks(run.towers, names)
    if folder is None:
        return run
    save_folder(Path(folder), run.towers, wanted)
    return load_recording(folder, model, examples)


def load_recording(folder: str | Path, model: DualEncoder, examples: Examples) -> Run:
    """Open a saved run, memory-mapped; InputError for another model or other examples.

    What was not saved is computed when it is asked for.
    """
    run = Run(model, examples, towers_of(model, examples))
    open_folder(Path(folder), run.towers)
    return run


def towers_of(
    model: DualEncoder, examples: Examples, *, progress: bool | None = None
) -> dict[str, TowerRun]:
    """Both towers on some examples; pictures, and captions, of the same labels are a cluster."""
    clusters = {"image": examples.image_label_set, "text": examples.caption_label_set}
    return {
        name: TowerRun(
            model,
            name,
            inputs,
            Places(
                occurs=examples.occurs[name],
                clusters=clusters[name],
                roles=examples.roles[name],
                grid=examples.grid if name == "image" else None,
            ),
            progress=progress,
        )
        for name, inputs in model.prepare(examples).items()
    }


def check_sizes(model: DualEncoder, examples: Examples) -> None:
    """Refuse examples that a tower cannot read, naming the tower."""
    for name, tower in model.towers.items():
        inputs = getattr(examples, name)
        reads = "pixels" if isinstance(tower, PatchTower) else "tokens"
        got = "pixels" if isinstance(inputs, Pixels) else "tokens"
        if reads != got:
            raise InputError(f"the {name} tower reads {reads}; the examples hold {got}")
        if isinstance(tower, PatchTower):
            tower.check(inputs.values)
            continue
        words, known = len(examples.words[name]), tower.cfg.d_vocab
        n_positions, n_ctx = positions(tower, inputs), tower.cfg.n_ctx
        if words > known or n_positions > n_ctx:
            raise InputError(
                f"the {name} tower reads {known} words and {n_ctx} positions; the examples have "
                f"{words} and {n_positions}; are these towers made for this world?"
            )
