"""Statistics of the grids: the numbers of the study page, and those of scales by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp.experiment import LoadedSweep, Study, load_sweep
from lrinterp.experiment.model_table import from_before
from lrinterp.experiment.numbers import ORDER
from lrinterp.experiment.verdicts import judged_criteria
from lrinterp.reproduction.claim_statistics import Found
from lrinterp.reproduction.claims import hold_against
from lrinterp.reproduction.design import FIRST_SEED, Design
from lrinterp.reproduction.grids import (
    WITHOUT_POSITION,
    of_diversity,
    of_scales,
    scale_values,
    scales,
)

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
    models, numbers = from_before(pd.DataFrame(rows).assign(model=range(len(rows))))
    return LoadedSweep(name="x", study=study, models=models, numbers=numbers)


def test_diversity_has_the_numbers_of_the_study_page(diversity: LoadedSweep):
    """Against the criteria of the study itself, evaluated there."""
    found = of_diversity(diversity)
    page = judged_criteria(diversity.study, diversity.table)
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
        models=diversity.models,
        numbers=diversity.numbers,
    )
    [reason] = {f.reason for f in of_diversity(other).values()}
    assert reason == "the sweep has no two values of split.layouts_per_pair"


def test_the_three_statistics_by_hand():
    """Four cells of two scales each; seed 0 has 0.6 in one of them, seed 1 an unlearnt one."""
    small, large = 0.0707, 1.0

    def intact(seed: int, cell: tuple[float, ...]) -> float:
        return 0.7 if seed == FIRST_SEED + 1 and cell == (large, 0.2) else 0.95

    def ep(seed: int, cell: tuple[float, ...]) -> float:
        return 0.9 - 0.1 * (seed - FIRST_SEED) if cell[0] == small else 0.5 + cell[1] / 10

    def position(seed: int, cell: tuple[float, ...]) -> float:
        if cell == (large, 0.2):
            return 0.9 if seed == FIRST_SEED + 1 else 0.5  # of a model that does not know order
        return 0.6 if seed == FIRST_SEED and cell == (small, 0.2) else 0.48

    found = of_scales(swept(intact, ep, position, seeds=2))
    deviations = {0: (0.1 + 0.02 + 0.02 + 0.0) / 4, 1: 0.02}
    outside = {0: 1 / 4, 1: 0.0}
    contrast = {0: 0.9 - 0.511, 1: 0.8 - 0.511}
    for name, expected in (
        ("deviation_key_position", deviations),
        ("outside_key_position", outside),
        ("contrast_EP", contrast),
    ):
        own = {seed - FIRST_SEED: value for seed, value in found[name].seeds.items()}
        assert own == pytest.approx(expected), name
        assert found[name].interval.value == pytest.approx(np.mean(list(expected.values())))


def verdicts(found: dict[str, Found]) -> dict[str, str]:
    """Of the parts of claim o1."""
    table = hold_against(found).table.query("id == 'o1'")
    return dict(zip(table["statistic"], table["part_verdict"], strict=True))


def test_deviations_that_cancel_in_the_mean_refute_the_claim():
    """Half of the models 0.1 above chance, half 0.1 below: the mean order is 0.5 in every seed."""

    def after(away: float) -> dict[str, Found]:
        loaded = swept(
            lambda _s, _c: 0.95,
            lambda _s, cell: 0.95 if cell[0] < 1 else 0.5,
            lambda seed, cell: 0.5 + away * (1 if (cell[1] > 0.1) == (seed % 2 > 0) else -1),
            seeds=8,
        )
        order = scale_values(loaded)[WITHOUT_POSITION]
        assert order.mean(axis=(1, 2)) == pytest.approx(0.5)
        return of_scales(loaded)

    apart = after(0.1)
    assert apart["deviation_key_position"].interval.value == pytest.approx(0.1)
    assert apart["outside_key_position"].interval.value == 1.0
    assert verdicts(apart) == {
        "deviation_key_position": "does not hold",
        "outside_key_position": "does not hold",
        "contrast_EP": "holds",
    }
    assert set(verdicts(after(0.004)).values()) == {"holds"}


def test_models_that_do_not_know_order_and_seeds_that_failed_are_left_out():
    loaded = swept(
        lambda _s, cell: 0.95 if cell[0] < 0.1 else 0.7,
        lambda _s, cell: 0.9 if cell[0] < 0.1 else 0.5,
        lambda seed, cell: np.nan if seed == FIRST_SEED else (0.5 if cell[0] < 0.1 else 0.9),
    )
    found = of_scales(loaded)
    assert scale_values(loaded)[ORDER].shape == (4, 2, 2)
    assert found["deviation_key_position"].interval.value == 0.0
    assert list(found["deviation_key_position"].seeds) == [FIRST_SEED + k for k in (1, 2, 3)]
    assert found["deviation_key_position"].reason == "1 of 4 models have no such number"
    assert found["contrast_EP"].interval.value == pytest.approx(0.4)
    bad = of_scales(swept(lambda _s, _c: 0.7, lambda _s, _c: 0.6, lambda _s, _c: 0.5))
    for name in ("deviation_key_position", "outside_key_position"):
        assert bad[name].interval.value is None
        assert bad[name].reason == "no model of the grid has a swap accuracy of 0.75"


def test_the_map_of_scales_has_a_panel_a_measure():
    def intact(_: int, cell: tuple[float, ...]) -> float:
        return 0.7 if cell[0] > 0.1 and cell[1] > 0.1 else 0.95

    loaded = swept(intact, lambda _, cell: 0.5 + cell[1], lambda _s, _c: 0.5, seeds=3)
    section = scales(loaded, of_scales(loaded))
    assert section.metrics["deviation_key_position"].value == 0
    assert section.metrics["contrast_EP"].value == pytest.approx(0.0)
    [figure] = section.figures()
    assert len(figure.draw().data) == 3
    assert len(figure.table) == 12
