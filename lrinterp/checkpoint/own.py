"""Our own checkpoints: written whole or not at all, and checked in full when they are read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_weights
from safetensors.torch import save as save_weights
from torch import Tensor

from lrinterp.checkpoint.metadata import METADATA, WEIGHTS, Checkpoint, Metadata, versions
from lrinterp.encoders import (
    DualEncoder,
    EncoderConfig,
    PatchTower,
    build_tower,
    tower_config,
    tower_from_plain,
    tower_plain,
)
from lrinterp.encoders.layouts import check_keys
from lrinterp.store import (
    InputError,
    from_plain,
    read_json,
    sha256,
    shortened,
    to_plain,
    write_atomically,
    write_json,
)

__all__ = ["fill", "load_own", "read_metadata", "save_checkpoint"]

FORMAT = 1


def save_checkpoint(
    folder: Path,
    model: DualEncoder,
    *,
    recipe: Mapping[str, Any] | None = None,
    scores: Sequence[Mapping[str, Any]] = (),
    history: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write a checkpoint; `recipe` holds `world`, `split` and `fit` as plain data, or is None.

    Raises InputError for a model that reads pixels: it stays in the format it was published in.
    """
    folder = Path(folder)
    if any(isinstance(tower, PatchTower) for tower in model.towers.values()):
        raise InputError(f"{folder}: an imported CLIP is not written again; use its own folder")
    folder.mkdir(parents=True, exist_ok=True)
    data = save_weights({k: v.detach().contiguous().cpu() for k, v in model.trainable().items()})
    recipe = dict(recipe or {})
    metadata = Metadata(
        format=FORMAT,
        towers={name: tower_plain(tower.cfg) for name, tower in model.towers.items()},
        encoder=to_plain(model.config) if model.config else None,
        world=recipe.get("world"),
        split=recipe.get("split"),
        recipe=recipe.get("fit"),
        seed=(recipe.get("fit") or {}).get("seed"),
        versions=versions(),
        scores=[dict(row) for row in scores],
        history=[dict(row) for row in history],
        sha256=sha256(data),
    )
    write_atomically(folder / WEIGHTS, data)
    write_json(folder / METADATA, to_plain(metadata))


def load_own(folder: Path) -> Checkpoint:
    """Read our own checkpoint and check it: format, keys, weights' hash, names, shapes, types.

    Raises InputError, one line that says what was found, what was expected and what to do.
    """
    metadata = read_metadata(folder)
    weights = read_weights(folder / WEIGHTS, metadata.sha256)
    encoder = metadata.encoder
    config = (
        from_plain(EncoderConfig, encoder, f"{folder / METADATA}: encoder") if encoder else None
    )
    if sorted(metadata.towers) != ["image", "text"]:
        found = ", ".join(sorted(metadata.towers)) or "none"
        raise InputError(f"{folder / METADATA}: towers: expected image and text, got {found}")
    try:
        towers = {n: build_tower(tower_from_plain(p)) for n, p in metadata.towers.items()}
        model = DualEncoder(towers, 0.0, config)
    except Exception as error:  # whatever TransformerLens makes of fields that it cannot use
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{folder / METADATA}: towers: {line[:200]}; restore the file") from error
    if config is not None:
        check_towers(config, model, folder / METADATA)
    fill(model, weights, folder / WEIGHTS)
    return Checkpoint(folder.resolve().name, model, metadata)


def check_towers(config: EncoderConfig, model: DualEncoder, where: Path) -> None:
    """Refuse towers that are not what the encoder configuration makes."""
    for name, size in model.sizes.items():
        expected = tower_plain(tower_config(config, name, *size))
        found = tower_plain(model.towers[name].cfg)
        for key in sorted(expected | found):
            if found.get(key) != expected.get(key):
                made, has = shortened(expected.get(key)), shortened(found.get(key))
                got = f"encoder makes {made}, the tower has {has}"
                raise InputError(f"{where}: towers.{name}.{key}: {got}; restore the file")


def read_metadata(folder: Path) -> Metadata:
    """Read and check `model.json`."""
    path = folder / METADATA
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; expected a checkpoint made by lrinterp train, or a CLIP in "
            "the format of Hugging Face or open_clip"
        )
    if not path.is_file():
        raise InputError(
            f"{folder}: not a checkpoint (no {METADATA}); expected a folder made by "
            "lrinterp train, finish an interrupted one with --resume; a CLIP of Hugging Face has a "
            "config.json, one of open_clip an open_clip_config.json"
        )
    plain = read_json(path)
    found = plain.get("format") if isinstance(plain, dict) else None
    if found != FORMAT:
        raise InputError(
            f"{path}: format version {shortened(found)}, expected {FORMAT}; "
            "use the lrinterp version that wrote it, or train again"
        )
    return from_plain(Metadata, plain, str(path))


def read_weights(path: Path, expected: str) -> dict[str, Tensor]:
    """Read weights whose sha256 is as expected."""
    if not path.is_file():
        raise InputError(f"{path}: missing; expected the weights beside {METADATA}")
    data = path.read_bytes()
    if (found := sha256(data)) != expected:
        raise InputError(
            f"{path}: truncated or altered (sha256 {found[:12]}…, {METADATA} says "
            f"{expected[:12]}…); restore the file or train again"
        )
    try:
        return load_weights(data)
    except SafetensorError as error:
        raise InputError(f"{path}: not a safetensors file ({error})") from error


def fill(model: DualEncoder, weights: Mapping[str, Tensor], where: Path) -> None:
    """Copy weights into a like-shaped model; the first difference is an InputError."""
    own = model.trainable()
    check_keys(weights, own, str(where))
    for name, parameter in own.items():
        got = weights[name]
        if got.shape != parameter.shape or got.dtype != parameter.dtype:
            expected = f"{tuple(parameter.shape)} {parameter.dtype}"
            raise InputError(
                f"{where}: {name}: expected {expected}, got {tuple(got.shape)} {got.dtype}"
            )
        if not got.isfinite().all():
            raise InputError(f"{where}: {name}: holds values that are not finite; train again")
        parameter.data.copy_(got)
