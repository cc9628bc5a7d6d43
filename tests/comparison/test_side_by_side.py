"""One section an analysis: for every analysis, saved and loaded, and with checkpoints missing."""

from dataclasses import replace

import pytest

from lrinterp.analysis import ANALYSES
from lrinterp.comparison.measured import Measured
from lrinterp.comparison.side_by_side import SideBySide, side_by_side
from lrinterp.result import Skipped


def together(analysis: str, measured: list[Measured]) -> SideBySide:
    found = side_by_side(analysis, measured)
    assert isinstance(found, SideBySide)
    return found


@pytest.mark.parametrize("name", [name for name in ANALYSES if name != "over_picture"])
def test_every_figure_has_its_own_key_and_one_sentence(
    name: str, knows: Measured, knows_not: Measured
):
    found = together(name, [knows, knows_not])
    assert (found.name, found.question) == (name, ANALYSES[name].result.question)
    figures = found.figures()
    assert len({figure.key for figure in figures}) == len(figures)
    assert all(figure.how_to_read.endswith(".") for figure in figures)
    assert not any(". " in figure.how_to_read for figure in figures)
    assert all(len(figure.table) for figure in figures)
    assert all(figure.draw().data for figure in figures)


def test_the_tables_stand_one_below_the_other(knows: Measured, knows_not: Measured):
    found = together("term_ablation", [knows, knows_not])
    sizes = found.frame().groupby("checkpoint", sort=False).size()
    assert sizes.index.tolist() == ["left-right", "no-gradient"]
    assert sizes.tolist() == [len(m.results["term_ablation"].frame()) for m in (knows, knows_not)]


def test_the_open_table_has_every_number(knows: Measured, knows_not: Measured):
    found = together("positional_gradient", [knows, knows_not])
    shown = found.overview().set_index("Quantity")
    assert list(shown) == ["left-right", "no-gradient"]
    assert len(shown) == len(knows.results["positional_gradient"].metrics)
    headline = knows.scalar("positional_gradient", "headline_head").value
    assert shown.loc["headline head", "left-right"] == headline
    assert "right object attention gain" in shown.index


def test_many_checkpoints_have_a_row_each_and_the_finding_their_ends(
    knows: Measured, knows_not: Measured
):
    names = [replace(knows, name=f"seed {k}") for k in range(6)]
    found = together("accuracy", [*names, knows_not])
    shown = found.overview()
    assert shown["Checkpoint"].tolist()[-1] == "no-gradient"
    assert "unseen pair order" in shown
    lowest = knows_not.scalar("accuracy", "unseen_pair_order").phrase
    assert f"lowest and highest of 7: no-gradient {lowest}" in found.finding


def test_a_checkpoint_to_which_it_does_not_apply_is_named(knows: Measured, knows_not: Measured):
    found = together("activation_patching", [knows, knows_not])
    assert found.checkpoints == ["left-right"]
    assert "no-gradient: activation_patching does not apply: " in found.finding


def test_what_applies_to_none_is_skipped(knows_not: Measured):
    found = side_by_side("activation_patching", [knows_not, replace(knows_not, name="b")])
    assert isinstance(found, Skipped)
    assert "no-gradient: " in found.reason
    assert "b: " in found.reason


def test_caveats_are_those_of_all(knows: Measured, knows_not: Measured):
    found = together("accuracy", [knows, knows_not])
    assert found.shared
    assert set(found.shared) <= set(knows.results["accuracy"].caveats)
    assert not any("no identity" in text for text in found.caveats)
    heads = together("positional_gradient", [knows, knows_not])
    assert "Heads have no identity across checkpoints" in heads.caveats[0]
