"""`lrinterp reproduce`: the findings of the paper, checked by a machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrinterp.cli.options import command_line, executors_of, pick_device
from lrinterp.cli.screen import INDENT, VERDICTS, Meter, print_rows, with_sign

if TYPE_CHECKING:
    from lrinterp.experiment import LoadedSweep
    from lrinterp.reproduction import Claims, Design, Made

__all__ = ["reproduce"]

CLAIMS, REPORT = "claims.json", "report.html"


def reproduce(
    out: Annotated[Path, typer.Option(help="Folder for everything; must be new or empty.")],
    quick: Annotated[
        bool, typer.Option("--quick", help="Three seeds, small grids; diversity only with --study.")
    ] = False,
    seeds: Annotated[
        int | None, typer.Option(help="Models of each kind; default: 10, or 3 with --quick.")
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A finished sweep of label and layout diversity to use."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML with sections world, split, encoder, fit: the recipe of all."),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Local processes; default: cores.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="A Dask scheduler, tcp://HOST:PORT, in place of processes.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Finish an interrupted run.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "cpu",
) -> None:
    """Train, measure and judge every claim; write claims.json and one HTML report.

    A killed run loses what was under way: repeat the command with --resume. With --scheduler the
    workers must see the same folder under the same path.
    """
    from lrinterp.experiment import load_sweep
    from lrinterp.reproduction import ReproductionPlan, load_reproduction
    from lrinterp.reproduction import reproduce as run
    from lrinterp.store import check_writable

    loaded = None if study is None else finished(load_sweep(study))
    design = designed(quick=quick, seeds=seeds, config=config)
    plan = ReproductionPlan.of(design, loaded, pick_device(device))
    executors = executors_of(workers, scheduler, 1)
    for name in (CLAIMS, REPORT) if out.is_dir() else ():
        check_writable(out / name)
    try:
        failed = run(plan, out, executors, resume=resume, stage=Meter)
    except KeyboardInterrupt as stop:
        typer.echo(f"Stopped. Finish it with the same command and --resume; so far: {out}")
        raise typer.Exit(130) from stop
    write(load_reproduction(out, loaded), out)
    for name, reason in failed.items():
        typer.echo(f"{name} was not done: {reason}", err=True)
    if failed:
        typer.echo("Claims without their numbers are undecided; try again with --resume", err=True)
        raise typer.Exit(1)


def finished(loaded: "LoadedSweep") -> "LoadedSweep":
    """The sweep itself; one that lacks models is refused, because its table will change."""
    from lrinterp.store import InputError

    if loaded.missing:
        planned = len(loaded.models) + loaded.missing
        raise InputError(
            f"--study {loaded.name}: {loaded.missing} of {planned} models are missing; finish it "
            "with lrinterp sweep --resume"
        )
    return loaded


def designed(*, quick: bool, seeds: int | None, config: Path | None) -> "Design":
    """How large the run is; a number of seeds that cannot be is refused."""
    from lrinterp.reproduction import Design
    from lrinterp.store import InputError, read_toml

    base = read_toml(config) if config else {}
    number = seeds if seeds is not None else 3 if quick else 10
    try:
        return Design(quick=quick, seeds=number, base=base)
    except ValueError as error:
        raise InputError(f"--{error}") from error


def write(made: "Made", out: Path) -> None:
    """Write claims and report, and print the verdicts."""
    from lrinterp.report import write_report
    from lrinterp.reproduction import judged, reproduction_provenance, reproduction_results
    from lrinterp.store import write_json

    claims, results = judged(made), reproduction_results(made)
    provenance = reproduction_provenance(made, command=command_line())
    write_json(out / CLAIMS, {"run": provenance.plain(), "claims": claims.plain()})
    write_report(results, provenance, out / REPORT)
    print_claims(claims)
    typer.echo(claims.finding)
    typer.echo(f"Claims: {(out / CLAIMS).resolve()}")
    typer.echo(f"Report: {(out / REPORT).resolve()}")


def print_claims(claims: "Claims") -> None:
    """A line a statistic: the claim, what was found, what was asked, what follows."""
    from lrinterp.result import Metric, records

    texts, seen = [], ""
    for row in records(claims.table):
        if row["id"] != seen:
            seen = row["id"]
            texts.append((seen, "", "", row["verdict"]))
        wanted = with_sign(row["criterion"])
        name = INDENT + row["statistic"]
        texts.append((name, Metric.of(row).phrase, wanted, row["part_verdict"]))
    print_rows(VERDICTS, texts, left=(0, 2, 3))
