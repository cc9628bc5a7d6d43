"""What a benchmark says of itself: words, tiles, tables, and that it can be kept."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lrinterp.benchmark import Benchmark, benchmark
from lrinterp.benchmark.result import COLUMNS
from lrinterp.result import Provenance, document, records

Run = Callable[..., Benchmark]


@pytest.fixture
def ran(make_row, paint) -> Run:
    """Left and right in turn over `n` pictures, each a group, every two a pair."""

    def run(model: Any, n: int = 8, **fields: Any) -> Benchmark:
        rows = [
            make_row(
                picture=paint(f"{k}.png", k),
                right=k % 2,
                relation=("left of", "right of")[k % 2],
                **{"group": str(k), "pair": str(k // 2), **fields},
            )
            for k in range(n)
        ]
        return benchmark(model, rows, progress=False)

    return run


def test_the_summary(ran: Run, choosing):
    choice: Mapping[int, str] = {0: "left", 1: "right", 2: "left", 3: "left"}
    summary = ran(choosing(choice), 4).metrics
    assert {key: scalar.value for key, scalar in summary.items()} == {
        "macro_accuracy": 0.75, "accuracy": 0.75, "horizontal_accuracy": 0.75,
        "left_recall": 1.0, "right_recall": 0.5, "says_left": 0.75, "says_right": 0.25,
        "pair_accuracy": 0.5, "skipped_rows": 0,
    }  # fmt: skip
    assert (summary["accuracy"].n, summary["accuracy"].n_units) == (4, 4)
    assert (summary["pair_accuracy"].n, summary["right_recall"].n) == (2, 2)


def test_the_finding_says_what_is_above_chance(ran: Run, choosing, equal):
    right = {k: ("left", "right")[k % 2] for k in range(16)}
    assert "above chance (0.5)" in ran(choosing(right), 16).finding
    wrong = {k: ("right", "left")[k % 2] for k in range(16)}
    assert "below chance (0.5)" in ran(choosing(wrong), 16).finding
    assert "not told from chance (0.5)" in ran(choosing(right), 4).finding
    assert "not told from chance (0.5)" in ran(equal).finding
    assert "too few to say" in ran(choosing(right), 16, group="one").finding


def test_every_number_has_its_chance(ran: Run, equal):
    result = ran(equal)
    measured = [row for row in records(result.frame()) if row["value"] is not None]
    assert list(result.frame()) == COLUMNS
    assert all(row["chance"] is not None for row in measured)
    assert all("chance 0." in tile.words for tile in result.tiles())
    assert {row["Chance"] for row in records(result.overview())} == {"0.5", "0.25"}
    assert result.by_relation()["Measure"].tolist() == ["Left of", "Right of"]


def test_published_figures_stand_apart(ran: Run, equal):
    result = ran(equal, suite="aro")
    lines = {row["Measure"]: row for row in records(result.overview())}
    published = lines["Published, not measured here: NegCLIP"]
    assert (published["Share"], published["n"]) == ("0.80–0.81", "–")
    assert "Published, not measured here: CLIP ViT-B/32 0.59" in result.finding
    assert any("symmetric" in caveat for caveat in result.caveats)
    assert "NegCLIP" not in ran(equal).finding


def test_the_document_is_strict_json(ran: Run, equal):
    import json

    data = document({"benchmark": ran(equal)}, Provenance(checkpoint="clip"))
    again = json.loads(json.dumps(data, allow_nan=False))
    assert again["results"]["benchmark"]["summary"]["accuracy"]["n"] == 8
    assert again["results"]["benchmark"]["table"][0]["measure"] == "macro"
    assert again["results"]["benchmark"]["table"][0]["n"] == 8


def test_words_are_explained(ran: Run, equal):
    result = ran(equal)
    assert {"Chance", "Group", "Mean over relations"} <= set(result.glossary)
    assert any("--fit pad" in caveat for caveat in result.caveats)
    assert "always says right" in result.glossary["Left recall"]
    assert "always says right" not in ran(equal, foil="object swap").glossary["Left recall"]
