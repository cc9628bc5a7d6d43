"""`lrinterp evaluate`: the accuracies of a checkpoint."""

from pathlib import Path
from typing import Annotated

import typer

import lrinterp as lr
from lrinterp.cli.options import check_outputs, command_line
from lrinterp.cli.process import settle
from lrinterp.cli.screen import print_summary

__all__ = ["evaluate"]


def evaluate(
    checkpoint: Annotated[str, typer.Argument(metavar="CKPT", help="Checkpoint folder.")],
    json: Annotated[Path | None, typer.Option(help="Write the results here as JSON.")] = None,
) -> None:
    """Measure swap, retrieval and object-set accuracy on the four sets of pictures."""
    from lrinterp.store import write_json

    check_outputs(Path(checkpoint), {"--json": json})
    loaded = lr.load_checkpoint(checkpoint)
    settle(loaded.model)
    results = lr.analyze(lr.record(loaded.model, loaded.scenes().examples()), ["accuracy"])
    if json:
        write_json(json, lr.document(results, loaded.provenance(command_line())))
    print_summary((name, result.metrics) for name, result in results.items())
    typer.echo(results["accuracy"].finding)
    if json:
        typer.echo(f"Wrote {json}")
