"""The kept run with today's intervals: every seed's number of results/claims.json, judged again.

Usage: python analyses/reproduction/again.py [--scales DIR]

Claims of diversity come from the table in analyses/label_vs_layout/results, those of initial scales
(o1) from results/scales. With --scales that grid of 200 models is trained in DIR first, with fresh
seeds, and kept; nothing else is trained.
"""

import argparse
import json
import shutil
from functools import partial
from pathlib import Path

import pandas as pd

from lrinterp.experiment import SweepPlan, load_sweep, sweep
from lrinterp.experiment.tasks import cores, local_processes
from lrinterp.reproduction.claim_statistics import Found, by_seed
from lrinterp.reproduction.claims import hold_against
from lrinterp.reproduction.design import Design
from lrinterp.reproduction.grids import of_diversity, of_scales
from lrinterp.result import Metric, records
from lrinterp.stats import COSINE, GAP, LINEAR, SHARE, Scale

HERE = Path(__file__).parent
KEPT = HERE / "results" / "scales"
SCALES: dict[tuple[str, ...], Scale] = {
    ("lost_", "order_gained"): GAP,
    ("order", "without_", "label_set", "first_consistency"): SHARE,
    ("spearman", "rotation_", "first_difference", "margin_gain"): COSINE,
}
"""Where the numbers of a statistic lie, by how its name begins; the first that fits."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--scales", type=Path, help="train the grid of initial scales in this folder"
    )
    out = parser.parse_args().scales
    if out is not None:
        plan = SweepPlan.of(Design().studies["scales"], device="cpu", checkpoints=False)
        sweep(plan, out, partial(local_processes, cores()), resume=True)
        KEPT.mkdir(parents=True, exist_ok=True)
        for name in ("plan.json", "models.parquet", "results.parquet"):
            shutil.copyfile(out / name, KEPT / name)
    claims = json.loads((HERE / "results" / "claims.json").read_text(encoding="utf-8"))["claims"]
    parts = {part["statistic"]: part for claim in claims for part in claim["parts"]}
    found = {name: again(name, part) for name, part in parts.items() if part["seeds"]}
    found |= of_diversity(load_sweep(HERE.parent / "label_vs_layout" / "results"))
    found |= of_scales(load_sweep(KEPT)) if KEPT.is_dir() else {}
    held = hold_against(found)
    for row in records(held.table):
        number = Metric(value=row["value"], low=row["low"], high=row["high"]).phrase
        print(f"{row['id']:22} {row['verdict']:14} {row['statistic']:24} {number:28} "
              f"{row['criterion']:18} {row['part_verdict']}")  # fmt: skip
    print(held.table.drop_duplicates("id")["verdict"].value_counts().to_dict())


def again(name: str, part: dict) -> Found:
    """A statistic from the number of each seed."""
    scale = next((s for begins, s in SCALES.items() if name.startswith(begins)), LINEAR)
    seeds = pd.Series({int(seed): value for seed, value in part["seeds"].items()})
    return by_seed(seeds, part["n_examples"], scale=scale)


if __name__ == "__main__":
    main()
