"""Several checkpoints: what each is called, and where a page about them comes from.

Beside it `compare` puts checkpoints side by side, and `dynamics` follows the snapshots of runs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lrinterp.checkpoint import Checkpoint, load_checkpoint, readable, versions
from lrinterp.result import Provenance

__all__ = [
    "comparison_provenance",
    "dynamics_provenance",
    "load_named",
    "numbered",
    "quantity_words",
    "short_names",
]

NAMED = 4
"""Checkpoints up to which the title of a page names them all."""


def load_named(folders: Sequence[str | Path], *, tokenizer: Path | None = None) -> list[Checkpoint]:
    """Load checkpoints under names as short as tells them apart. Raises InputError.

    `tokenizer` is for imported CLIPs that were published without.
    """
    names = short_names([Path(folder) for folder in folders])
    named = zip(names, folders, strict=True)
    return [replace(load_checkpoint(folder, tokenizer), name=name) for name, folder in named]


def short_names(folders: Sequence[Path]) -> list[str]:
    """The last part of each path, with as many parts before it as tell it from the others.

    One folder given twice has one name twice: see `numbered`.
    """
    paths = [folder.resolve().parts for folder in folders]
    return [shortest_end(own, [path for path in paths if path != own]) for own in paths]


def shortest_end(own: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> str:
    """The fewest last parts of a path in which no other path ends."""
    ends = [own[start:] for start in range(len(own) - 1, 0, -1)]
    apart = (end for end in ends if all(path[-len(end) :] != end for path in others))
    return readable("/".join(next(apart, own)))


def numbered(names: Iterable[str]) -> list[str]:
    """The names with a number behind every repetition.

    >>> numbered(["a", "b", "a"])
    ['a', 'b', 'a (2)']
    """
    found: list[str] = []
    for name in names:
        further = [f"{name} ({count})" for count in range(2, len(found) + 2)]
        found.append(next(one for one in (name, *further) if one not in found))
    return found


def quantity_words(key: str) -> str:
    """A key of a summary as it is shown: `unseen_pair_order` becomes `unseen pair order`."""
    return key.replace("_", " ")


def comparison_provenance(
    checkpoints: Sequence[Checkpoint],
    command: str = "",
    *,
    kicker: str = "Checkpoints side by side",
) -> Provenance:
    """Where a comparison comes from: what each checkpoint has alone, and what all have."""
    names = numbered(one.name for one in checkpoints)
    own = [settings_of(one) for one in checkpoints]
    common = {k: v for k, v in own[0].items() if all((k, v) in fields.items() for fields in own)}
    settings = {
        f"checkpoint {name}": {".".join(key): v for key, v in fields.items() if key not in common}
        for name, fields in zip(names, own, strict=True)
    }
    for (part, key), value in common.items():
        settings.setdefault(f"{part} of all", {})[key] = value
    first = checkpoints[0].provenance(command)
    many = f"{names[0]} and {len(names) - 1} others"
    return Provenance(
        checkpoint=" · ".join(names) if len(names) <= NAMED else many,
        command=first.command,
        date=first.date,
        versions=versions(),
        settings={name: fields for name, fields in settings.items() if fields},
        kicker=kicker,
    )


def dynamics_provenance(runs: Sequence[str | Path], command: str = "") -> Provenance:
    """Where the dynamics of some training runs come from: settings of their last checkpoints."""
    return comparison_provenance(load_named(runs), command, kicker="Along training")


def settings_of(checkpoint: Checkpoint) -> dict[tuple[str, str], Any]:
    """The hash of a checkpoint's weights, and its configuration by section and field."""
    data = checkpoint.metadata
    parts = {name: getattr(data, name) or {} for name in ("world", "split", "encoder", "recipe")}
    fields = {(part, key): value for part, plain in parts.items() for key, value in plain.items()}
    return {("weights", "sha256"): data.sha256, **fields}
