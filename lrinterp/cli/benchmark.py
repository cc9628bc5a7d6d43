"""`lrinterp benchmark`: a checkpoint on a suite of relations in real pictures."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import lrinterp as lr
from lrinterp.cli.options import (
    Data,
    Tokenizer,
    check_outputs,
    command_line,
    pick_device,
    read_from,
    suite_folder,
)
from lrinterp.cli.process import settle
from lrinterp.cli.screen import print_frame, printable

if TYPE_CHECKING:
    from lrinterp.benchmark import Benchmark
    from lrinterp.result import Provenance

__all__ = ["benchmark"]


def benchmark(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CKPT", help="A CLIP folder or hub name: reads pictures.")
    ],
    suite: Annotated[str, typer.Option(help="aro, whatsup, vsr, nlvr, jsonl or csv.")],
    data: Data = None,
    json: Annotated[Path | None, typer.Option(help="Write the results here as JSON.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the report here, a page.")] = None,
    scores: Annotated[
        Path | None, typer.Option(help="Write the scores of every row here, as Parquet.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="The --scores of another checkpoint on these rows: paired differences."),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Count bad rows and go on; else the first one ends.")
    ] = False,
    fit: Annotated[
        Literal["crop", "pad"],
        typer.Option(help="Pictures that are not square: cropped, as in CLIP, or padded."),
    ] = "crop",
    tokenizer: Tokenizer = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Read only the first rows.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Score pictures with captions about where things are: by relation, left and right apart."""
    from lrinterp import benchmark as suites
    from lrinterp.report import write_report
    from lrinterp.scenes.natural import read_relations
    from lrinterp.store import write_json

    folder, bad = suite_folder(suite, data), [] if skip_bad else None
    rows = read_relations(suite, folder, bad)
    inputs = [*read_from(suite, data, tokenizer), *rows.files, *([against] if against else [])]
    outputs = {"--json": json, "--out": out, "--scores": scores}
    check_outputs(Path(checkpoint), outputs, inputs)
    other = (str(against), suites.read_scores(against)) if against else None
    loaded = lr.load_checkpoint(checkpoint, tokenizer=tokenizer)
    settle(loaded.model)
    model = loaded.model.to(pick_device(device))
    result = suites.benchmark(model, rows, bad=bad, fit=fit, limit=limit, against=other)
    if scores:
        suites.write_scores(scores, result.scores)
    compared = suites.against(result, other[1], name=other[0]) if other else None
    results = {one.name: one for one in (result, compared) if one}
    provenance = sourced(loaded.provenance(command_line()), result, folder)
    if out:
        write_report(results, provenance, out)
    if json:
        write_json(json, lr.document(results, provenance))
    print_overview(result)
    if compared:
        print_frame(compared.overview())
        typer.echo(printable(compared.finding))
    for path in filter(None, outputs.values()):
        typer.echo(f"Wrote {path}")


def sourced(provenance: "Provenance", result: "Benchmark", data: Path) -> "Provenance":
    """The checkpoint's provenance with the data beside it."""
    about = {"suite": result.suite, "data": str(data), "fit": result.fit, "limit": result.limit}
    return replace(
        provenance,
        kicker="Relations in real pictures",
        settings={"benchmark": about, **provenance.settings},
    )


def print_overview(result: "Benchmark") -> None:
    """Each number in a line with its interval and chance, the relations too; then the finding."""
    import pandas as pd

    from lrinterp.wording import counted

    print_frame(pd.concat([result.overview(), result.by_relation()]))
    typer.echo(printable(result.finding))
    if skipped := sum(row["n"] for row in result.rows("skipped")):
        typer.echo(f"Skipped {counted(skipped, 'bad row')}; --json and --out list them.")
