"""`lrinterp evaluate`: the accuracies of a checkpoint."""

from pathlib import Path
from typing import Annotated

import typer

import lrinterp as lr
from lrinterp.cli.options import command_line, print_summary, writable

__all__ = ["evaluate"]


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(metavar="CKPT", help="Checkpoint folder.")],
    json: Annotated[Path | None, typer.Option(help="Write the results here as JSON.")] = None,
) -> None:
    """Measure order, retrieval and label-set accuracy on the four sets of pictures."""
    from lrinterp.store import write_json

    if json:
        writable(json)
    loaded = lr.load_checkpoint(checkpoint)
    data = loaded.metadata
    examples = lr.Scenes.from_plain(data.world, data.split, str(checkpoint)).examples()
    results = lr.analyze(lr.record(loaded.model, examples), ["accuracy"])
    if json:
        write_json(json, lr.document(results, loaded.provenance(command_line())))
    print_summary((name, result.summary) for name, result in results.items())
    if json:
        typer.echo(f"Wrote {json}")
