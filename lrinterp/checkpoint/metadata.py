"""A loaded checkpoint, and everything that is known about it but its weights."""

import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pandas as pd

from lrinterp.encoders import DualEncoder
from lrinterp.store import InputError

if TYPE_CHECKING:
    from lrinterp.result import Provenance
    from lrinterp.scenes import Examples, Scenes
    from lrinterp.scenes.natural import FromSuite

__all__ = [
    "METADATA",
    "ONCE",
    "WEIGHTS",
    "Checkpoint",
    "Imported",
    "Metadata",
    "readable",
    "versions",
]

WEIGHTS, METADATA = "model.safetensors", "model.json"
ONCE = {"test_layouts": 0}
"""Fields of a split that older files lack, and what they meant."""
READING = ("transformers", "tokenizers", "pillow")
"""Packages on which an imported model depends beside the usual ones."""


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """`model.json`: everything about a checkpoint but its weights, as plain data."""

    format: int
    towers: dict[str, dict[str, Any]]
    """By tower: the fields of its `HookedTransformerConfig`."""
    encoder: dict[str, Any] | None = None
    """The `EncoderConfig`; None for a user's own towers, which have no recipe."""
    world: dict[str, Any] | None = None
    split: dict[str, Any] | None = None
    recipe: dict[str, Any] | None = None
    seed: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    scores: list[dict[str, Any]] = field(default_factory=list)
    """Rows of `lrinterp.scoring.accuracy_rows` at the end of training."""
    history: list[dict[str, int | float | None]] = field(default_factory=list)
    """Step, loss and unseen-pair order along the way."""
    sha256: str

    @property
    def settings(self) -> dict[str, Any]:
        """What a reader of a result may ask for, by heading."""
        own = {
            "world": self.world,
            "split": self.split,
            "encoder": self.encoder,
            "recipe": self.recipe,
            **{f"{name} tower": fields for name, fields in self.towers.items()},
        }
        return {name: fields for name, fields in own.items() if fields}


@dataclass(frozen=True, kw_only=True)
class Imported(Metadata):
    """What is known about somebody else's CLIP.

    `sha256` is that of the weights file; of several, that of the text of their hashes.
    """

    source: dict[str, Any]
    """Format, activations and the rule that finds the end of a caption."""
    preprocessing: dict[str, Any]

    @property
    def settings(self) -> dict[str, Any]:
        """What a reader of a result may ask for, by heading."""
        own = {"imported from": self.source, "preprocessing": self.preprocessing}
        return {**own, **super().settings}


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint: the model and its metadata, under the name of its folder."""

    name: str
    model: DualEncoder
    metadata: Metadata

    def scenes(self) -> "Scenes":
        """The world and split it was trained on.

        Raises InputError where it has none, or where they do not fit its towers.
        """
        from lrinterp.scenes import Scenes

        if isinstance(self.metadata, Imported):
            lacks = "an imported CLIP has no world of its own"
            ways = "analyze, compare and benchmark take one with --suite NAME --data PATH"
            raise InputError(f"{self.name}: {lacks} and needs a suite of pictures; {ways}")
        data, where = self.metadata, f"{self.name}/{METADATA}"
        split = None if data.split is None else {**ONCE, **data.split}
        return Scenes.from_plain(data.world, split, where, sizes=self.model.sizes)

    def examples(self, pictures: "FromSuite | None" = None) -> "Examples":
        """What the analyses look at: the sets of its own world, or photographs of a suite.

        Raises InputError where an imported CLIP is given no suite, a model that reads tokens is
        given one, or the suite cannot be read.
        """
        if pictures is None:
            return self.scenes().examples()
        processor: Any = self.model.processor
        if processor is None:
            reads = "reads the pictures of its own world, no photographs"
            raise InputError(f"{self.name}: {reads}; leave the suite out")
        grid: Any = self.model.image.grid
        return pictures.examples(processor, grid)

    def provenance(self, command: str = "") -> "Provenance":
        """Where results on this checkpoint come from, for a report or a JSON document."""
        from lrinterp.result import Provenance

        data = self.metadata
        reading = READING if isinstance(data, Imported) else ()
        trained_with = {f"trained with {name}": v for name, v in data.versions.items()}
        return Provenance(
            checkpoint=readable(self.name),
            command=readable(command),
            date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            versions={**versions(), **{n: version(n) for n in reading}, **trained_with},
            sha256=data.sha256,
            seed=data.seed,
            settings=data.settings,
            curves=pd.DataFrame(data.history) if data.history else None,
        )


def readable(name: str) -> str:
    """A name from the file system as text that can be written anywhere."""
    return name.encode(errors="replace").decode()


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    packages = ("lrinterp", "torch", "transformer-lens", "numpy", "scipy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
