"""One door for every kind of checkpoint."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lrinterp.checkpoint import hugging_face, open_clip
from lrinterp.checkpoint.hub import fetch, is_hub_name
from lrinterp.checkpoint.metadata import METADATA, Checkpoint, Imported
from lrinterp.checkpoint.own import FORMAT, fill, load_own
from lrinterp.checkpoint.pictures import hugging_face_pictures, open_clip_pictures
from lrinterp.checkpoint.vocabulary import read_tokenizer
from lrinterp.checkpoint.weights import has_weights, read_tensors
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
from lrinterp.store import InputError, to_plain

__all__ = ["load_checkpoint"]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A published format: its files, and how each is read."""

    name: str
    config: str
    weights: str
    layout: Layout
    spec: Callable[[Path], ClipSpec]
    pictures: Callable[[Path, ClipSpec], Preprocessing]


FORMATS = (
    Format(
        name="Hugging Face CLIP",
        config=hugging_face.CONFIG,
        weights="model.safetensors",
        layout=HUGGING_FACE,
        spec=hugging_face.read_spec,
        pictures=hugging_face_pictures,
    ),
    Format(
        name="open_clip",
        config=open_clip.CONFIG,
        weights="open_clip_model.safetensors",
        layout=OPEN_CLIP,
        spec=open_clip.read_spec,
        pictures=open_clip_pictures,
    ),
)


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
    if (path / METADATA).is_file() or not any((path / f.config).is_file() for f in FORMATS):
        if tokenizer is not None and (path / METADATA).is_file():
            raise InputError(f"{path}: has words of its own; leave the tokenizer out")
        return load_own(path)
    return load_clip(path, path.resolve().name, tokenizer)


def load_clip(folder: Path, name: str, tokenizer: str | Path | None) -> Checkpoint:
    """Read somebody else's CLIP into two hooked towers."""
    form = format_of(folder)
    spec = form.spec(folder)
    processor = Processor(
        tokenizer=read_tokenizer(folder, tokenizer, spec),
        preprocessing=form.pictures(folder, spec),
        spec=spec,
    )
    tensors, digest = read_tensors(folder, form.weights)
    model = filled(spec, without_prefix(tensors, form.layout), form, folder)
    model.processor = processor
    metadata = Imported(
        format=FORMAT,
        towers={n: essentials(tower.cfg) for n, tower in model.towers.items()},
        source=source_of(form, spec),
        preprocessing=to_plain(processor.preprocessing),
        sha256=digest,
    )
    return Checkpoint(name, model, metadata)


def format_of(folder: Path) -> Format:
    """The format of a folder; of two, the one whose weights are there."""
    found = [form for form in FORMATS if (folder / form.config).is_file()]
    if not hugging_face.is_clip(folder) and found[1:]:
        found = found[1:]
    if not found:
        known = " or ".join(form.config for form in FORMATS)
        raise InputError(f"{folder}: not a CLIP; expected {known}")
    return next((form for form in found if has_weights(folder, form.weights)), found[0])


def filled(spec: ClipSpec, tensors: dict[str, Tensor], form: Format, folder: Path) -> DualEncoder:
    """A model with the weights of a file; the bias of its projections, which no file has, is 0."""
    weights = arranged(tensors, form.layout, spec, str(folder / form.weights))
    model = build_clip(spec)
    zeros = {k: v.detach() for k, v in model.trainable().items() if k.endswith("unembed.b_U")}
    fill(model, {**zeros, **weights}, folder / form.weights)
    return model


def without_prefix(tensors: dict[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """The keys of an open_clip model whose text tower is a module of its own, as of any other."""
    if layout is not OPEN_CLIP or "text.token_embedding.weight" not in tensors:
        return tensors
    return {key.removeprefix("text."): tensor for key, tensor in tensors.items()}


def source_of(form: Format, spec: ClipSpec) -> dict[str, Any]:
    """What an imported model is, for the reader of a result."""
    rule = "first of the highest id" if spec.end is None else f"first token {spec.end}"
    shape = asdict(spec)
    return {
        "format": form.name,
        "image activation": spec.image.activation,
        "text activation": spec.text.activation,
        "pooled token of a caption": rule,
        "picture": list(shape["picture"]),
        "patch": list(shape["patch"]),
    }
