"""What several commands share: a device by name, a checked output path, a table on the screen."""

import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import lrinterp as lr
from lrinterp.store import InputError, check_writable

if TYPE_CHECKING:
    from lrinterp.experiment.tasks import Executors
    from lrinterp.scenes.natural import FromSuite

__all__ = [
    "Data",
    "Pictures",
    "Suite",
    "Tokenizer",
    "analysis_names",
    "check_analyses",
    "check_outputs",
    "command_line",
    "executors_of",
    "from_suite",
    "pick_device",
    "read_from",
    "suite_folder",
]


def command_line() -> str:
    """The command as it was typed."""
    return shlex.join(["lrinterp", *sys.argv[1:]])


def analysis_names() -> list[str]:
    """The analyses there are; loading them takes a while."""
    return list(lr.ANALYSES)


def check_analyses(names: Iterable[str] | None) -> None:
    """InputError for a name of no analysis; loads them all."""
    lr.analyze  # noqa: B018 - by way of the root, which loads faster
    from lrinterp.analysis import check_names

    check_names(names)


def pick_device(name: str) -> str:
    """A torch device: `auto` takes CUDA, then MPS, then the CPU."""
    import torch

    if name == "auto":
        mps = torch.backends.mps.is_available()
        return "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--device {name}: not available here ({reason})") from error
    return name


Suite = Annotated[
    str | None,
    typer.Option(help="For an imported CLIP: aro, whatsup, vsr, nlvr, jsonl or csv."),
]
Data = Annotated[
    Path | None,
    typer.Option(help="The suite's folder or file; without it, its folder in $LRINTERP_DATA."),
]
Pictures = Annotated[
    int,
    typer.Option(min=4, help="Pictures to analyse, half of them mirror images."),
]
Tokenizer = Annotated[
    Path | None, typer.Option(help="Tokenizer files, for a CLIP that was published without.")
]


def suite_folder(suite: str, data: Path | None) -> Path:
    """Where a suite lies: as given, or under LRINTERP_DATA by its name."""
    if data is not None:
        return data
    if root := os.environ.get("LRINTERP_DATA"):
        return Path(root) / suite
    raise InputError(f"--suite {suite}: give its folder with --data PATH")


def from_suite(suite: str | None, data: Path | None, pictures: int) -> "FromSuite | None":
    """The pictures of a suite that options ask for; None without a suite."""
    from lrinterp.scenes.natural import FromSuite

    if suite is None:
        if data is not None:
            raise InputError(f"--data {data}: name its suite with --suite NAME")
        return None
    return FromSuite(suite=suite, folder=suite_folder(suite, data), pictures=pictures)


def executors_of(workers: int | None, scheduler: str | None, threads: int) -> "Executors":
    """Where stacks run; refuses more threads than cores."""
    from lrinterp.experiment.tasks import cores, dask_cluster, dask_workers, local_processes

    if scheduler is not None:
        if workers is not None:
            raise InputError("--workers: a scheduler has its own workers; leave it out")
        found = dask_workers(scheduler)  # refuses before anything is written
        wait = "" if found else "; waiting for dask worker to start some"
        typer.echo(f"Workers at {scheduler}: {found}{wait}")
        return partial(dask_cluster, scheduler)
    most = cores() // threads
    if most < 1:
        raise InputError(f"threads: expected at most the {cores()} cores here, got {threads}")
    if workers is not None and not 1 <= workers <= most:
        each = f"{cores()} cores, {threads} thread{'s' * (threads > 1)} a stack"
        raise InputError(f"--workers: expected 1 to {most} ({each}), got {workers}")
    return partial(local_processes, workers or most)


OF_CHECKPOINT = (
    "*.index.json *.safetensors config.json merges.txt model.json open_clip_config.json "
    "preprocessor_config.json processor_config.json special_tokens_map.json tokenizer*.json "
    "vocab.json"
).split()
"""Files that a checkpoint of ours or a published CLIP may consist of."""


def read_from(suite: str | None, data: Path | None, tokenizer: Path | None) -> list[Path]:
    """The folders and files beside the checkpoint that options tell a command to read."""
    rows = [suite_folder(suite, data)] if suite is not None else []
    return rows + ([tokenizer] if tokenizer is not None else [])


def check_outputs(
    checkpoint: Path, outputs: Mapping[str, Path | None], inputs: Iterable[Path] = ()
) -> None:
    """Refuse output paths, by option, before any work is done for them.

    Nothing that a checkpoint consists of is written over, and no file that is in `inputs`, or in
    a folder of it.
    """
    from lrinterp.checkpoint import METADATA, WEIGHTS

    inputs = list(inputs)
    files = [path for kind in OF_CHECKPOINT for path in checkpoint.glob(kind)]
    files += [checkpoint / name for name in (METADATA, WEIGHTS)]
    taken = {os.path.realpath(path): "the checkpoint" for path in files}
    for option, path in outputs.items():
        if path is None:
            continue
        check_writable(path)
        if owner := taken.get(os.path.realpath(path)):
            raise InputError(f"{option} {path}: would overwrite {owner}; choose another name")
        if any(is_within(path, folder) for folder in inputs):
            owner = "the rows, pictures or tokenizer that it reads"
            raise InputError(f"{option} {path}: would overwrite {owner}; choose another name")
        taken[os.path.realpath(path)] = "what another option writes"


def is_within(path: Path, place: Path) -> bool:
    """Is a path a file that is there already, in a folder or the file itself?

    Both as it is written and as links lead, since a suite's folder of pictures may be a link.
    """
    ways = (os.path.abspath, os.path.realpath)
    return path.exists() and any(Path(way(path)).is_relative_to(way(place)) for way in ways)
