"""A study small enough to be swept in a second, and tables of models that nobody trained."""

import itertools
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp.experiment.model_table import from_before, side_by_side
from lrinterp.experiment.study import Study

LABELS, LAYOUTS = "split.n_pair", "split.layouts_per_pair"
SETS = ("single", "seen_pair", "unseen_pair", "mixed_pair")
ACCURACIES = (
    "order", "retrieval_closed", "retrieval_open", "label_set_closed", "label_set_open",
)  # fmt: skip
TERMS = ("EP", "PP", "bP", "key_position")
VERDICTS = (
    {"id": "labels", "claim": "Labels help.", "column": "unseen_pair_order",
     "statistic": "contrast", "of": LABELS, "between": [3, 12], "at_least": 0.05},
    {"id": "layouts", "claim": "Layouts do not.", "column": "unseen_pair_order",
     "statistic": "contrast", "of": LAYOUTS, "between": [2, 30], "at_most": 0.05},
    {"id": "share", "claim": "Labels explain most.", "column": "unseen_pair_order",
     "statistic": "share_difference", "of": LABELS, "minus": LAYOUTS, "at_least": 0.2},
)  # fmt: skip


@pytest.fixture(scope="session")
def models() -> Any:
    """What this file defines, for the tests of this folder."""
    return sys.modules[__name__]


@pytest.fixture
def tiny() -> dict[str, Any]:
    """A study as plain data."""
    return tiny_study()


def tiny_study() -> dict[str, Any]:
    """Two arms, two factors, two seeds, 16 models in eight stacks."""
    return {
        "title": "A tiny study",
        "seeds": 2,
        "stack": 3,
        "base": {
            "world": {"n_pixels": 4, "n_labels": 6},
            "split": {"n_pair": 3, "n_val": 2, "positions_per_label": 3, "layouts_per_pair": 4},
            "encoder": {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 8},
            "fit": {"steps": 20},
        },
        "grid": {"split": {"n_pair": [2, 3], "layouts_per_pair": [1, 4]}},
        "arms": {"plain": {}, "drawn": {"about": "Batches of four.", "fit": {"batch_size": 4}}},
        "verdicts": [
            {
                "id": "labels",
                "claim": "Label diversity helps order.",
                "column": "unseen_pair_order",
                "statistic": "contrast",
                "of": "split.n_pair",
                "between": [2, 3],
                "at_least": 0.05,
            }
        ],
    }


def study(
    grid: Mapping[str, list[Any]] | None = None,
    *,
    seeds: int = 4,
    arms: tuple[str, ...] = ("full", "fixed"),
    verdicts: tuple[dict[str, Any], ...] = (),
) -> Study:
    """A design of two factors, or of the grid given by dotted names."""
    tree: dict[str, dict[str, Any]] = {}
    for name, values in (grid or {LABELS: [3, 6, 12], LAYOUTS: [2, 30]}).items():
        section, field = name.split(".")
        tree.setdefault(section, {})[field] = values
    return Study(
        title="Labels against layouts",
        about="Does order generalise by many labels or by many layouts?", seeds=seeds,
        first_seed=10, base={"fit": {"steps": 5}}, grid=tree,
        arms={arm: {"about": f"why {arm}"} for arm in arms}, verdicts=list(verdicts),
    )  # fmt: skip


def before(
    design: Study, *, effect: float = 0.1, noise: float = 0.02, seed: int = 0
) -> pd.DataFrame:
    """Every model of a study, its numbers under the names that tables had before; the first factor
    alone raises them, linearly.
    """
    rng = np.random.default_rng(seed)
    names, grid = list(design.factors), list(design.factors.values())
    rows: list[dict[str, Any]] = []
    cells = list(itertools.product(*map(range, map(len, grid))))
    for arm, levels in itertools.product(design.arm_names, cells):
        values = [grid[k][place] for k, place in enumerate(levels)]
        for number in design.all_seeds():
            place = {"model": len(rows), "arm": arm, "seed": number, "stack": len(rows) // 16}
            factors = dict(zip(names, values, strict=True))
            found = measures(0.7 + effect * levels[0], noise, rng)
            rows.append({**place, **factors, **found, **bookkeeping(len(rows))})
    return pd.DataFrame(rows)


def tables(design: Study, **options: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Models and numbers."""
    return from_before(before(design, **options))


def table(design: Study, **options: Any) -> pd.DataFrame:
    """The models with a column for each number."""
    return side_by_side(*tables(design, **options))


def swept(*grid: Any, **design: Any) -> tuple[Study, pd.DataFrame]:
    """A design and the table of its models."""
    found = study(*grid, **design)
    return found, table(found)


def measures(middle: float, noise: float, rng: np.random.Generator) -> dict[str, Any]:
    def draw(at: float) -> float:
        return float(at + noise * rng.normal())

    def share(at: float) -> float:
        return min(max(draw(at), 0.0), 1.0)

    pairs = [(name, metric) for name in SETS for metric in ACCURACIES]
    found = {f"{n}_{m}": share(middle) for n, m in pairs if (n, m) != ("single", "order")}
    found |= {
        f"without_{term}_{metric}": share(0.5 if term == "key_position" else middle)
        for term in TERMS
        for metric in ACCURACIES
    }
    gradient = {"headline_slope": draw(1), "headline_span": draw(9), "headline_spearman": 1.0}
    return {**found, "headline_head": "L0H2", **gradient, "largest_slope": draw(1.2)}


def bookkeeping(model: int) -> dict[str, Any]:
    clock = f"{model // 60:02d}:{model % 60:02d}+00:00"
    return {
        "loss": 0.7, "error": None, "seconds": 12.5, "started": f"2026-03-01T10:{clock}",
        "finished": f"2026-03-01T11:{clock}", "host": "one", "version.python": "3.12.1",
        "version.torch": "2.9.0",
    }  # fmt: skip
