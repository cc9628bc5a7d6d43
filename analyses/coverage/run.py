"""How often each kind of interval holds the truth, and how often p falls under .05 and .01.

`python analyses/coverage/run.py` prints a table; `--real` adds subsets of labels of real models.
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
from simulate import Cell, cells
from tqdm import tqdm

from lrinterp.stats import Difference

HERE = Path(__file__).parent


def measured(task: tuple[int, int]) -> dict[str, Any]:
    """One cell: coverage among the intervals that have ends, misses on either side, p values."""
    number, repetitions = task
    cell: Cell = cells()[number]
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
        "coverage": float(inside[given].mean()) if given.any() else None,
        "width": float(np.median((ends[1] - ends[0])[given])) if given.any() else None,
        "p < .05": float((ps < 0.05).mean()) if p else None,
        "p < .01": float((ps < 0.01).mean()) if p else None,
    }


def simulated(repetitions: int, kinds: Iterable[str]) -> list[dict[str, Any]]:
    """Every cell, on all cores."""
    wanted = [i for i, c in enumerate(cells()) if not kinds or any(k in c.kind for k in kinds)]
    tasks = [(i, repetitions) for i in wanted]
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
    parser.add_argument("--real", action="store_true", help="ten real models as well (4 minutes)")
    parser.add_argument("--out", type=Path, help="keep all cells as JSON")
    options = parser.parse_args()
    rows = simulated(options.repetitions, options.kind)
    print(markdown(summary(rows)))
    worst = sorted(rows, key=lambda row: row["coverage"] if row["coverage"] is not None else 1)[:12]
    for row in worst:
        print({k: v for k, v in row.items() if v is not None and v == v})
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
