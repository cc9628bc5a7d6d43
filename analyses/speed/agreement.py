"""Do models trained in a stack come out as those trained one by one?

Usage: python analyses/speed/agreement.py

Trains the ten models of analyses/ten_seeds again, in one stack, in single precision, and sets their
swap accuracy on held-out pairs beside that of `lrinterp train`, which analyses/ten_seeds/results
holds. Rounding may grow over 1,500 steps, so that single models differ; their mean should not.
"""

from pathlib import Path

import numpy as np
import torch

from lrinterp.encoders import preset
from lrinterp.scenes import Scenes, Split
from lrinterp.store import read_json
from lrinterp.training import FitConfig, Plan, fit_many

RESULTS = Path(__file__).parents[1] / "ten_seeds" / "results" / "seeds.json"


def main() -> None:
    torch.set_num_threads(2)
    rows = read_json(RESULTS)["rows"]
    fitted = fit_many([plan(row["seed"]) for row in rows])
    alone = np.array([row["order"] for row in rows])
    stacked = np.array([one.history[-1]["unseen_pair_order"] for one in fitted])
    for row, one, other in zip(rows, alone, stacked, strict=True):
        print(f"seed {row['seed']}: alone {one:.3f}, in a stack {other:.3f}")
    for count in (8, len(rows)):
        gap = stacked[:count].mean() - alone[:count].mean()
        means = f"{alone[:count].mean():.3f} alone, {stacked[:count].mean():.3f} in a stack"
        print(f"mean of the first {count}: {means}, difference {gap:+.3f}")


def plan(seed: int) -> Plan:
    split, fit = Split(seed=seed), FitConfig(seed=seed, evaluate_every=1500)
    return Plan(scenes=Scenes(split=split), encoder=preset("minimal"), fit=fit)


if __name__ == "__main__":
    main()
