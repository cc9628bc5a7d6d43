"""`lrinterp compare`: several checkpoints side by side, with their differences."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrinterp.cli.options import (
    Data,
    Pictures,
    Suite,
    Tokenizer,
    check_analyses,
    check_outputs,
    command_line,
    from_suite,
    read_from,
)
from lrinterp.cli.process import settle
from lrinterp.cli.screen import INDENT, print_rows

if TYPE_CHECKING:
    from lrinterp.experiment import Differences
    from lrinterp.result import Provenance, Result

__all__ = ["compare", "write_page"]


def compare(
    checkpoints: Annotated[
        list[str], typer.Argument(metavar="CKPT CKPT ...", help="Checkpoint folders.")
    ],
    out: Annotated[Path, typer.Option(help="The report.")] = Path("compare.html"),
    json: Annotated[Path | None, typer.Option(help="Write the results here as JSON.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME ...", help="Of the analyses.")
    ] = None,
    suite: Suite = None,
    data: Data = None,
    pictures: Pictures = 64,
    tokenizer: Tokenizer = None,
) -> None:
    """Put two or more checkpoints side by side; differences are from the first one."""
    check_analyses(only)
    from lrinterp.experiment import compare as run
    from lrinterp.experiment import comparison_provenance, load_named

    for folder in checkpoints:
        inputs = read_from(suite, data, tokenizer)
        check_outputs(Path(folder), {"--out": out, "--json": json}, inputs)
    chosen = from_suite(suite, data, pictures)
    loaded = load_named(checkpoints, tokenizer=tokenizer)
    settle(*(one.model for one in loaded))
    results = run(loaded, only, pictures=chosen)
    write_page(results, comparison_provenance(loaded, command_line()), out, json)
    print_differences(results["differences"])  # type: ignore[arg-type]
    typer.echo(f"Report: {out.resolve()}")


def write_page(
    results: Mapping[str, "Result"], provenance: "Provenance", out: Path, json: Path | None
) -> None:
    """Write the report and, where it is asked for, the results as JSON, each whole or not."""
    from lrinterp.report import write_report
    from lrinterp.result import document
    from lrinterp.store import write_json

    write_report(results, provenance, out)
    if json:
        write_json(json, document(results, provenance))


def print_differences(differences: "Differences") -> None:
    """By checkpoint, one line a quantity: both numbers, the difference, what can be said of it."""
    texts = []
    for name in differences.others:
        texts.append((f"{name} against {differences.first}",))
        lines = differences.against(name).drop(columns="Analysis")
        texts += [(INDENT + line[0], *line[1:]) for line in lines.to_numpy().tolist()]
    print_rows(("", "first", "other", "difference and 95 % interval", ""), texts, left=(0, 4))
    for line in differences.skipped:
        typer.echo(line)
