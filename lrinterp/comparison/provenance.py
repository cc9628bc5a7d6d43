"""Where the pages of several checkpoints come from: settings in common, and those that differ."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lrinterp.checkpoint import Checkpoint, versions
from lrinterp.comparison.naming import load_named, numbered
from lrinterp.result import Provenance

__all__ = ["comparison_provenance", "dynamics_provenance"]

NAMED = 4
"""Checkpoints up to which the title of a page names them all."""


def comparison_provenance(
    checkpoints: Sequence[Checkpoint],
    command: str = "",
    *,
    kicker: str = "Checkpoints side by side",
) -> Provenance:
    """Where a comparison comes from: what each checkpoint has alone, and what all have."""
    names = numbered(one.name for one in checkpoints)
    own = [_settings(one) for one in checkpoints]
    common = {key for key in own[0] if all(_has(fields, key, own[0][key]) for fields in own)}
    apart = {
        f"checkpoint {name}": {".".join(key): v for key, v in fields.items() if key not in common}
        for name, fields in zip(names, own, strict=True)
    }
    shared: dict[str, dict[str, Any]] = {}
    for part, key in (key for key in own[0] if key in common):
        shared.setdefault(f"{part} of all", {})[key] = own[0][part, key]
    first = checkpoints[0].provenance(command)
    return Provenance(
        checkpoint=title_of(names),
        command=first.command,
        date=first.date,
        versions=versions(),
        settings={name: fields for name, fields in (apart | shared).items() if fields},
        kicker=kicker,
    )


def dynamics_provenance(runs: Sequence[str | Path], command: str = "") -> Provenance:
    """Where the dynamics of some training runs come from: settings of their last checkpoints."""
    return comparison_provenance(load_named(runs), command, kicker="Along training")


def title_of(names: Sequence[str]) -> str:
    """The names in one line, or the first and how many others."""
    return " · ".join(names) if len(names) <= NAMED else f"{names[0]} and {len(names) - 1} others"


def _settings(checkpoint: Checkpoint) -> dict[tuple[str, str], Any]:
    """A checkpoint's configuration by section and field, with its hash."""
    data = checkpoint.metadata
    sections = ("world", "split", "encoder", "recipe")
    parts: dict[str, Mapping[str, Any]] = {name: getattr(data, name) or {} for name in sections}
    fields = {(part, key): v for part, plain in parts.items() for key, v in plain.items()}
    return {("weights", "sha256"): data.sha256, **fields}


def _has(fields: Mapping[tuple[str, str], Any], key: tuple[str, str], value: Any) -> bool:
    return key in fields and fields[key] == value
