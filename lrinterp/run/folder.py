"""A run on disk: inputs, embeddings and some activations, one memory-mapped .npy file each."""

import shutil
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lrinterp.encoders import DualEncoder, Tower
from lrinterp.run.tower import EMBEDDING, TowerRun
from lrinterp.store import InputError, read_json, sha256, write_json

__all__ = ["fingerprint", "match_hooks", "open_folder", "save_folder"]

INPUTS, INDEX = "inputs", "recording.json"


def match_hooks(runs: Mapping[str, TowerRun], names: Sequence[str], tower: str) -> list[str]:
    """The hooks of one tower that some names ask for; a name no tower knows is an InputError."""
    towers = {name: run.tower for name, run in runs.items()}
    for name in names:
        if not any(hooks_of(towers[t], t, name) for t in towers):
            known = [hook for t in towers for hook in towers[t].hook_dict]
            known += [f"{t}.{hook}" for t in towers for hook in towers[t].hook_dict]
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "names are TransformerLens's"
            raise InputError(f"hook {name!r} matches nothing; {hint}")
    return list(dict.fromkeys(h for name in names for h in hooks_of(towers[tower], tower, name)))


def hooks_of(model: Tower, tower: str, pattern: str) -> list[str]:
    """The hooks of a tower under a name, a wildcard, or either behind the tower's own name."""
    local = pattern.removeprefix(f"{tower}.")
    return [hook for hook in model.hook_dict if fnmatchcase(hook, local)]


def save_folder(
    target: Path, towers: Mapping[str, TowerRun], names: Mapping[str, Sequence[str]]
) -> None:
    """Write the runs of some towers; the folder appears when it is complete.

    Raises InputError where it exists, or a hook never fires.
    """
    temporary = fresh_folder(target)
    try:
        for tower, run in towers.items():
            np.save(file_of(temporary, tower, INPUTS), run.inputs.values.cpu().numpy())
            np.save(file_of(temporary, tower, EMBEDDING), run.embeddings.cpu().numpy())
            save_sites(temporary, run, names[tower])
        model = next(iter(towers.values())).model
        write_json(temporary / INDEX, {"weights": fingerprint(model), "hooks": dict(names)})
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    temporary.rename(target)


def save_sites(folder: Path, run: TowerRun, names: Sequence[str]) -> None:
    """Write some activations batch by batch."""
    files: dict[str, np.memmap] = {}
    for some, part in run.parts():
        for name, value in part.values(names).items():
            array = value.cpu().numpy()
            if name not in files:
                shape = (len(run), *array.shape[1:])
                path = file_of(folder, run.name, name)
                files[name] = np.lib.format.open_memmap(path, "w+", array.dtype, shape)
            files[name][some] = array


def open_folder(folder: Path, towers: Mapping[str, TowerRun]) -> None:
    """Give the runs of some towers what was saved; InputError where it belongs to others."""
    if not (folder / INDEX).is_file():
        raise InputError(f"{folder}: not a recording (no {INDEX})")
    index: dict[str, Any] = read_json(folder / INDEX)
    if index["weights"] != fingerprint(next(iter(towers.values())).model):
        raise InputError(f"{folder}: recorded from another model than the one given")
    for tower, names in index["hooks"].items():
        run = towers[tower]
        found = {name: open_array(file_of(folder, tower, name)) for name in (EMBEDDING, *names)}
        if not torch.equal(open_array(file_of(folder, tower, INPUTS)), run.inputs.values.cpu()):
            raise InputError(f"{folder}: recorded from other {tower} examples than those given")
        run.kept |= found


def file_of(folder: Path, tower: str, name: str) -> Path:
    """Where one site of one tower lies."""
    return folder / f"{tower}.{name}.npy"


def fresh_folder(target: Path) -> Path:
    """An empty folder beside the target, to be renamed when it is complete."""
    if target.exists():
        raise InputError(f"{target}: already exists; choose another folder")
    temporary = target.with_name(f".tmp-{target.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    return temporary


def fingerprint(model: DualEncoder) -> str:
    """A hash of the weights, by which a recording knows its model."""
    weights = model.trainable()
    return sha256(b"".join(weights[name].detach().cpu().numpy().tobytes() for name in weights))


def open_array(path: Path) -> Tensor:
    """A memory-mapped array; writes to it stay in memory. A damaged file is an InputError."""
    try:
        return torch.from_numpy(np.load(path, mmap_mode="c"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: missing or damaged ({error}); record again") from error
