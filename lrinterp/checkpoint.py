"""Checkpoints: a folder that holds a model and, as plain data, how it came to be.

`model.safetensors` holds the weights; `model.json` the format version, both tower
configurations, encoder preset, world, split, recipe, seed, versions, scores, history and the
sha256 of the weights. `model.json` is written last: a folder without it is no checkpoint.
"""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load as load_weights
from safetensors.torch import save as save_weights
from torch import Tensor

from lrinterp.encoders import (
    DualEncoder,
    EncoderConfig,
    build_tower,
    tower_config,
    tower_from_plain,
    tower_plain,
)
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

if TYPE_CHECKING:
    from lrinterp.result import Provenance
    from lrinterp.scenes import Scenes

__all__ = ["Checkpoint", "Metadata", "load_checkpoint", "save_checkpoint", "versions"]

FORMAT = 1
WEIGHTS, METADATA = "model.safetensors", "model.json"


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

        data, where = self.metadata, f"{self.name}/{METADATA}"
        return Scenes.from_plain(data.world, data.split, where, sizes=self.model.sizes)

    def provenance(self, command: str = "") -> "Provenance":
        """Where results on this checkpoint come from, for a report or a JSON document."""
        from lrinterp.result import Provenance

        data = self.metadata
        settings = {
            "world": data.world,
            "split": data.split,
            "encoder": data.encoder,
            "recipe": data.recipe,
            **{f"{name} tower": fields for name, fields in data.towers.items()},
        }
        trained_with = {f"trained with {name}": v for name, v in data.versions.items()}
        return Provenance(
            checkpoint=readable(self.name),
            command=readable(command),
            date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            versions={**versions(), **trained_with},
            sha256=data.sha256,
            seed=data.seed,
            settings={name: fields for name, fields in settings.items() if fields},
            curves=pd.DataFrame(data.history) if data.history else None,
        )


def readable(name: str) -> str:
    """A name from the file system as text that can be written anywhere."""
    return name.encode(errors="replace").decode()


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
    """Write a checkpoint; `recipe` holds `world`, `split` and `fit` as plain data, or is None."""
    folder = Path(folder)
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


def load_checkpoint(folder: str | Path) -> Checkpoint:
    """Read a checkpoint and check it: format, keys, hash of the weights, names, shapes, types.

    Raises InputError, one line that says what was found, what was expected and what to do.
    """
    folder = Path(folder)
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
        raise InputError(f"{folder}: no such folder; expected a checkpoint made by lrinterp train")
    if not path.is_file():
        raise InputError(
            f"{folder}: not a checkpoint (no {METADATA}); expected a folder made by "
            "lrinterp train, finish an interrupted one with --resume"
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
    if missing := sorted(set(own) - set(weights)):
        raise InputError(f"{where}: weight {missing[0]} is missing")
    if unknown := sorted(set(weights) - set(own)):
        raise InputError(f"{where}: unknown weight {unknown[0]}")
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
