"""`lrinterp train`: train a model into a checkpoint folder."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import lrinterp as lr
from lrinterp.cli.options import pick_device
from lrinterp.cli.process import settle

__all__ = ["train"]


def train(
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint; must be new or empty.")],
    preset: Annotated[str | None, typer.Option(help="minimal or full; default: minimal.")] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML with sections world, split, encoder, fit; flags win over it."),
    ] = None,
    n_pair: Annotated[int | None, typer.Option(help="Labels that form pairs; default: 15.")] = None,
    n_val: Annotated[
        int | None, typer.Option(help="Labels held out of pairs; default: 10.")
    ] = None,
    layouts_per_pair: Annotated[
        int | None, typer.Option(help="Layouts seen of each ordered pair; default: 30.")
    ] = None,
    positions_per_label: Annotated[
        int | None, typer.Option(help="Positions seen of each single label; default: 8.")
    ] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="The paper's world: 20 labels, 5 of them held out.")
    ] = False,
    template: Annotated[
        str | None, typer.Option(help="left, right or both; default: left.")
    ] = None,
    image_layers: Annotated[int | None, typer.Option(help="Image tower depth; default: 1.")] = None,
    text_layers: Annotated[int | None, typer.Option(help="Text tower depth; default: 1.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps; default: 1500.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of split, weights, batches; default: 0.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    keep_every: Annotated[
        int | None, typer.Option(help="Also keep a snapshot every N steps; default: none.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Finish an interrupted run.")] = False,
) -> None:
    """Train a small dual encoder on the left-right world and write its checkpoint.

    A killed run loses at most the steps since its last evaluation: repeat the command with
    --resume.
    """
    flags: dict[str, dict[str, Any]] = {
        "world": {"template": template},
        "split": {
            "n_pair": n_pair,
            "n_val": n_val,
            "layouts_per_pair": layouts_per_pair,
            "positions_per_label": positions_per_label,
            "seed": seed,
        },
        "encoder": {"preset": preset, "image_layers": image_layers, "text_layers": text_layers},
        "fit": {"steps": steps, "seed": seed, "keep_every": keep_every},
    }
    plan = read_plan(config, flags, lr.PAPER if paper else {})
    settle(plan.build())
    try:
        trained = lr.train(plan, out, resume=resume, device=pick_device(device))
    except KeyboardInterrupt as stop:
        typer.echo(f"Stopped. Finish it with the same command and --resume; so far: {out}")
        raise typer.Exit(130) from stop
    if trained:
        typer.echo(f"Wrote {out}: {final_order(out)}. Next: lrinterp analyze {out}")
    else:
        typer.echo(f"{out} is finished already; left as it is.")


def read_plan(
    config: Path | None,
    flags: dict[str, dict[str, Any]],
    base: Mapping[str, Mapping[str, Any]],
) -> "lr.Plan":
    """The plan of a run: defaults, a base, then the TOML file, then the flags that were given."""
    from lrinterp.store import read_toml

    tree: dict[str, Any] = read_toml(config) if config else {}
    for section, fields in flags.items():
        given = {name: value for name, value in fields.items() if value is not None}
        own = tree.get(section, {})
        if isinstance(own, dict):  # what is none is refused with the plan
            tree[section] = {**base.get(section, {}), **own, **given}
    return lr.Plan.from_plain(tree, str(config) if config else "settings")


def final_order(out: Path) -> str:
    """Swap accuracy of a finished run on held-out pairs, with what its interval says."""
    from lrinterp.grades import phrase_of
    from lrinterp.result import Metric

    checkpoint = lr.load_checkpoint(out)
    rows = {(row["set"], row["metric"]): row for row in checkpoint.metadata.scores}
    order = Metric.of(rows["unseen_pair", "order"])
    if order.value is None:
        return "no held-out pairs"
    chance = 1 / math.factorial(checkpoint.scenes().world.n_objects)
    return f"swap accuracy on held-out pairs {order.phrase}, {phrase_of(order, chance)}"
