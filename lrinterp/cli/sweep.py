"""`lrinterp sweep`: every model of a study, on this machine or on a cluster."""

from pathlib import Path
from typing import Annotated

import typer

from lrinterp.cli.options import executors_of, pick_device
from lrinterp.cli.screen import Meter

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
    from lrinterp.experiment import SweepPlan, read_study
    from lrinterp.experiment import sweep as run

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
