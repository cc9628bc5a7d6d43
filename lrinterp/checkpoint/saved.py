"""Native checkpoints: written whole or not at all, and checked in full when they are read."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_weights
from safetensors.torch import save as save_weights
from torch import Tensor

from lrinterp.encoders import (
    DualEncoder,
    EncoderConfig,
    PatchTower,
    build_tower,
    tower_config,
    tower_from_plain,
    tower_plain,
)
from lrinterp.encoders.weight_layouts import check_keys
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

__all__ = [
    "METADATA",
    "WEIGHTS",
    "Metadata",
    "fill",
    "read_metadata",
    "read_model",
    "save_checkpoint",
    "versions",
]

WEIGHTS, METADATA = "model.safetensors", "model.json"
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """`model.json`: everything about a checkpoint but its weights, as plain data."""

    format: int = FORMAT
    towers: dict[str, dict[str, Any]]
    """By tower: the fields of its `HookedTransformerConfig`."""
    encoder: dict[str, Any] | None = None
    """The `EncoderConfig`; None for a user's towers, which have no recipe."""
    world: dict[str, Any] | None = None
    split: dict[str, Any] | None = None
    recipe: dict[str, Any] | None = None
    seed: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    scores: list[dict[str, Any]] = field(default_factory=list)
    """Rows of `lrinterp.scoring.accuracy_rows` at the end of training."""
    history: list[dict[str, int | float | None]] = field(default_factory=list)
    """Step, loss and swap accuracy of held-out pairs along the way."""
    sha256: str

    @property
    def settings(self) -> dict[str, Any]:
        """What a reader of a result may ask for, by heading."""
        own = {name: getattr(self, name) for name in ("world", "split", "encoder", "recipe")}
        own |= {f"{name} tower": fields for name, fields in self.towers.items()}
        return {name: fields for name, fields in own.items() if fields}


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    packages = ("lrinterp", "torch", "transformer-lens", "numpy", "scipy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


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


def read_model(folder: Path) -> tuple[DualEncoder, Metadata]:
    """Read a native checkpoint and check it: format, keys, weights' hash, names, shapes, types.

    Raises InputError, one line that says what was found, what was expected and what to do.
    """
    path = folder / METADATA
    metadata = read_metadata(folder)
    weights = read_weights(folder / WEIGHTS, metadata.sha256)
    config = None
    if metadata.encoder:
        config = from_plain(EncoderConfig, metadata.encoder, f"{path}: encoder")
    if sorted(metadata.towers) != ["image", "text"]:
        found = ", ".join(sorted(metadata.towers)) or "none"
        raise InputError(f"{path}: towers: expected image and text, got {found}")
    try:
        towers = {n: build_tower(tower_from_plain(p)) for n, p in metadata.towers.items()}
        model = DualEncoder(towers, 0.0, config)
    except Exception as error:  # whatever TransformerLens makes of fields that it cannot use
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: towers: {line[:200]}; restore the file") from error
    if config is not None:
        check_towers(config, model, path)
    fill(model, weights, folder / WEIGHTS)
    return model, metadata


def check_towers(config: EncoderConfig, model: DualEncoder, where: Path) -> None:
    """Refuse towers that are not what the encoder configuration makes."""
    for name, size in model.sizes.items():
        expected = tower_plain(tower_config(config, name, *size))
        found = tower_plain(model.towers[name].cfg)
        for key in sorted(expected | found):
            if found.get(key) != expected.get(key):
                raise InputError(
                    f"{where}: towers.{name}.{key}: encoder makes {shortened(expected.get(key))}, "
                    f"the tower has {shortened(found.get(key))}; restore the file"
                )


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
    check_keys(weights, model.trainable(), str(where))
    for name, parameter in model.trainable().items():
        got = weights[name]
        if got.shape != parameter.shape or got.dtype != parameter.dtype:
            raise InputError(
                f"{where}: {name}: expected {tuple(parameter.shape)} {parameter.dtype}, got "
                f"{tuple(got.shape)} {got.dtype}"
            )
        if not got.isfinite().all():
            raise InputError(f"{where}: {name}: holds values that are not finite; train again")
        parameter.data.copy_(got)
