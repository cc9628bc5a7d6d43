"""`lrinterp benchmark`: a checkpoint on a suite of relations in real pictures."""

from collections.abc import Iterable, Mapping
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
    print_frame,
    printable,
    read_from,
    suite_folder,
)
from lrinterp.cli.process import settle

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
    from lrinterp.benchmark import BadRows
    from lrinterp.benchmark import benchmark as run
    from lrinterp.report import write_report
    from lrinterp.scenes.natural import read_relations
    from lrinterp.store import write_json

    inputs = read_from(suite, data, tokenizer)
    check_outputs(Path(checkpoint), {"--json": json, "--out": out}, inputs)
    bad = BadRows() if skip_bad else None
    folder = suite_folder(suite, data)
    rows = read_relations(suite, folder, bad.add if bad else None)
    check_apart(rows.files, {"--json": json, "--out": out})
    loaded = lr.load_checkpoint(checkpoint, tokenizer=tokenizer)
    settle(loaded.model)
    model = loaded.model.to(pick_device(device))
    result = run(model, rows, bad=bad, fit=fit, limit=limit)
    results = {result.name: result}
    provenance = sourced(loaded.provenance(command_line()), result, folder)
    if out:
        write_report(results, provenance, out)
    if json:
        write_json(json, lr.document(results, provenance))
    print_overview(result)
    for path in filter(None, (json, out)):
        typer.echo(f"Wrote {path}")


def check_apart(files: Iterable[Path], outputs: Mapping[str, Path | None]) -> None:
    """Refuse to write over the rows themselves."""
    from lrinterp.store import InputError

    taken = {file.resolve() for file in files}
    for option, path in outputs.items():
        if path and path.resolve() in taken:
            raise InputError(f"{option} {path}: would overwrite the rows; choose another name")


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
