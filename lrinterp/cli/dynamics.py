"""`lrinterp dynamics`: numbers along training runs, aligned at the onset of order."""

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand

from lrinterp.cli.compare import write_page
from lrinterp.cli.options import analysis_names, check_outputs, command_line
from lrinterp.cli.screen import print_frame, print_summary

__all__ = ["DynamicsCommand", "dynamics"]


class DynamicsCommand(TyperCommand):
    """Lets `--scalar` take several names, as in `--scalar accuracy.a accuracy.b`."""

    def parse_args(self, ctx, args):  # noqa: D102
        return super().parse_args(ctx, spread(args))


def spread(args: list[str]) -> list[str]:
    """Repeat `--scalar` before each further name of the form analysis.key that follows it."""
    known = tuple(f"{name}." for name in analysis_names()) if "--scalar" in args else ()
    spread_out, scalar, value_next = [], False, False
    for arg in args:
        if scalar and not value_next and arg.startswith(known):
            spread_out.append("--scalar")
        elif not value_next:
            scalar = arg == "--scalar"
        value_next = arg == "--scalar" and not value_next
        spread_out.append(arg)
    return spread_out


def dynamics(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN ...", help="Folders of lrinterp train --keep-every N."),
    ],
    out: Annotated[Path, typer.Option(help="The report.")] = Path("dynamics.html"),
    json: Annotated[Path | None, typer.Option(help="Write the results here as JSON.")] = None,
    scalar: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME ...",
            help="Follow this too: analysis.key, such as accuracy.mixed_pair_order; analyses take "
            "seconds per snapshot.",
        ),
    ] = None,
) -> None:
    """Follow swap accuracy, loss and the attention gradient over the snapshots of training runs."""
    from lrinterp.experiment import dynamics as run
    from lrinterp.experiment import dynamics_provenance, kept_steps

    for folder in runs:
        for _, kept in kept_steps(folder):
            check_outputs(kept, {"--out": out, "--json": json})
    result = run(runs, scalar or ())
    write_page({result.name: result}, dynamics_provenance(runs, command_line()), out, json)
    print_frame(result.overview())
    print_summary([(result.name, result.metrics)])
    typer.echo(f"Report: {out.resolve()}")
