"""Comparisons from end to end: two seeds, one checkpoint twice, and what is refused."""

from pathlib import Path

import pytest

from lrinterp import Checkpoint, Run, load_checkpoint, record
from lrinterp.analysis import ANALYSES
from lrinterp.comparison import compare, compare_recordings
from lrinterp.comparison.differences import Differences
from lrinterp.report import page
from lrinterp.result import Provenance
from lrinterp.store import InputError

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def tiny(tiny_run: Path) -> Checkpoint:
    return load_checkpoint(tiny_run)


@pytest.fixture
def other(other_run: Path) -> Checkpoint:
    return load_checkpoint(other_run)


def table(results: dict, name: str = "differences"):
    assert isinstance(results[name], Differences)
    return results[name].table


def test_one_checkpoint_twice_is_zero_everywhere(tiny: Checkpoint):
    results = compare([tiny, tiny], progress=False)
    assert list(results) == ["differences", *ANALYSES]
    rows = table(results)
    known = rows[rows["checkpoint"] == "tiny (2)"].dropna(subset=["difference"])
    assert len(known) >= 30
    assert (known["difference"] == 0).all()
    ends = known[["difference_low", "difference_high"]].dropna().to_numpy()
    assert (ends[:, 0] <= 0).all()
    assert ends[:, 1] == pytest.approx(-ends[:, 0])
    assert "differs" not in set(rows["verdict"])
    assert "tiny (2) against tiny: 0 of " in results["differences"].finding


def test_pictures_that_both_splits_hold_out_are_paired_and_others_not(
    tiny: Checkpoint, other: Checkpoint
):
    one, two = (checkpoint.scenes().examples() for checkpoint in (tiny, other))
    rows = table(compare([tiny, other], ["accuracy"], progress=False)).set_index("key")
    for name in ("unseen_pair", "seen_pair"):
        pictures = [e.of(name).image.ids.tolist() for e in (one, two)]
        paired = rows.loc[[f"{name}_order"], "paired"].tolist()[1]
        assert paired == ("yes" if pictures[0] == pictures[1] else "no")
    assert set(rows["paired"]) == {"", "yes", "no"}


def test_what_is_not_paired_is_said(tiny: Checkpoint, other: Checkpoint):
    parts = [record(c.model, c.scenes().examples(["seen_pair"])) for c in (tiny, other)]
    results = compare_recordings(zip("ab", parts, strict=True), ["accuracy"], progress=False)
    assert "Not paired:" in " ".join(results["differences"].caveats)
    rows = table(results).set_index(["key", "checkpoint"])
    order = rows.loc[("seen_pair_order", "b")]
    assert (order["paired"], order["verdict"]) == ("no", "not tested")
    assert rows["q"].isna().all()
    assert results["differences"].tiles() == ()


def test_sections_follow_the_order_of_the_analyses(tiny: Checkpoint):
    results = compare([tiny, tiny, tiny], ["attention_terms", "accuracy"], progress=False)
    assert list(results) == ["differences", "accuracy", "attention_terms"]
    assert [result.name for result in results.values()] == list(results)
    assert results["differences"].others == ("tiny (2)", "tiny (3)")  # type: ignore[attr-defined]


def test_trained_on_one_template_or_both(left_right: Run, no_gradient: Run):
    pair = [("left-right", left_right), ("no-gradient", no_gradient)]
    results = compare_recordings(pair, ["accuracy"], progress=False)
    rows = table(results).set_index(["key", "checkpoint"])
    order = rows.loc[("unseen_pair_order", "no-gradient")]
    labels = rows.loc[("unseen_pair_label_set_closed", "no-gradient")]
    assert order["q"] < 0.05
    assert order["verdict"] == "differs"
    assert labels["p"] > 0.05
    assert labels["verdict"] == "not tested"


def test_equal_comparisons_make_equal_pages(tiny: Checkpoint):
    pages = [
        page(compare([tiny, tiny], ["accuracy"], progress=False), Provenance(checkpoint="two"))
        for _ in range(2)
    ]
    assert pages[0] == pages[1]


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_are_refused(tiny: Checkpoint, count: int):
    with pytest.raises(InputError, match=f"at least two checkpoints to compare, got {count}"):
        compare([tiny] * count, ["accuracy"], progress=False)


def test_an_unknown_analysis_is_refused(tiny: Checkpoint):
    with pytest.raises(InputError, match="analysis 'acuracy': expected one of"):
        compare([tiny, tiny], ["acuracy"], progress=False)
