"""The command line, one file a command: parse, call, write.

`lrinterp train`, `evaluate`, `benchmark`, `analyze`, `compare`, `dynamics`, `sweep`, `report`,
`reproduce`.
Heavy packages load when a command runs, so `--help` is quick. Bad input is one line on standard
error and exit code 2.
"""

import sys
from typing import Annotated

import typer

import lrinterp as lr
from lrinterp.cli.analyze import AnalyzeCommand, analyze
from lrinterp.cli.benchmark import benchmark
from lrinterp.cli.compare import compare
from lrinterp.cli.dynamics import DynamicsCommand, dynamics
from lrinterp.cli.evaluate import evaluate
from lrinterp.cli.process import begin
from lrinterp.cli.report import report
from lrinterp.cli.reproduce import reproduce
from lrinterp.cli.sweep import sweep
from lrinterp.cli.train import train
from lrinterp.store import InputError

__all__ = ["app", "main"]

app = typer.Typer(
    name="lrinterp",
    pretty_exceptions_enable=False,
    add_completion=False,
)


def print_version(asked: bool) -> bool:
    """Print the version and leave, where it was asked for."""
    if asked:
        typer.echo(f"lrinterp {lr.__version__}")
        raise typer.Exit
    return asked


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Do CLIP-style models know left from right, and by which mechanism?"""


COMMANDS = {
    train: None,
    evaluate: None,
    benchmark: None,
    analyze: AnalyzeCommand,
    compare: AnalyzeCommand,
    dynamics: DynamicsCommand,
    sweep: None,
    report: None,
    reproduce: None,
}
for command, kind in COMMANDS.items():
    app.command(cls=kind)(command)

BAD_INPUT, INTERRUPTED = 2, 130


def main() -> None:
    """Run the command line; bad input ends in one line and exit code 2."""
    begin()
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        complain("interrupted")
        code = INTERRUPTED
    except typer.Exit as stop:
        code = stop.exit_code
    except OSError as error:
        code = complain(f"{error.filename or 'file'}: {error.strerror or error}")
    except Exception as error:
        code = complain_of(error)
    sys.exit(code or 0)


def complain(message: str) -> int:
    """One line on standard error; returns the exit code of bad input."""
    line = " ".join(message.split())
    typer.echo(f"lrinterp: error: {line}", err=True)
    return BAD_INPUT


def complain_of(error: Exception) -> int:
    """Complain of bad options or input; anything else is a fault of ours, with its traceback.

    Errors of options are known by their `format_message`: their class comes from click, or from
    the copy of it inside newer versions of typer.
    """
    message = getattr(error, "format_message", None)
    if not (message or isinstance(error, InputError)):
        raise error
    return complain(message() if message else str(error))
