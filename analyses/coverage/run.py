"""How often each kind of interval holds the truth, and how often p falls under .05 and .01.

`python analyses/coverage/run.py` prints a table; `--real` those of real models.
"""

import argparse
import json
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from real import real_rows
from simulate import Cell, cells
from tqdm import tqdm

from lrinterp.stats import Difference

NOT_PLACE = ("kind", "given", "coverage", "width", "p < .05", "p < .01")


def measured(task: tuple[int, int, bool]) -> dict[str, Any]:
    """One cell: coverage among the intervals that have ends, misses on either side, p values."""
    number, repetitions, wider = task
    cell: Cell = cells(wider)[number]
    rng = np.random.default_rng([2026, number])
    low, high, p = [], [], []
    for _ in range(repetitions):
        found = cell.draw(rng)
        if isinstance(found, Difference):
            p.append(np.nan if found.p is None else found.p)
            found = found.interval
        low.append(np.nan if found.low is None else found.low)
        high.append(np.nan if found.high is None else found.high)
    ends, ps = np.array([low, high]), np.array(p)
    given = np.isfinite(ends[0])
    inside = (ends[0] <= cell.truth + 1e-12) & (cell.truth - 1e-12 <= ends[1])
    return {
        "kind": cell.kind,
        **cell.place,
        "given": float(given.mean()),
        "coverage": float(inside[given].mean()),
        "width": float(np.median((ends[1] - ends[0])[given])),
        "p < .05": float((ps < 0.05).mean()) if p else None,
        "p < .01": float((ps < 0.01).mean()) if p else None,
    }


def simulated(
    repetitions: int, kinds: Iterable[str], *, wider: bool = False
) -> list[dict[str, Any]]:
    """Every cell, on all cores."""
    every = enumerate(cells(wider))
    wanted = [i for i, c in every if not kinds or any(k in c.kind for k in kinds)]
    tasks = [(i, repetitions, wider) for i in wanted]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return list(tqdm(pool.map(measured, tasks), total=len(tasks), unit="cell"))


def summary(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """By kind: cells, lowest and mean coverage, the most that p falls under its level."""
    table = pd.DataFrame(rows).groupby("kind", sort=False)
    return pd.DataFrame(
        {
            "cells": table.size(),
            "lowest coverage": table["coverage"].min(),
            "mean coverage": table["coverage"].mean(),
            "most p < .05": table["p < .05"].max(),
            "most p < .01": table["p < .01"].max(),
        }
    ).reset_index()


def markdown(table: pd.DataFrame) -> str:
    """A table for a README."""
    lines = [table.columns.tolist(), ["---"] * table.shape[1]]
    for row in table.to_dict("records"):
        shown = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()]
        lines.append(["" if one == "nan" else one for one in shown])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Simulate, print, keep."""
    parser = argparse.ArgumentParser(description="Coverage of the intervals that a page prints.")
    parser.add_argument("--repetitions", type=int, default=4000, help="of each cell")
    parser.add_argument("--kind", nargs="*", default=[], help="only kinds that hold these words")
    parser.add_argument(
        "--real", action="store_true", help="subsets of labels of ten real models instead"
    )
    parser.add_argument("--beyond", action="store_true", help="worlds that nothing is promised for")
    parser.add_argument("--out", type=Path, help="keep all cells as JSON")
    options = parser.parse_args()
    if options.real:
        print(markdown(pd.DataFrame(list(real_rows()))))
        return
    rows = simulated(options.repetitions, options.kind, wider=options.beyond)
    print(markdown(summary(rows)))
    print("\nLowest coverage:\n")
    for row in sorted(rows, key=lambda row: row["coverage"])[:12]:
        place = {k: v for k, v in row.items() if v is not None and k not in NOT_PLACE}
        where = ", ".join(f"{k} {v}" for k, v in place.items())
        numbers = f"{row['coverage']:.3f}, median width {row['width']:.3f}"
        print(f"- {numbers}: {row['kind']}: {where}")
    worst = max(row["p < .05"] or 0 for row in rows), max(row["p < .01"] or 0 for row in rows)
    lowest = min(row["coverage"] for row in rows)
    print(f"\n{len(rows)} cells of {options.repetitions}: coverage at least {lowest:.4f}, "
          f"p < .05 in at most {worst[0]:.4f}, p < .01 in at most {worst[1]:.4f}")  # fmt: skip
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
