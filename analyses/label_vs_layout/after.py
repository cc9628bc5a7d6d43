"""What was asked after the run: where in the grid a factor matters, and how shares depend on it.

Usage: python analyses/label_vs_layout/after.py

Reads results/. None of this decides a verdict. Intervals are 95 % over seeds, within -1 and 1.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from lrinterp.experiment import LoadedSweep, load_sweep
from lrinterp.experiment.contrasts import contrast, laid_out, share_interval
from lrinterp.experiment.numbers import ORDER, accuracy_of
from lrinterp.experiment.numbers import without as without_terms
from lrinterp.reproduction.grids import CHANCE, KNOWS
from lrinterp.stats import SHARE, Interval, seed_interval

HERE = Path(__file__).parent
METRICS = ("order", "retrieval_closed", "retrieval_open")
SPAN = "positional_gradient.headline_span"
LABELS, LAYOUTS = 1, 2
"""Axes of [seed, labels, layouts]."""


def main() -> None:
    loaded = load_sweep(HERE / "results")
    labels, layouts = loaded.study.factors.values()
    for arm in loaded.study.arm_names:
        print(f"\n== arm {arm}: {cost(loaded, arm)}")
        for metric in METRICS:
            column = accuracy_of("unseen_pair", metric)
            values = laid_out(loaded.study, loaded.table, arm, column)
            print(f"\n{column}")
            for k, n_pair in enumerate(labels):
                gain = ends(values[:, k : k + 1], LAYOUTS)
                print(f"  30 minus 1 layouts, {n_pair:2} labels: {gain}")
            print(f"  30 minus 5 layouts, all labels: {ends(values[:, :, 2:], LAYOUTS)}")
            for k, n_2 in enumerate(layouts):
                print(
                    f"  15 minus 3 labels, {n_2:2} layouts: {ends(values[:, :, k : k + 1], LABELS)}"
                )
            print(f"  share of labels minus layouts, 8 labels and more: {shares(values[:, 2:])}")
            print(
                f"  share of labels minus layouts, 5 layouts and more: {shares(values[:, :, 2:])}"
            )
        mechanism(loaded, arm)
    print("\npair captions among the 26 of a control step, on average:")
    for n_pair in labels:
        n_pairs = n_pair * (n_pair - 1)
        print(f"  {n_pair:2} labels: {26 * n_pairs / (n_pairs + 20):.1f}")


def cost(loaded: LoadedSweep, arm: str) -> str:
    rows = loaded.table[loaded.table["arm"] == arm]
    begun, ended = pd.Timestamp(rows["started"].min()), pd.Timestamp(rows["finished"].max())
    minutes = (ended - begun).total_seconds() / 60
    return f"{len(rows)} models in {minutes:.1f} min, {rows['seconds'].mean():.1f} s each"


def deviations(words: str, rows: pd.DataFrame) -> None:
    """How far single models lie from chance without key-position; a mean lets them cancel."""
    away = (rows[without_terms("key_position")] - 0.5).abs()
    outside = ~rows[without_terms("key_position")].between(*CHANCE)
    by_seed = away.groupby(rows["seed"]).mean(), outside.groupby(rows["seed"]).mean()
    mean, share = (seed_interval(one.to_numpy(float), SHARE) for one in by_seed)
    print(f"  {words} ({len(rows)}): mean |deviation from 0.5| {said(mean)}, outside "
          f"{CHANCE[0]} to {CHANCE[1]}: {outside.sum()} models, share {said(share)}")  # fmt: skip


def ends(values: np.ndarray, axis: int) -> str:
    """The contrast of the last level of an axis with its first."""
    return said(contrast(np.take(values, [0, -1], axis=axis), axis, SHARE))


def shares(values: np.ndarray) -> str:
    return said(share_interval(values, np.array([1.0, -1.0, 0.0, 0.0])))


def said(found: Interval) -> str:
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def mechanism(loaded: LoadedSweep, arm: str) -> None:
    rows = loaded.table[loaded.table["arm"] == arm]
    without, span = rows[without_terms("key_position")], rows[SPAN]
    most = rows[rows["split.n_pair"].eq(15) & rows["split.layouts_per_pair"].eq(30)]
    order, without_EP = rows[ORDER], rows[without_terms("EP")]
    print(f"\norder: mean {order.mean():.3f}, without EP {without_EP.mean():.3f}")
    ends = f"{without.min():.3f} to {without.max():.3f}"
    print(f"order without key-position: mean {without.mean():.3f}, {ends}")
    for words, part in (("all models", rows), ("models that know order", rows[order >= KNOWS])):
        deviations(words, part)
    print(f"span of the headline gradient: {span.min():.2f} to {span.max():.2f} logits")
    rho = order.corr(span, method="spearman")
    print(f"order and span over models: Spearman {rho:.2f}")
    trained = most[accuracy_of("seen_pair", "order")].mean()
    print(f"order on trained pairs, 15 labels, 30 layouts: {trained:.3f}")


if __name__ == "__main__":
    main()
