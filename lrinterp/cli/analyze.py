"""`lrinterp analyze`: all analyses of a checkpoint and the report to share."""

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand

import lrinterp as lr
from lrinterp.cli.options import (
    Data,
    Pictures,
    Suite,
    Tokenizer,
    analysis_names,
    check_analyses,
    check_outputs,
    command_line,
    from_suite,
    read_from,
)
from lrinterp.cli.process import settle
from lrinterp.cli.screen import print_summary

__all__ = ["AnalyzeCommand", "analyze"]

VALUED = ("--out", "--json", "--suite", "--data", "--pictures", "--tokenizer")
"""Options that a value follows, which is not the checkpoint."""


class AnalyzeCommand(TyperCommand):
    """Lets `--only` take several names, as in `--only accuracy term_ablation`; help lists all."""

    def parse_args(self, ctx, args):  # noqa: D102
        return super().parse_args(ctx, spread(args))

    def format_help(self, ctx, formatter):  # noqa: D102
        [only] = [option for option in self.params if option.name == "only"]
        only.help = f"Some of: {', '.join(analysis_names())}."  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def spread(args: list[str]) -> list[str]:
    """Repeat `--only` before each name that follows it.

    While the checkpoint has not been named, only analyses count as names, so that it may also
    come last.
    """
    known = analysis_names() if "--only" in args else {}
    spread_out, only, seen_checkpoint, value_next = [], False, False, False
    for arg in args:
        if arg.startswith("-"):
            only, value_next = arg == "--only", arg in VALUED
            spread_out += [] if only else [arg]
        elif only and (seen_checkpoint or arg in known):
            spread_out += ["--only", arg]
        else:
            seen_checkpoint = seen_checkpoint or not value_next
            only = value_next = False
            spread_out.append(arg)
    return spread_out


def analyze(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CKPT", help="Checkpoint folder, a CLIP's, or its hub name.")
    ],
    out: Annotated[Path, typer.Option(help="The report.")] = Path("report.html"),
    json: Annotated[
        Path | None, typer.Option(help="Write the results here as JSON, with samples beside it.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME ...", help="Of the analyses.")
    ] = None,
    suite: Suite = None,
    data: Data = None,
    pictures: Pictures = 64,
    tokenizer: Tokenizer = None,
    show: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
) -> None:
    """Analyse a checkpoint and write one HTML report that explains what it does."""
    check_analyses(only)
    from lrinterp.result import samples_path, write_results

    inputs = read_from(suite, data, tokenizer)
    outputs = {"--out": out, "--json": json}
    outputs |= {"the samples of --json": samples_path(json)} if json else {}
    check_outputs(Path(checkpoint), outputs, inputs)
    chosen = from_suite(suite, data, pictures)
    loaded = lr.load_checkpoint(checkpoint, tokenizer=tokenizer)
    settle(loaded.model)
    results = lr.analyze(lr.record(loaded.model, loaded.examples(chosen)), only)
    provenance = loaded.provenance(command_line())
    lr.write_report(results, provenance, out)
    if json:
        write_results(json, results, provenance)
    print_summary((name, result.metrics) for name, result in results.items())
    for name, result in results.items():
        if result.reason:
            typer.echo(f"{name} does not apply: {result.reason}")
    if "answer" in results:
        typer.echo(results["answer"].finding)
    typer.echo(f"Report: {out.resolve()}")
    if show:
        typer.launch(out.resolve().as_uri())
