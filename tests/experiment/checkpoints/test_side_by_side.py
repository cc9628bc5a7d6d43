"""One section an analysis: for every analysis, saved and loaded, and with checkpoints missing."""

from dataclasses import replace

import pytest

from lrinterp.analysis import ANALYSES
from lrinterp.experiment.checkpoints.compare import Analysed
from lrinterp.experiment.checkpoints.side_by_side import SideBySide, put_side_by_side
from lrinterp.result import Skipped


def section(analysis: str, *analysed: Analysed) -> SideBySide:
    found = put_side_by_side(analysis, {one.name: one.results[analysis] for one in analysed})
    assert isinstance(found, SideBySide)
    return found


@pytest.mark.parametrize("name", [name for name in ANALYSES if name != "over_picture"])
def test_every_figure_has_its_own_key_one_sentence_and_numbers(name: str, both: list[Analysed]):
    found = section(name, *both)
    assert (found.name, found.question) == (name, ANALYSES[name].result.question)
    figures = found.figures()
    assert len({figure.key for figure in figures}) == len(figures)
    assert all(len(figure.table) for figure in figures)


def test_the_tables_stand_one_below_the_other(both: list[Analysed]):
    found = section("term_ablation", *both).frame()
    assert found.columns[0] == "checkpoint"
    frames = [one.results["term_ablation"].frame() for one in both]
    assert found["checkpoint"].tolist() == [
        *["left-right"] * len(frames[0]), *["no-gradient"] * len(frames[1]),
    ]  # fmt: skip
    assert found["value"].tolist()[-3:] == frames[1]["value"].tolist()[-3:]


def test_the_open_table_has_every_number(both: list[Analysed]):
    shown = section("positional_gradient", *both).overview().set_index("Quantity")
    assert list(shown) == ["left-right", "no-gradient"]
    assert len(shown) == len(both[0].results["positional_gradient"].metrics)
    headline = both[0].number("positional_gradient", "headline_head").value
    assert shown.loc["headline head", "left-right"] == headline
    assert "right object attention gain" in shown.index


def test_many_checkpoints_have_a_row_each_and_the_finding_their_ends(both: list[Analysed]):
    seeds = [replace(both[0], name=f"seed {k}") for k in range(6)]
    found = section("accuracy", *seeds, both[1])
    shown = found.overview()
    assert shown["Checkpoint"].tolist() == [*(one.name for one in seeds), "no-gradient"]
    assert "unseen pair order" in shown


def test_a_checkpoint_to_which_it_does_not_apply_is_named(both: list[Analysed]):
    found = section("activation_patching", *both)
    assert found.scalars["checkpoint"].unique().tolist() == ["left-right"]
    skipped = both[1].results["activation_patching"]
    none = put_side_by_side("activation_patching", {"a": skipped, "b": skipped})
    assert isinstance(none, Skipped)
