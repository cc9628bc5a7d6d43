"""What the finding says, and what it does not; what a reader must know."""

import pytest

from lrinterp.benchmark import Benchmark
from lrinterp.benchmark.sentences import PADDED, SUITE_NOTES, published_rows
from lrinterp.encoders import Fit
from lrinterp.scenes.natural import SUITES


@pytest.mark.parametrize(
    ("foils", "expected"),
    [(["word swap"], True), (["object swap"], False), (["word swap", "object swap"], False)],
)
def test_a_leaning_is_spoken_of_where_captions_differ_in_the_word(
    make_row, table_of, foils: list[str], *, expected: bool
):
    rows = [
        (make_row(relation=f"{side} of", right=k, foil=foil), (1.0, 0.0))
        for foil in foils
        for k, side in enumerate(("left", "right"))
    ]
    assert Benchmark(scores=table_of(*rows)).told_by_word is expected


def test_notes_are_of_suites_and_fits_that_exist():
    assert set(SUITE_NOTES) <= set(SUITES)
    assert set(PADDED) == set(Fit.__args__)  # type: ignore[attr-defined]


def test_published_figures_say_that_they_are_and_whose():
    rows = published_rows("aro")
    assert {row["name"]: round(row["value"], 3) for row in rows} == {
        "CLIP ViT-B/32": 0.59, "NegCLIP": 0.805, "BLIP": 0.59,
    }  # fmt: skip
    assert all("not measured here" in row["note"] and "arXiv" in row["note"] for row in rows)
    assert published_rows("nlvr") == []
