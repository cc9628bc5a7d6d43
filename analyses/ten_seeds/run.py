"""Train the default model with seeds nobody chose, analyse each, and print one row a seed.

Usage: python analyses/ten_seeds/run.py --out DIR

Seeds and criteria stand in study.toml; the table is written to results/seeds.json.
Each model is trained by the command line; one that is already in DIR is not trained again.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t

import lrinterp as lr
from lrinterp.checkpoint import versions
from lrinterp.store import read_toml, write_json

HERE = Path(__file__).parent
NAMES = ["accuracy", "term_ablation", "positional_gradient"]
MEANS = ("order", "without", "placebo", "only", "objects")
COLUMNS = {
    "unseen_pair_order": "order",
    "order_without_key_position": "without",
    "label_set_closed_without_key_position": "label_set",
    "order_placebo": "placebo",
    "order_key_position_only": "only",
    "order_key_position_and_objects": "objects",
    "headline_head": "head",
    "headline_spearman": "spearman",
    "headline_span": "span",
    "null_span": "null_span",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the models")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    study = read_toml(HERE / "study.toml")
    seeds = range(study["first"], study["first"] + study["seeds"])
    table = pd.DataFrame([row_of(out / f"seed-{seed}", seed) for seed in seeds])
    print(table.to_string(index=False, float_format="{:.3f}".format))
    means = {name: interval(table[name]) for name in MEANS}
    for name, (mean, low, high) in means.items():
        print(
            f"{name}: mean {mean:.3f} [{low:.3f}, {high:.3f}] over {len(table)} seeds, t interval"
        )
    verdicts = judge(table, study["criteria"])
    for criterion, held in verdicts.items():
        print(f"{criterion}: holds in {held} of {len(table)}")
    (HERE / "results").mkdir(exist_ok=True)
    rows = table.to_dict("records")
    data = {"versions": versions(), "means": means, "verdicts": verdicts, "rows": rows}
    write_json(HERE / "results" / "seeds.json", data)


def judge(table: pd.DataFrame, criteria: dict) -> dict[str, int]:
    """In how many models each criterion holds."""
    low, high = criteria["without_key_position"]
    span = table["span"]
    held = {
        "order": table["order"] >= criteria["order_at_least"],
        "without key-position at chance": table["without"].between(low, high),
        "label set without key-position": table["label_set"] >= criteria["label_set_at_least"],
        "placebo above removal": (table["gap"] >= criteria["placebo_gap_at_least"])
        & (table["gap_low"] > 0),
        "key-position alone": table["order"] - table["only"] <= criteria["keeps_within"],
        "monotone gradient": table["spearman"].abs() >= criteria["spearman_at_least"],
        "span": (span >= criteria["span_at_least"])
        & (span >= criteria["span_over_null_at_least"] * table["null_span"]),
    }
    return {name: int(column.sum()) for name, column in held.items()}


def seconds_to_train(folder: Path, seed: int) -> float:
    """Wall-clock seconds of the training command, imports included; kept beside the model."""
    kept = folder.with_suffix(".seconds.json")
    if not kept.exists():
        command = [sys.executable, "-m", "lrinterp", "train", "--out", str(folder)]
        start = time.perf_counter()
        subprocess.run([*command, "--seed", str(seed), "--resume"], check=True)
        write_json(kept, round(time.perf_counter() - start, 1))
    return json.loads(kept.read_text())


def row_of(folder: Path, seed: int) -> dict[str, object]:
    seconds = seconds_to_train(folder, seed)
    checkpoint = lr.load_checkpoint(folder)
    recording = lr.record(checkpoint.model, checkpoint.scenes().examples())
    results = lr.analyze(recording, NAMES)
    found = {key: s.value for r in results.values() for key, s in r.summary.items()}
    gap = results["term_ablation"].summary["order_placebo_minus_without"]
    row = {name: found[key] for key, name in COLUMNS.items()}
    return {"seed": seed, "seconds": seconds, **row, "gap": gap.value, "gap_low": gap.low}


def interval(values: pd.Series) -> tuple[float, float, float]:
    mean = float(values.mean())
    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


if __name__ == "__main__":
    main()
