"""Study files: what they stand for, and what is refused in which words."""

from pathlib import Path
from typing import Any

import pytest

from lrinterp.experiment.study import Study, read_study
from lrinterp.store import InputError

SHIPPED = Path(__file__).parents[2] / "analyses" / "label_vs_layout" / "study.toml"


def test_every_combination_of_arm_and_grid_once_in_the_order_of_the_file(tiny: dict[str, Any]):
    study = Study.from_plain(tiny, "tiny.toml")
    found = [(s.arm, *s.values.values()) for s in study.settings()]
    assert found == [
        (arm, n_pair, n_2) for arm in ("plain", "drawn") for n_pair in (2, 3) for n_2 in (1, 4)
    ]


def test_arms_change_the_base_and_the_grid_changes_both(tiny: dict[str, Any]):
    tiny["arms"]["drawn"]["split"] = {"n_val": 3}
    study = Study.from_plain(tiny, "tiny.toml")
    first, *_, last = study.settings()
    plan = last.plan(seed=7)
    assert plan.fit.batch_size == 4
    assert plan.fit.steps == 20
    assert plan.scenes.split.n_val == 3
    assert plan.scenes.split.layouts_per_pair == 4
    assert plan.scenes.split.seed == plan.fit.seed == 7
    assert first.plan(seed=7).fit.batch_size is None


def test_the_plain_configuration_is_that_of_the_plan(tiny: dict[str, Any]):
    for setting in Study.from_plain(tiny, "tiny.toml").settings():
        for seed in (0, 7):
            assert setting.plain(seed) == setting.plan(seed).plain()


def test_a_study_without_arms_has_one(tiny: dict[str, Any]):
    del tiny["arms"]
    assert {s.arm for s in Study.from_plain(tiny, "tiny.toml").settings()} == {"main"}


def test_models_are_numbered_by_arm_combination_and_seed(tiny: dict[str, Any]):
    study = Study.from_plain(tiny | {"first_seed": 40}, "tiny.toml")
    found = [tuple(place.values()) for place, _ in study.members()]
    assert found == [(k, "plain" if k < 8 else "drawn", 40 + k % 2) for k in range(16)]
    assert study.planned == {"plain": 8, "drawn": 8}


REFUSED = [
    ({"seed": 3}, "tiny.toml: unknown field 'seed'; expected title, about, seeds"),
    ({"seeds": 0}, "tiny.toml.seeds: expected 1 to 100000, got 0"),
    ({"first_seed": -1}, "first_seed: expected 0 to"),
    ({"grid": {}}, "grid: expected at least one field with a list of values, got none"),
    ({"grid": {"split": {"n_pair": []}}}, "grid.split.n_pair: expected a list of different values"),
    ({"grid": {"split": {"n_pair": 3}}}, "grid: expected dict[str, dict[str, list"),
    ({"grid": {"split": {"n_pair": [3, 3]}}}, "expected a list of different values, got [3, 3]"),
    ({"base": {"split": 3}}, "base: expected dict[str, dict[str, Any]], got"),
    ({"grid": {"splits": {"n_pair": [3]}}}, "grid: expected sections of fields (world, split,"),
    ({"grid": {"split": {"seed": [1, 2]}}}, "grid.split.seed: is set by seeds and first_seed"),
    ({"base": {"fit": {"seed": 1}}}, "base.fit.seed: is set by seeds and first_seed"),
    ({"arms": {"a": {"fits": {}}}}, "arms.a: expected sections of fields"),
    ({"arms": {"a": {"fit": 3}}}, "arms.a: expected sections of fields"),
    ({"grid": {"split": {"n_pairs": [3]}}}, "split: unknown field 'n_pairs'; expected n_pair"),
    ({"grid": {"split": {"n_pair": [3, 1]}}}, "split.n_pair: expected at least 2, got 1"),
    ({"grid": {"split": {"n_pair": [3, 9]}}}, "n_pair + n_val: expected at most n_labels=6"),
    ({"grid": {"fit": {"steps": [5, "x"]}}}, "fit.steps: expected int, got 'x'"),
    ({"seeds": 50_000}, "grid: expected at most 100,000 models, got 400,000"),
    ({"arms": {"a": {"split": {"n_pair": 3}}}}, "arms.a.split.n_pair: is a field of the grid"),
    ({"verdicts": [{"id": "a"}]}, "verdicts[1]: field"),
]


@pytest.mark.parametrize(("change", "words"), REFUSED)
def test_what_is_wrong_is_named_with_what_is_allowed(tiny, change, words):
    with pytest.raises(InputError) as caught:
        Study.from_plain(tiny | {"verdicts": []} | change, "tiny.toml")
    assert words in str(caught.value)
    assert "tiny.toml" in str(caught.value)


def test_a_verdict_id_stands_once(tiny: dict[str, Any]):
    with pytest.raises(InputError, match="verdicts: id 'labels' is used twice"):
        Study.from_plain(tiny | {"verdicts": tiny["verdicts"] * 2}, "tiny.toml")


def test_the_shipped_study_is_the_one_that_was_promised():
    study = read_study(SHIPPED)
    assert study.factors == {
        "split.n_pair": [3, 5, 8, 10, 12, 15],
        "split.layouts_per_pair": [1, 2, 5, 15, 30],
    }
    assert (study.seeds, study.arm_names) == (8, ["standard", "control", "wide"])
    plans = [setting.plan(0) for setting in study.settings()]
    assert len(plans) == 90
    assert {plan.scenes.world.n_labels for plan in plans} == {20}
    assert {(p.scenes.split.n_val, p.scenes.split.test_layouts) for p in plans} == {(5, 0)}
    controls = [plan for plan in plans if plan.fit.batch_size]
    assert len(controls) == 30
    assert {(p.fit.batch_size, p.fit.steps) for p in controls} == {(26, 10_000)}
    least = min(len(plan.scenes.training.labels) for plan in controls)
    assert least == 26
    assert {c.column for c in study.criteria()} == {
        f"unseen_pair_{metric}" for metric in ("order", "retrieval_closed", "retrieval_open")
    }
