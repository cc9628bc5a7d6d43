"""Statistics of the grids: the numbers of the study page, and ranges over scales."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp.reproduction.design import Design
from lrinterp.reproduction.grids import of_diversity, of_scales, scale_values
from lrinterp.study import LoadedSweep, Study, load_sweep
from lrinterp.study.evaluation import evaluate

SWEEP = Path(__file__).parents[2] / "analyses" / "label_vs_layout" / "results"
NAMES = {"labels": "labels", "layouts": "layouts", "shares": "share"}


@pytest.fixture(scope="module")
def diversity() -> LoadedSweep:
    return load_sweep(SWEEP)


def swept(intact: Any, ep: Any, position: Any, *, seeds: int = 4) -> LoadedSweep:
    """Models on the quick grid of scales; each argument gives a number from seed and cell."""
    study = Design(quick=True, seeds=seeds).studies["scales"]
    rows = []
    for setting in study.settings():
        for seed in study.all_seeds():
            cell = tuple(setting.values.values())
            numbers = {
                "unseen_pair_order": intact(seed, cell),
                "without_EP_order": ep(seed, cell),
                "without_key_position_order": position(seed, cell),
            }
            rows.append({"arm": "main", "seed": seed, **setting.values, **numbers})
    return LoadedSweep(name="x", study=study, table=pd.DataFrame(rows))


def test_diversity_has_the_numbers_of_the_study_page(diversity: LoadedSweep):
    """Against the criteria of the study itself, evaluated there."""
    found = of_diversity(diversity)
    page = evaluate(diversity.study, diversity.table)
    page = page[page["arm"] == "standard"].set_index("id")
    for metric in ("order", "retrieval_closed", "retrieval_open"):
        for name, prefix in NAMES.items():
            row = page.loc[f"{prefix}-{metric.replace('_', '-')}"]
            assert found[f"{name}_{metric}"].interval.value == row["value"]
            assert found[f"{name}_{metric}"].interval.high == row["high"]


def test_without_a_sweep_or_without_its_factors_nothing_is_known(diversity: LoadedSweep):
    assert {f.reason for f in of_diversity(None).values()} == {"no sweep of diversity was run"}
    other = LoadedSweep(
        name="x",
        study=Study(title="x", seeds=2, grid={"split": {"n_pair": [3, 5]}}),
        table=diversity.table,
    )
    [reason] = {f.reason for f in of_diversity(other).values()}
    assert reason == "the sweep has no two values of split.layouts_per_pair"


def test_ranges_over_scales_by_hand():
    """EP leaves what the scale of W_pos says, key-position leaves chance everywhere."""
    loaded = swept(lambda _s, _c: 0.95, lambda _s, cell: 0.5 + 2 * cell[1], lambda _s, _c: 0.5)
    found = of_scales(loaded)
    assert found["range_EP"].interval.value == pytest.approx(2 * (0.2 - 0.02))
    assert found["range_key_position"].interval.value == pytest.approx(0.0)


def test_scales_that_do_not_learn_and_seeds_that_failed_are_left_out():
    loaded = swept(
        lambda _s, cell: 0.95 if cell[0] < 0.1 else 0.8,
        lambda _s, cell: 0.6 if cell[0] < 0.1 else 0.1,
        lambda seed, _c: np.nan if seed == 300 else 0.5,
    )
    assert scale_values(loaded)["unseen_pair_order"].shape == (3, 4)
    assert of_scales(loaded)["range_EP"].interval.value == pytest.approx(0.0)
    bad = swept(lambda _s, _c: 0.7, lambda _s, _c: 0.6, lambda _s, _c: 0.5)
    assert of_scales(bad)["range_EP"].reason == "fewer than two scales have order of 0.9"
