"""Train the default model with seeds nobody chose, analyse each, and print one row a seed.

Usage: python analyses/ten_seeds/run.py [--out DIR]

Seeds and criteria stand in study.toml; the table is written to results/seeds.json.
Each model is trained by the command line; one that is already in DIR is not trained again. Without
--out what is in results/seeds.json is printed again.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

import lrinterp as lr
from lrinterp.checkpoint import versions
from lrinterp.grades import grade
from lrinterp.stats import LINEAR, SHARE, Scale, seed_interval
from lrinterp.store import read_toml, write_json

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "seeds.json"
NAMES = ["accuracy", "term_ablation", "positional_gradient"]
MEANS = ("order", "without", "label_set", "placebo", "only", "objects", "text", "span")
COLUMNS = {
    "unseen_pair_order": "order",
    "order_without_key_position": "without",
    "order_without_text_key_position": "text",
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
    parser.add_argument("--out", type=Path, help="folder for the models")
    out = parser.parse_args().out
    study = read_toml(HERE / "study.toml")
    if out is None:
        table = pd.DataFrame(json.loads(RESULTS.read_text(encoding="utf-8"))["rows"])
    else:
        out.mkdir(parents=True, exist_ok=True)
        seeds = range(study["first"], study["first"] + study["seeds"])
        table = pd.DataFrame([row_of(out / f"seed-{seed}", seed) for seed in seeds])
        rows = table.to_dict("records")
        write_json(RESULTS, {"versions": versions(), "rows": rows})
    say(table, judge(table, study["criteria"]), study["criteria"]["without_key_position"])


def say(table: pd.DataFrame, verdicts: dict[str, int], band: list[float]) -> None:
    """Every model, means over them, deviations that do not cancel, and the criteria."""
    print(table.to_string(index=False, float_format="{:.3f}".format))
    away = (table["without"] - 0.5).abs()
    numbers = {name: table[name] for name in MEANS} | {"|without - 0.5|": away}
    for name, values in numbers.items():
        scale: Scale = LINEAR if name == "span" else SHARE
        found = seed_interval(values.to_numpy(float), scale)
        ends = f"{values.min():.3f} to {values.max():.3f}"
        print(f"{name}: mean {found.value:.3f} [{found.low:.3f}, {found.high:.3f}], models {ends}")
    outside = ~table["without"].between(*band)
    print(f"without key-position outside {band}: {outside.sum()} of {len(table)} models")
    for column in ("order", "without"):
        said = table[f"{column}_says"].value_counts().to_dict()
        print(f"{column}, by each model's own interval: {said}")
    for criterion, held in verdicts.items():
        print(f"{criterion}: holds in {held} of {len(table)}")


def judge(table: pd.DataFrame, criteria: dict) -> dict[str, int]:
    """In how many models each criterion holds."""
    low, high = criteria["without_key_position"]
    span = table["span"]
    held = {
        "order": table["order"] >= criteria["order_at_least"],
        "without key-position at chance": table["without"].between(low, high),
        "object-set accuracy without key-position": table["label_set"]
        >= criteria["label_set_at_least"],
        "random control above removal": (table["gap"] >= criteria["placebo_gap_at_least"])
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
    found = {key: s.value for r in results.values() for key, s in r.metrics.items()}
    gap = results["term_ablation"].metrics["order_placebo_minus_without"]
    row = {name: found[key] for key, name in COLUMNS.items()}
    own = results["term_ablation"].metrics
    says = {
        "order_says": grade(own["order_intact"], 0.5),
        "without_says": grade(own["order_without_key_position"], 0.5),
    }
    ends = {"gap": gap.value, "gap_low": gap.low}
    return {"seed": seed, "seconds": seconds, **row, **ends, **says}


if __name__ == "__main__":
    main()
