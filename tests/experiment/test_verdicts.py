from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lrinterp.experiment.verdicts import Verdicts, verdicts
from lrinterp.result import NotApplicable


@pytest.fixture
def planted(models: Any) -> Verdicts:
    study = models.study(verdicts=models.VERDICTS)
    return verdicts(study, models.table(study, noise=0.01))


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ("hhh", "all 3 claims hold."),
        ("u", "the one claim is undecided."),
        ("hhdhu", "of 5 claims 1 does not hold (2), 1 is undecided (4); the other 3 hold."),
        ("ddh", "of 3 claims 1 holds (2); the other 2 do not hold."),
        ("hd", "of 2 claims 1 holds (0); the other does not hold."),
    ],
)
def test_the_finding_counts_and_names(planted: Verdicts, found: str, sentence: str):
    words = {"h": "holds", "d": "does not hold", "u": "undecided"}
    table = planted.table.iloc[[0] * len(found)].assign(
        id=[str(k) for k in range(len(found))], verdict=[words[letter] for letter in found]
    )
    assert replace(planted, table=table).finding == f"Arm full: {sentence}"


def test_every_arm_has_its_sentence(planted: Verdicts):
    assert planted.finding == "Arm full: all 3 claims hold. Arm fixed: all 3 claims hold."


def test_the_table_of_claims_stands_open(planted: Verdicts):
    short = planted.overview()
    assert list(short) == ["Name", "Claim", "Holds if", "full", "fixed"]
    assert short["Name"].tolist() == ["labels", "layouts", "share"]
    first = short.iloc[0]
    what = "order, held-out pairs: labels in pairs, 12 minus 3"
    assert first["Holds if"] == f"{what} is at least 0.05"
    scalar = planted.metrics["labels (full)"]
    assert first["full"].replace("\u00a0", " ") == f"holds: {scalar.phrase}"


def test_tiles_are_the_first_claims_of_the_first_arm(planted: Verdicts):
    tiles = planted.tiles()
    assert [tile.scalar.value for tile in tiles] == planted.table["value"].tolist()[::2]
    assert tiles[0].words == (
        "labels holds: at least 0.05 was asked (4 seeds, 16 models, arm full)"
    )


def test_the_shade_lies_on_the_side_on_which_a_claim_holds(planted: Verdicts):
    (figure,) = planted.figures()
    layout: Any = figure.draw().layout
    shades = [shape for shape in layout.shapes if shape.type != "line"]
    least, most = layout.xaxis.range
    assert [(shade.x0, shade.x1) for shade in shades[:3]] == [
        (0.05, most),
        (least, 0.05),
        (0.2, most),
    ]


def test_what_is_incomplete_is_said(models: Any):
    study = models.study(verdicts=models.VERDICTS)
    table = models.table(study)
    table.loc[0, "accuracy.unseen_pair_order"] = np.nan
    caveats = verdicts(study, table).caveats
    assert "copies to plan.json before its first step" in caveats[0]
    assert "In 3 rows of the table fewer than the 4 seeds" in caveats[-1]
    assert len(verdicts(study, models.table(study)).caveats) == 3


def test_a_study_without_claims_has_no_verdicts(models: Any):
    study = models.study()
    with pytest.raises(NotApplicable, match="states no claims"):
        verdicts(study, models.table(study))
