"""`lrinterp report`: the page of a sweep, and its verdicts on the screen."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrinterp.cli.screen import INDENT, VERDICTS, print_rows, with_sign

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["report"]


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of lrinterp sweep.")],
    out: Annotated[
        Path | None, typer.Option(help="The report; DIR/report.html if not given.")
    ] = None,
) -> None:
    """Hold a sweep against its criteria and write one HTML report."""
    from lrinterp.experiment import load_sweep, study_provenance, study_results
    from lrinterp.experiment.sweeps import check_free
    from lrinterp.report import write_report
    from lrinterp.store import check_writable

    loaded = load_sweep(folder)
    out = folder / "report.html" if out is None else out
    check_free(out, folder)
    check_writable(out)
    results = study_results(loaded.study, loaded.table)
    provenance = study_provenance(
        loaded.study,
        loaded.table,
        versions=loaded.versions,
        command=f"lrinterp report {loaded.name}",
    )
    write_report(results, provenance, out)
    if results["verdicts"].reason:
        typer.echo(f"No verdicts: {results['verdicts'].reason}")
    else:
        print_verdicts(results["verdicts"].frame())
    typer.echo(results["runs"].finding)
    typer.echo(f"Report: {out.resolve()}")


def print_verdicts(table: "pd.DataFrame") -> None:
    """By arm, one line a criterion: the statistic with its interval, its bound, the verdict."""
    from lrinterp.result import Metric, records

    texts = []
    for arm, rows in table.groupby("arm", sort=False):
        texts.append((str(arm),))
        for row in records(rows):
            phrase, why = Metric.of(row).phrase, row["reason"] and f" ({row['reason']})"
            texts.append(
                (INDENT + row["id"], phrase, with_sign(row["bound"]), row["verdict"] + why)
            )
    print_rows(VERDICTS, texts, left=(0, 2, 3))
