import pytest

from lrinterp.benchmark import notes
from lrinterp.encoders import Fit
from lrinterp.scenes.natural import SUITES


def test_notes_are_of_suites_and_fits_that_exist():
    assert set(notes.SUITE_NOTES) <= set(SUITES)
    assert set(notes.PADDED) == set(Fit.__args__)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", notes.OMITTED)
def test_what_was_left_out_is_counted(kind: str):
    said = notes.OMITTED[kind].format(
        name="a reason", rows="1,234 rows", groups="1,234 groups", note="a.jsonl, row 3: why"
    )
    assert "1,234" in said
    assert "a reason" in said
