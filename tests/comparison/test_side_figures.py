"""Figures of several checkpoints: common axes, one panel or dot a checkpoint, nothing left out."""

from typing import Any

import pytest

from lrinterp.analysis import ANALYSES
from lrinterp.comparison.measured import Measured
from lrinterp.comparison.naming import group_of
from lrinterp.comparison.side_by_side import SideBySide, side_by_side
from lrinterp.result import Figure


def figures(analysis: str, *measured: Measured) -> dict[str, Figure]:
    found = side_by_side(analysis, measured)
    assert isinstance(found, SideBySide)
    return {figure.key: figure for figure in found.figures()}


@pytest.mark.parametrize("name", ANALYSES)
def test_every_number_with_an_interval_has_an_axis(name: str, knows: Measured, knows_not: Measured):
    for measured in (knows, knows_not):
        for key, scalar in measured.results[name].metrics.items():
            assert scalar.low is None or group_of(key), key


def axes(figure: Figure, letter: str) -> list[tuple[float, float]]:
    layout: Any = figure.plot.layout  # type: ignore[union-attr]
    names = [name for name in layout if name.startswith(f"{letter}axis")]
    return [tuple(layout[name].range) for name in names]


def test_shares_of_pictures_have_one_axis(knows: Measured, knows_not: Measured):
    drawn = figures("accuracy", knows, knows_not)
    assert list(drawn) == ["sets-order", "sets-retrieval", "sets-label-set", "distance"]
    scales = {end for key in drawn if key != "distance" for end in axes(drawn[key], "x")}
    assert scales == {(0.0, 1.05)}


def test_rows_of_all_heads_have_one_scale_and_an_accented_headline(
    knows: Measured, knows_not: Measured
):
    figure = figures("positional_gradient", knows, knows_not)["rows"]
    assert len(set(axes(figure, "y"))) == 1
    rows = figure.table
    assert rows.groupby("checkpoint")["head"].nunique().eq(4).all()
    assert rows[rows["headline"]].groupby("checkpoint")["head"].nunique().eq(1).all()
    titles = [note.text for note in figure.plot.layout.annotations]  # type: ignore[union-attr]
    headline = knows.scalar("positional_gradient", "headline_head").value
    assert f"left-right: headline {headline}" in titles
    assert titles.count("headline") == 2


def test_ablations_stand_in_a_panel_each(knows: Measured, knows_not: Measured):
    figure = figures("term_ablation", knows, knows_not)["order"]
    assert list(figure.table["checkpoint"].unique()) == ["left-right", "no-gradient"]
    assert {"intact", "without key-position"} <= set(figure.table["ablation"])
    assert "chance" in [note.text for note in figure.plot.layout.annotations]  # type: ignore


def test_terms_have_a_row_for_each_tower_and_checkpoint(knows: Measured, knows_not: Measured):
    table = figures("attention_terms", knows, knows_not)["terms"].table
    assert table.groupby(["encoder", "checkpoint"]).size().tolist() == [9, 9, 9, 9]
