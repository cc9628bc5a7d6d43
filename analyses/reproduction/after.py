"""Asked after the run: the explanations of claims that did not hold, each put to a test.

Usage: python analyses/reproduction/after.py DIR

DIR is the folder of `lrinterp reproduce`. The models of the first question are trained into
DIR/after, a minute or two on two cores, and ten models are measured again. Nothing here decides a
claim.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from lrinterp.analysis import numbers
from lrinterp.analysis.positional_gradient_rows import slopes
from lrinterp.checkpoint import load_checkpoint
from lrinterp.experiment import LoadedSweep, Study, SweepPlan, dynamics_of, load_sweep, sweep
from lrinterp.experiment.numbers import ORDER
from lrinterp.experiment.tasks import Task, cores, done, local_processes, run_tasks
from lrinterp.reproduction import load_reproduction
from lrinterp.reproduction.claim_statistics import PARTS, by_seed, found_of
from lrinterp.reproduction.design import FIRST_SEED
from lrinterp.reproduction.measured_models import Measures, gather, measure_model
from lrinterp.reproduction.running import asked_numbers
from lrinterp.run import record

HEAD = "positional_gradient.headline_head"
FURTHER = (
    "order_bias.bias_head_difference",
    "similarity_attribution.spearman_both_orders",
    "similarity_attribution.spearman_flattened",
)
LARGE = {"encoder": {"std_W_E": 0.3}}
SPLIT = ("spearman_EP", "spearman_PP", "spearman_bP", "without_EP", "lost_PP", "lost_bP")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--study", type=Path, help="as in lrinterp reproduce")
    options = parser.parse_args()
    study = None if options.study is None else load_sweep(options.study)
    made = load_reproduction(options.folder, study)
    n = made.plan.seeds
    print(f"{n} seeds from {FIRST_SEED}; means with 95 % t intervals over seeds")
    print("\nc5, c6, c15: the split of key-position, by the scale of the first token embeddings")
    large = large_embeddings(options.folder / "after", n)
    for name in (*SPLIT, "without_EP_VP", "order"):
        print(f"  {name}: default {said(made.measures, name)}, std_W_E 0.3 {said(large, name)}")
    for words, measures in (("default", made.measures), ("std_W_E 0.3", large)):
        parts = ", ".join(f"{t} {phrase(slope_share(measures, t))}" for t in ("EP", "PP", "bP"))
        print(f"  part of the headline slope, {words}: {parts}")
    print("\nc8b: gradient and order, model by model")
    few = made.measures.number("few", "accuracy.unseen_pair_order")
    spans = widest(made.measures, "few")
    print(f"  few: span {spans.min():.2f} to {spans.max():.2f} logits, order {few.min():.3f} to "
          f"{few.max():.3f}, Spearman {spearmanr(spans, few).statistic:.2f}")  # fmt: skip
    shuffled = made.measures.number("shuffled", "accuracy.unseen_pair_order")
    print(f"  captions shuffled: order {phrase(shuffled)}, span in logits "
          f"{phrase(widest(made.measures, 'shuffled'))}")  # fmt: skip
    print("\nc9: which mention the strongest text head prefers")
    further = measured_now(options.folder / "models")
    strongest = further["order_bias.bias_head_difference"]
    first = made.measures.number("standard", "order_bias.first_head_difference")
    print(f"  the strongest head prefers the first in {int((strongest > 0).sum())} of "
          f"{len(strongest)}; |difference| {phrase(strongest.abs())}")  # fmt: skip
    print(f"  the head that prefers the first most: {listed(first)}")
    both = made.measures.number("both_2", "order_bias.first_head_difference")
    print(f"  both templates, two text layers, the same: {listed(both)}")
    print("\no2: when the gradient comes")
    emergence(made.emergence)
    print("\no3: key-position alone, and with the places of objects")
    for words, key in (("alone", "only"), ("and where objects are", "and_objects")):
        order = made.measures.number("standard", f"term_ablation.order_key_position_{key}")
        print(f"  order with key-position {words}: {phrase(order)}")
    print("\no4: margin and attention gained, by arm")
    for arm in ("standard", "both_2", "few", "both_1", "untrained"):
        keys = ("margin_gain", "within_pairs")
        found = {k: made.measures.number(arm, f"similarity_attribution.spearman_{k}") for k in keys}
        print(f"  {arm}: " + ", ".join(f"{k} {phrase(v)}" for k, v in found.items()))
    for key in FURTHER[1:]:
        print(f"  standard: {key.partition('.')[2]} {phrase(further[key])}")
    diversity(made.diversity)


def measured_now(folder: Path) -> pd.DataFrame:
    """Numbers of the standard models that no claim asks for: FURTHER, a row a seed."""
    rows = load_sweep(folder).table
    rows = rows[rows["arm"] == "standard"]
    found = {}
    for model, seed in zip(rows["model"], rows["seed"], strict=True):
        checkpoint = load_checkpoint(folder / "models" / f"{model:05d}")
        examples = checkpoint.scenes().examples(["unseen_pair"])
        run = record(checkpoint.model, examples, progress=False)
        found[seed] = {name: metric.value for name, metric in numbers(run, FURTHER).items()}
    return pd.DataFrame.from_dict(found, orient="index")


def large_embeddings(out: Path, seeds: int) -> Measures:
    """Standard models whose token embeddings start at 0.3, with the same seeds."""
    study = Study.from_plain(
        {
            "title": "Large token embeddings",
            "seeds": seeds,
            "first_seed": FIRST_SEED,
            "stack": 5,
            "base": LARGE,
            "grid": {"world": {"n_objects": [2]}},
        },
        "after",
    )
    executors = partial(local_processes, cores())
    plan = SweepPlan.of(study, device="cpu", checkpoints=True)
    sweep(plan, out / "models", executors, resume=True)
    rows = load_sweep(out / "models").table
    tasks = [
        Task(
            name=f"{seed}",
            payload={
                "checkpoint": str((out / "models" / "models" / f"{model:05d}").resolve()),
                "plan": None,
                "numbers": asked_numbers(),
                "threads": 1,
            },
        )
        for model, seed in zip(rows["model"], rows["seed"], strict=True)
    ]
    if failed := run_tasks(measure_model, tasks, out / "measures", executors):
        raise SystemExit(f"not measured: {failed}")
    return gather(
        ("standard", int(task.name), found) for task, found in done(out / "measures", tasks)
    )


def slope_share(measures: Measures, term: str) -> pd.Series:
    """Slope of a raw term over the slope of all three, in each model's headline head."""
    rows = measures.tables["positional_gradient"]
    heads = measures.rows("standard", HEAD)["text"]
    own = rows[(rows["arm"] == "standard") & (rows["gauge"] == "raw")]
    own = own[own["head"] == own["seed"].map(heads)]
    fits = own.groupby(["term", "seed"])["value"].agg(lambda row: slopes(row.to_numpy()))
    return fits[term] / (fits["EP"] + fits["PP"] + fits["bP"])


