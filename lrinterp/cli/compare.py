"""`lrinterp compare`: several checkpoints side by side, with their differences."""

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

__all__ = ["compare"]


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
    from lrinterp.report import write_report
    from lrinterp.result import document
    from lrinterp.store import write_json

    for folder in checkpoints:
        inputs = read_from(suite, data, tokenizer)
        check_outputs(Path(folder), {"--out": out, "--json": json}, inputs)
    chosen = from_suite(suite, data, pictures)
    loaded = load_named(checkpoints, tokenizer=tokenizer)
    settle(*(one.model for one in loaded))
    results = run(loaded, only, pictures=chosen)
    provenance = comparison_provenance(loaded, command_line())
    write_report(results, provenance, out)
    if json:
        write_json(json, document(results, provenance))
    print_differences(results["differences"])  # type: ignore[arg-type]
    typer.echo(f"Report: {out.resolve()}")


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
