"""What is checked of full patches, and which cells are run in towers small and large."""

import math

import numpy as np
import pytest

from lrinterp.analysis.contrast import Contrast, contrasts
from lrinterp.analysis.patching import choice as patch_choice
from lrinterp.analysis.patching.cells import Cell
from lrinterp.analysis.patching.choice import work_of
from lrinterp.analysis.patching.rows import all_cells, check_full, patch, small

pytestmark = pytest.mark.usefixtures("one_thread")

FULL = Cell(site="resid_pre", layer=0, head=None, role="all")


@pytest.fixture
def image(micro_recording) -> Contrast:
    return contrasts(micro_recording, 64, 0)[0]


def test_a_full_patch_that_is_not_one_stops_everything():
    with pytest.raises(
        RuntimeError, match=r"blocks.0.hook_resid_pre: full noising patch gave 0.99"
    ):
        check_full(FULL, 0.999, "noising")
    assert check_full(FULL, 1 + 1e-6, "noising") is None


def test_margins_close_together_allow_for_rounding():
    assert check_full(FULL, 1.0005, "noising", whole=1e-4) is None
    with pytest.raises(RuntimeError, match=r"gave 1\.0005"):
        check_full(FULL, 1.0005, "noising", whole=1e-3)


def test_every_cell_is_run_up_to_a_bound(image: Contrast):
    cells = all_cells(image)
    work = work_of(image.recording.model.image, cells, len(image.pictures), 4)
    assert small(image, work)
    assert not small(image, work - 1)
    rows = patch(image, cells, most_work=work).rows
    assert len(rows) == 2 * len(cells)
    assert all(row["exact"] and row["chosen"] == "all" for row in rows)


def test_a_large_tower_gives_the_same_effects_where_it_is_run(
    image: Contrast, monkeypatch: pytest.MonkeyPatch
):
    """With one strongest cell and one drawn, because the micro-model has few that matter."""
    monkeypatch.setattr(patch_choice, "STRONGEST", 1)
    monkeypatch.setattr(patch_choice, "RANDOM", 1)
    cells = all_cells(image)
    whole, part = (patch(image, cells, most_work=most).rows for most in (math.inf, 0.0))
    for one, other in zip(whole, part, strict=True):
        same = ("site", "head", "query", "role", "direction", "known", "identical", "n")
        assert [one[name] for name in same] == [other[name] for name in same]
        assert one["attribution"] == pytest.approx(other["attribution"], abs=1e-9)
        if other["exact"]:
            assert one["effect"] == pytest.approx(other["effect"], abs=1e-6)
            assert one["low"] == pytest.approx(other["low"], abs=1e-6)
        else:
            assert other["chosen"] == "none"
            assert other["effect"] is other["low"] is None
    exact = np.array([row["exact"] for row in part])
    assert not exact.all()
    full = [row["exact"] for row in part if row["site"] == "resid_pre" and row["role"] == "all"]
    assert full == [True, True]  # the last layer is also the first here
