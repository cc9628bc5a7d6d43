"""From rows to a result: small samples in each published format, counted by hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lrinterp.benchmark import Benchmark, benchmark
from lrinterp.benchmark.embedding import KINDS, NAMED, REST, Embedder, reason_of, skipped_rows
from lrinterp.benchmark.scores import score_table
from lrinterp.scenes.natural import BadRow, read_relations
from lrinterp.store import InputError

Paint = Callable[[str, int], Path]
# Scores of rows.


def test_scores_are_those_of_the_picture_with_each_caption(fake, make_row, paint: Paint):
    model = fake(lambda red, text: red / 16 + len(text) / 1000)
    rows = [
        make_row(picture=paint("a.png", 4), captions=("a", "bb", "ccc")),
        make_row(picture=paint("b.png", 8), captions=("a", "bb")),
    ]
    embedder = Embedder(model)
    found = embedder.score(rows)
    torch.testing.assert_close(found[0][1], torch.tensor([0.251, 0.252, 0.253]))
    torch.testing.assert_close(found[1][1], torch.tensor([0.501, 0.502]))


def test_a_picture_and_a_caption_are_embedded_once(fake, make_row, paint: Paint):
    model = fake(lambda _red, _text: 0.0)
    embedder, path = Embedder(model), paint("a.png", 1)
    rows = [make_row(picture=path) for _ in range(5)]
    embedder.score(rows)
    assert sorted(model.calls) == [("image", 1), ("text", 2)]
    embedder.score([make_row(picture=path, crop=(k, 0, k + 2, 2)) for k in range(3)])
    assert sorted(model.calls) == [("image", 1), ("image", 3), ("text", 2)]


def test_what_cannot_be_scored_is_named(fake, make_row, paint: Paint, micro):
    lost, path = fake(lambda _red, _text: float("nan")), paint("a.png", 1)
    long = make_row(picture=path, captions=("a", "b " * 13), where="x.jsonl, row 7")
    for row, expected in (
        (long, r"x.jsonl, row 7: caption .* too long"),
        (make_row(), "relations.jsonl, row 1: the row has no picture"),
        (make_row(picture=path), "row 1: the model gives scores that are no numbers"),
    ):
        with pytest.raises(InputError, match=expected):
            Embedder(lost).score([row])
    with pytest.raises(InputError, match=r"reads no pictures.*lrinterp evaluate"):
        Embedder(micro)


def ran(model: Any, suite: str, folder: Path, **more: Any) -> Benchmark:
    return benchmark(model, read_relations(suite, folder), **more)


def test_rows_that_ask_nothing_are_counted(tmp_path: Path, paint: Paint, equal):
    """One false row and one without an opposite are left out."""
    lines = []
    for k, (relation, label) in enumerate((("left of", 1), ("under", 0), ("near", 1))):
        paint(f"images/{k}.jpg", k)
        fields = {"image": f"{k}.jpg", "relation": relation, "label": label}
        lines.append(json.dumps({**fields, "caption": f"The cat is {relation} the dog."}))
    (tmp_path / "test.jsonl").write_text("\n".join(lines))
    result = ran(equal, "vsr", tmp_path)
    assert {row["name"]: row["n"] for row in result.rows("left out")} == {
        "its caption is not true of the picture": 1, "its relation has no opposite": 1,
    }  # fmt: skip


def own_rows(paint: Paint, n: int) -> list[dict[str, Any]]:
    """Rows about left and right in turn; the red of a picture is its place."""
    rows = []
    for k in range(n):
        paint(f"pictures/{k}.png", k)
        sides = ("left", "right") if k % 2 == 0 else ("right", "left")
        right, wrong = (f"a cat {side} of a dog" for side in sides)
        given = {"picture": f"pictures/{k}.png", "relation": f"{sides[0]} of"}
        rows.append(
            {**given, "caption": right, "foil": wrong, "group": str(k), "pair": str(k // 2)}
        )
    return rows


def broken(folder: Path, paint: Paint) -> Path:
    """Six rows: good, malformed, missing picture, broken picture, long caption, good."""
    rows = [json.dumps(row) for row in own_rows(paint, 6)]
    rows[1] = "{"
    (folder / "pictures/2.png").unlink()
    (folder / "pictures/3.png").write_text("no picture")
    rows[4] = rows[4].replace(
        "a cat left of", "a cat and then one word and another one and more words left of"
    )
    path = folder / "relations.jsonl"
    path.write_text("\n".join(rows))
    return path


REASONS = {
    2: "not valid JSON", 3: "there is no picture", 4: "cannot read the picture", 5: "too long",
}  # fmt: skip


def test_bad_rows_are_skipped_and_listed(tmp_path: Path, paint: Paint, equal):
    broken(tmp_path, paint)
    bad: list[BadRow] = []
    rows = read_relations("jsonl", tmp_path, bad)
    result = benchmark(equal, rows, bad=bad)
    assert result.metrics["accuracy"].n == 2
    assert result.metrics["skipped_rows"].value == 4
    with pytest.raises(InputError, match=r"relations\.jsonl, row 2: not valid JSON"):
        ran(equal, "jsonl", tmp_path)  # without a list the first one ends it
    notes = [row["note"] for row in result.rows("skipped")]
    assert len(notes) == 4
    for row, reason in REASONS.items():
        assert any(f"relations.jsonl, row {row}: " in note and reason in note for note in notes)
    assert [row["name"] for row in result.rows("incomplete")] == ["pair"]


def test_a_limit_reads_the_first_rows_and_says_so(tmp_path: Path, paint: Paint, equal):
    rows = own_rows(paint, 6)
    (tmp_path / "relations.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for limit, n in ((4, 4), (1000, 6)):
        result = ran(equal, "jsonl", tmp_path, limit=limit)
        assert result.metrics["accuracy"].n == n


def test_no_rows_are_an_error(tmp_path: Path, paint: Paint, equal):
    with pytest.raises(InputError, match=r"no row could be scored \(0 bad rows\)"):
        benchmark(equal, [])
    (tmp_path / "relations.jsonl").write_text("\n".join(map(json.dumps, own_rows(paint, 2))))
    for k in range(2):
        (tmp_path / f"pictures/{k}.png").write_text("no picture")
    bad: list[BadRow] = []
    with pytest.raises(InputError, match=r"no row could be scored \(2 bad rows; .*row 1"):
        benchmark(equal, read_relations("jsonl", tmp_path, bad), bad=bad)


def test_scores_of_other_rows_are_refused_before_any_is_scored(make_row, paint: Paint, equal):
    rows = [make_row(picture=paint(f"{k}.png", k), where=f"a.csv, row {k}") for k in range(4)]

    def scores(*places: int, fit: Any = "crop") -> tuple[str, Any]:
        return "old.parquet", score_table([(rows[k], torch.ones(2)) for k in places], fit)

    for bad, other, expected in (
        (None, scores(0, 1, 2), "old.parquet: scores of 3 rows, expected 4"),
        (None, scores(0, 1, 3, 2), "row of a.csv, row 2 is 'a.csv, row 3', not 'a.csv, row 2'"),
        (None, scores(0, 1, 2, 3, fit="pad"), "fit of a.csv, row 0 is 'pad', not 'crop'"),
        ([], scores(1, 0), "old.parquet: other rows: a.csv, row 0 is none of these"),
    ):
        with pytest.raises(InputError, match=expected):
            benchmark(equal, rows, bad=bad, against=other)
    assert equal.calls == []
    assert len(benchmark(equal, rows, against=scores(0, 1, 2, 3)).scores) == 4
    assert len(benchmark(equal, rows, bad=[], against=scores(0, 2)).scores) == 4


def test_rows_are_counted_by_reason_and_the_first_are_named():
    bad = [BadRow(f"a.jsonl, row {k}", f"there is no picture data/{k}.png") for k in range(5)]
    bad.append(BadRow("a.jsonl, row 9", "field 'caption' is missing; found x"))
    missing, field = skipped_rows(bad)
    assert (missing["name"], missing["n"]) == ("there is no picture …", 5)
    assert missing["note"].count("; ") == NAMED - 1
    assert missing["note"].startswith("a.jsonl, row 0: there is no picture data/0.png; a.jsonl")
    assert (field["name"], field["n"]) == ("field … is missing; found x", 1)


def test_a_reason_is_the_message_without_its_row():
    for message, reason in (
        ("unknown relation 'eats'; not one of 66", "unknown relation …; not one of …"),
        ("the crop [1, 2, 3, 4] is outside /a/b.jpg", "the crop … is outside …"),
        ('caption "it\'s long": 90 tokens', "caption …: … tokens"),
    ):
        assert reason_of(message) == reason


def test_reasons_without_end_are_put_together():
    rows = skipped_rows(BadRow("a.jsonl, row 1", "x" * (1 + k % 100)) for k in range(1000))
    assert len(rows) == KINDS + 1
    assert rows[-1]["name"] == REST
    assert sum(one["n"] for one in rows) == 1000
