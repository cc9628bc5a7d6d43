"""One door for every kind of checkpoint, and what a loaded one is: a model and its metadata."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from lrinterp.checkpoint import hugging_face, open_clip
from lrinterp.checkpoint.published import (
    fetch,
    has_weights,
    is_hub_name,
    read_tensors,
    read_tokenizer,
)
from lrinterp.checkpoint.saved import METADATA, Metadata, read_model, versions
from lrinterp.encoders import (
    HUGGING_FACE,
    OPEN_CLIP,
    ClipSpec,
    DualEncoder,
    Layout,
    Preprocessing,
    Processor,
    arranged,
    build_clip,
    essentials,
)
from lrinterp.result import Provenance
from lrinterp.scenes import Examples, Scenes
from lrinterp.scenes.natural import FromSuite
from lrinterp.store import InputError, to_plain

__all__ = ["ONCE", "Checkpoint", "Imported", "load_checkpoint", "readable"]

ONCE = {"test_layouts": 0}
"""Fields of a split that older files lack, and what they meant."""
READING = ("transformers", "tokenizers", "pillow")
"""Packages on which an imported model depends beside the usual ones."""


@dataclass(frozen=True, kw_only=True)
class PublishedFormat:
    """A published format: its files, and how each is read."""

    name: str
    config: str
    weights: str
    layout: Layout
    spec: Callable[[Path], ClipSpec]
    preprocessing: Callable[[Path, ClipSpec], Preprocessing]


FORMATS = (
    PublishedFormat(
        name="Hugging Face CLIP",
        config=hugging_face.CONFIG,
        weights="model.safetensors",
        layout=HUGGING_FACE,
        spec=hugging_face.read_spec,
        preprocessing=hugging_face.read_preprocessing,
    ),
    PublishedFormat(
        name="open_clip",
        config=open_clip.CONFIG,
        weights="open_clip_model.safetensors",
        layout=OPEN_CLIP,
        spec=open_clip.read_spec,
        preprocessing=open_clip.read_preprocessing,
    ),
)


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

    def scenes(self) -> Scenes:
        """The world and split it was trained on.

        Raises InputError where it has none, or where they do not fit its towers.
        """
        if isinstance(self.metadata, Imported):
            raise InputError(
                f"{self.name}: an imported CLIP has no world and needs a suite of pictures; "
                "analyze, compare and benchmark take one with --suite NAME --data PATH"
            )
        data, where = self.metadata, f"{self.name}/{METADATA}"
        split = None if data.split is None else {**ONCE, **data.split}
        return Scenes.from_plain(data.world, split, where, sizes=self.model.sizes)

    def examples(self, pictures: FromSuite | None = None) -> Examples:
        """What the analyses look at: the sets of its world, or pictures of a suite.

        Raises InputError where an imported CLIP is given no suite, a model that reads tokens is
        given one, or the suite cannot be read.
        """
        if pictures is None:
            return self.scenes().examples()
        processor: Any = self.model.processor
        if processor is None:
            raise InputError(
                f"{self.name}: reads only pictures of its own world; leave the suite out"
            )
        grid: Any = self.model.image.grid
        return pictures.examples(processor, grid)

    def provenance(self, command: str = "") -> Provenance:
        """Where results on this checkpoint come from, for a report or a JSON document."""
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


def load_checkpoint(folder: str | Path, tokenizer: str | Path | None = None) -> Checkpoint:
    """Read a checkpoint and check it: one of ours, or a CLIP of Hugging Face or open_clip.

    `folder` may be the name of a CLIP on the Hugging Face hub. `tokenizer` is a folder or file
    for a CLIP that was published without. Raises InputError, one line that says what was found,
    what was expected and what to do.
    """
    if is_hub_name(folder):
        name = Path(folder).as_posix()
        return load_clip(fetch(name), name, tokenizer)
    path = Path(folder)
    own = (path / METADATA).is_file()
    if not own and any((path / form.config).is_file() for form in FORMATS):
        return load_clip(path, path.resolve().name, tokenizer)
    if own and tokenizer is not None:
        raise InputError(f"{path}: has its own words; leave the tokenizer out")
    return Checkpoint(path.resolve().name, *read_model(path))


def load_clip(folder: Path, name: str, tokenizer: str | Path | None) -> Checkpoint:
    """Read somebody else's CLIP into two hooked towers."""
    form = format_of(folder)
    spec = form.spec(folder)
    processor = Processor(
        tokenizer=read_tokenizer(folder, tokenizer, spec),
        preprocessing=form.preprocessing(folder, spec),
        spec=spec,
    )
    tensors, digest = read_tensors(folder, form.weights)
    weights = arranged(tensors, form.layout, spec, str(folder / form.weights))
    model = build_clip(spec)
    model.load_state_dict(weights, strict=False)  # masks and zero biases are the model's own
    model.processor = processor
    metadata = Imported(
        towers={n: essentials(tower.cfg) for n, tower in model.towers.items()},
        source=imported_source(form, spec),
        preprocessing=to_plain(processor.preprocessing),
        sha256=digest,
    )
    return Checkpoint(name, model, metadata)


def format_of(folder: Path) -> PublishedFormat:
    """The format of a folder; of two, the one whose weights are there."""
    found = [form for form in FORMATS if (folder / form.config).is_file()]
    if not found:
        known = " or ".join(form.config for form in FORMATS)
        raise InputError(f"{folder}: not a CLIP; expected {known}")
    if not hugging_face.is_clip(folder) and found[1:]:
        found = found[1:]
    return next((form for form in found if has_weights(folder, form.weights)), found[0])


def imported_source(form: PublishedFormat, spec: ClipSpec) -> dict[str, Any]:
    """What an imported model is, for the reader of a result."""
    rule = "first of the highest id" if spec.end is None else f"first token {spec.end}"
    return {
        "format": form.name,
        "image activation": spec.image.activation,
        "text activation": spec.text.activation,
        "pooled token of a caption": rule,
        "picture": list(spec.picture),
        "patch": list(spec.patch),
    }
