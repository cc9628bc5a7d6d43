"""`lrinterp sweep`: every model of a study, on this machine or on a cluster."""

import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrinterp.cli.options import pick_device

if TYPE_CHECKING:
    from lrinterp.sweep import Executors

__all__ = ["sweep"]


def sweep(
    study: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study file.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; must be new or empty.")],
    workers: Annotated[
        int | None, typer.Option(help="Local processes; default: cores / threads of a stack.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="A Dask scheduler, tcp://HOST:PORT, in place of processes.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Finish an interrupted sweep.")] = False,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="Keep the checkpoint of every model.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "cpu",
) -> None:
    """Train and measure every model of a study; the table survives whatever happens.

    A killed sweep loses at most the stacks of models that were under way: repeat the command with
    --resume.
    """
    from lrinterp.study import SweepPlan, read_study
    from lrinterp.study import sweep as run

    planned = read_study(study)
    executors = executors_of(workers, scheduler, planned.threads)
    plan = SweepPlan.of(planned, device=pick_device(device), checkpoints=checkpoints)
    meter = Meter()
    try:
        failed = run(plan, out, executors, resume=resume, after=meter)
    except KeyboardInterrupt as stop:
        typer.echo(f"Stopped. Finish it with the same command and --resume; so far: {out}")
        raise typer.Exit(130) from stop
    finally:
        meter.close()
    for name, reason in failed.items():
        typer.echo(f"Stack {name} was not done: {reason}", err=True)
    if failed:
        typer.echo(f"{len(failed)} stacks are missing; try again with --resume", err=True)
        raise typer.Exit(1)
    typer.echo(f"Wrote {out / 'results.parquet'} and results.csv. Next: lrinterp report {out}")


def executors_of(workers: int | None, scheduler: str | None, threads: int) -> "Executors":
    """Where stacks run; refuses more threads than cores."""
    from lrinterp.store import InputError
    from lrinterp.sweep import cores, dask_cluster, dask_workers, local_processes

    if scheduler is not None:
        if workers is not None:
            raise InputError("--workers: a scheduler has workers of its own; leave it out")
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


class Meter:
    """Models done, models a minute, time left: a bar on a terminal, a line a stack elsewhere."""

    def __init__(self) -> None:
        self.begun: tuple[float, int] | None = None
        self.bar = None

    def __call__(self, done: int, total: int) -> None:
        """Show how far a sweep is; the first call says where it starts."""
        if self.begun is None:
            self.begun = time.monotonic(), done
            self.open(done, total)
            return
        start, first = self.begun
        rate = 60 * (done - first) / (time.monotonic() - start)
        pace = f"{rate:.1f} models a minute, {(total - done) / rate:.1f} min left"
        if self.bar is None:
            typer.echo(f"{done} of {total} models, {pace}")
        else:
            self.bar.set_postfix_str(pace, refresh=False)
            self.bar.update(done - self.bar.n)

    def open(self, done: int, total: int) -> None:
        """A bar on a terminal, a first line elsewhere."""
        if not sys.stderr.isatty():
            typer.echo(f"{done} of {total} models done")
            return
        from tqdm import tqdm

        shape = "{percentage:3.0f} %|{bar}| {n_fmt} of {total_fmt} models, {elapsed}{postfix}"
        self.bar = tqdm(total=total, initial=done, bar_format=shape)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()
