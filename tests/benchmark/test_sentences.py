"""What the finding says, and what it does not; what a reader must know."""

import re
from typing import Any

import pytest

from lrinterp.benchmark import Benchmark
from lrinterp.benchmark.sentences import PADDED, SUITE_NOTES, published_rows, share
from lrinterp.encoders import Fit
from lrinterp.result import Metric
from lrinterp.scenes.natural import SUITES


@pytest.fixture
def found(make_row, table_of) -> Any:
    """A model that always says the first place, on `n` rows of left and right in turn."""

    def run(n: int, **fields: Any) -> Benchmark:
        rows = []
        for k in range(n):
            relation = ("left of", "right of")[k % 2]
            more = {"group": str(k), "relation": relation, "right": k % 2, **fields}
            rows.append((make_row(**more), (1.0, 0.0)))
        return Benchmark(scores=table_of(*rows))

    return run


def test_shares_cannot_be_read_as_counts(found):
    said = found(40).finding
    assert re.search(r"1\.\d+ \[0\.\d+, 1\.\d+\] for left \(20 rows\)", said)
    assert re.search(r"0\.\d+ \[0\.0\d*, 0\.\d+\] for right \(20 rows\)", said)
    assert share(Metric(value=1.0)) == "1.000"


def test_object_swaps_say_nothing_of_words(found):
    for foil, said in (("word swap", True), ("object swap", False)):
        result = found(40, foil=foil)
        assert ("Recall is" in result.finding) is said
        assert ("chooses right" in result.finding) is said
        assert ("always says right" in result.glossary["Left recall"]) is said


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


@pytest.mark.parametrize(
    ("n", "fields", "says"),
    [
        (40, {"relation": "left of", "right": 0}, "above chance (0.5)"),
        (40, {"relation": "left of", "right": 1}, "below chance (0.5)"),
        (8, {"group": "one"}, "too few to say"),
        (4, {"relation": "left of", "right": 0}, "not told from chance (0.5)"),
        (1, {}, "too few to say"),
    ],
)
def test_the_finding_follows_the_interval(found, n: int, fields: dict[str, Any], says: str):
    assert says in found(n, **fields).finding


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