def widest(measures: Measures, arm: str) -> pd.Series:
    return measures.number(arm, "positional_gradient.widest_span")


def emergence(rows: list[dict]) -> None:
    """Steps from the first gradient to order, and from order to half the final slope."""
    events = dynamics_of(rows).events.set_index("seed")
    print(f"  order passes 0.75 at step {phrase(events['order_step'])}")
    before = events["order_step"] - events["gradient_step"]
    print(f"  the row spans 0.1 logits at step {phrase(events['gradient_step'])}, "
          f"{phrase(before)} steps before order")  # fmt: skip
    print(f"  half the final slope at step {phrase(events['slope_step'])}")
    table = pd.DataFrame(rows)
    at_breaking = [
        np.interp(events.loc[seed, "order_step"], own["step"], own["span"].abs())
        for seed, own in table.groupby("seed")
    ]
    print(f"  span when order passes 0.75: {phrase(pd.Series(at_breaking))} logits")


def diversity(loaded: LoadedSweep | None) -> None:
    """What labels gain with few layouts and with many: the two stand in for each other."""
    if loaded is None:
        return
    arm = loaded.study.arm_names[0]
    rows = loaded.table[loaded.table["arm"] == arm]
    labels, layouts = "split.n_pair", "split.layouts_per_pair"
    print("\nc2, c3: labels gain order where layouts are few, and layouts where labels are few")
    for factor, other in ((labels, layouts), (layouts, labels)):
        for level in (rows[other].min(), rows[other].max()):
            part = rows[rows[other] == level]
            order = part.pivot_table(index="seed", columns=factor, values=ORDER)
            gain = order[order.columns.max()] - order[order.columns.min()]
            print(f"  {factor}, most minus fewest, at {other} = {level}: {phrase(gain)}")


def said(measures: Measures, name: str) -> str:
    return phrase(pd.Series(found_of(PARTS[name], measures).seeds))


def phrase(values: pd.Series) -> str:
    found = by_seed(values.astype(float)).interval
    if found.low is None:
        return "–" if found.value is None else f"{found.value:.3f}"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def listed(values: pd.Series) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


if __name__ == "__main__":
    main()
