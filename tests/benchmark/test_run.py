"""Small samples in each published format, counted by hand, and models with one idea."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lrinterp.benchmark import Benchmark, benchmark
from lrinterp.scenes.natural import BadRow, read_relations
from lrinterp.store import InputError

Paint = Callable[[str, int], Path]
Numbers = dict[str, float]


def values(result: Benchmark) -> Numbers:
    """Every mean of a result: `measure:name`."""
    measured = ("macro", "all", "axis", "recall", "choice", "pair", "set", "relation")
    return {
        f"{row['measure']}:{row['name']}": row["value"]
        for row in result.frame().to_dict("records")
        if row["measure"] in measured and (not row["subset"] or row["measure"] == "relation")
    }


def ran(model: Any, suite: str, folder: Path, **more: Any) -> Benchmark:
    return benchmark(model, read_relations(suite, folder), progress=False, **more)


def write_aro(folder: Path, paint: Paint) -> None:
    """Two rows of eating, one of riding, two of near, which the mean leaves out."""
    rows = []
    for k, relation in enumerate(("eating", "eating", "riding", "near", "near")):
        paint(f"images/{k}.jpg", k)
        box = {"bbox_x": 0, "bbox_y": 0, "bbox_w": 4, "bbox_h": 4}
        said = {
            "true_caption": f"the horse is {relation} the grass",
            "false_caption": f"the grass is {relation} the horse",
        }
        rows.append({"image_path": f"{k}.jpg", **box, "relation_name": relation, **said})
    (folder / "visual_genome_relation.json").write_text(json.dumps(rows))


def test_aro(tmp_path: Path, paint: Paint, choosing):
    write_aro(tmp_path, paint)
    good, bad = "the horse is", "the grass is"
    result = ran(choosing({0: good, 1: bad, 2: good, 3: bad, 4: bad}), "aro", tmp_path)
    found = values(result)
    assert found["relation:eating"] == 0.5
    assert found["relation:riding"] == 1.0
    assert found["relation:near"] == 0.0
    assert found["macro:"] == (0.5 + 1.0) / 2
    assert found["all:"] == 2 / 5
    assert "NegCLIP" in result.finding


WORDS = {"left": "to the left of", "right": "to the right of", "on": "on", "under": "under"}
REDS = {"left": 0, "right": 1, "on": 2, "under": 3}


def write_whatsup(folder: Path, paint: Paint) -> None:
    """Set A of one pair of objects, and three rows of COCO-spatial with two objects."""
    rows = []
    for word, phrase in WORDS.items():
        of = "_of" if word in ("left", "right") else ""
        name = f"mug_{word}{of}_table.jpeg"
        paint(f"controlled_images/{name}", REDS[word])
        said = [phrase, *(other for other in WORDS.values() if other != phrase)]
        options = [f"A mug {words} a table" for words in said]
        rows.append({"image_path": f"data/controlled_images/{name}", "caption_options": options})
    (folder / "controlled_images_dataset.json").write_text(json.dumps(rows))
    asked = []
    for k, (right, wrong) in enumerate((("left", "right"), ("right", "left"), ("left", "right"))):
        paint(f"val2017/{k:012}.jpg", 10 + k)
        asked.append([k, *(f"A photo of a dog to the {side} of a cat" for side in (right, wrong))])
    (folder / "coco_qa_two_obj.json").write_text(json.dumps(asked))


def test_whatsup(tmp_path: Path, paint: Paint, choosing):
    write_whatsup(tmp_path, paint)
    chosen = {0: "left", 1: "left", 2: " on ", 3: "under", 10: "left", 11: "left", 12: "right"}
    result = ran(choosing(chosen), "whatsup", tmp_path)
    table = result.frame().set_index(["measure", "subset", "name"])["value"]
    assert table["all", "controlled A", ""] == 3 / 4
    assert table["all", "COCO two objects", ""] == 1 / 3
    assert table["all", "", ""] == 4 / 7
    assert table["pair", "", ""] == 1 / 2  # on and under; left and right fail
    assert table["set", "", ""] == 0.0
    assert table["recall", "", "left"] == 2 / 3
    assert table["recall", "", "right"] == 0.0
    assert table["choice", "", "left"] == 4 / 7
    assert table["relation", "COCO two objects", "left of"] == 1 / 2
    assert table["macro", "controlled A", ""] == (1 + 0 + 1 + 1) / 4
    assert table["macro", "", ""] == (1 + 0 + 1 + 1 + 1 / 2 + 0) / 6
    chances = result.frame().set_index(["measure", "subset", "name"])["chance"]
    assert chances["all", "", ""] == pytest.approx((4 / 4 + 3 / 2) / 7)
    assert chances["pair", "", ""] == 1 / 16


def test_equal_scores_give_chance_on_whatsup(tmp_path: Path, paint: Paint, equal):
    write_whatsup(tmp_path, paint)
    (tmp_path / "coco_qa_two_obj.json").unlink()
    result = ran(equal, "whatsup", tmp_path)
    found = values(result)
    assert (found.pop("pair:"), found.pop("set:")) == (1 / 16, 1 / 256)
    assert set(found.values()) == {0.25}


def test_vsr(tmp_path: Path, paint: Paint, choosing):
    """Two of three rows right; one false row and one without an opposite are left out."""
    said = [
        ("The cat is left of the dog.", "left of", 1),
        ("The cat is right of the bed.", "right of", 1),
        ("The cup is under the bed.", "under", 1),
        ("The cup is under the cat.", "under", 0),
        ("The cup is near the cat.", "near", 1),
    ]
    lines = []
    for k, (caption, relation, label) in enumerate(said):
        paint(f"images/{k}.jpg", k)
        fields = {"image": f"{k}.jpg", "caption": caption, "relation": relation, "label": label}
        lines.append(json.dumps(fields))
    (tmp_path / "test.jsonl").write_text("\n".join(lines))
    result = ran(choosing({0: "left", 1: "left", 2: "under"}), "vsr", tmp_path)
    found = values(result)
    assert found["all:"] == 2 / 3
    assert found["macro:"] == (1 + 0 + 1) / 3
    assert (found["recall:left"], found["recall:right"], found["axis:vertical"]) == (1, 0, 1)
    left_out = result.rows("left out")
    assert {row["name"]: row["n"] for row in left_out} == {
        "its caption is not true of the picture": 1, "its relation has no opposite": 1,
    }  # fmt: skip
    assert any("Left out, 1 row: its relation has no opposite" in c for c in result.caveats)


def write_nlvr(folder: Path, paint: Paint) -> None:
    """Two pictures of a black dot at the left of a blue square: four rows, two pairs."""
    lines = []
    for k in range(2):
        paint(f"images/{k}.png", k)
        place = {"left_xysize": [0, 1, 2], "right_xysize": [4, 1, 2], "crop": [0, 0, 8, 6]}
        things = {"left": ["black", "dot"], "right": ["blue", "square"]}
        lines.append(json.dumps({"image": f"images/{k}.png", **things, **place}))
    (folder / "pairs.jsonl").write_text("\n".join(lines))


def test_nlvr(tmp_path: Path, paint: Paint, choosing):
    write_nlvr(tmp_path, paint)
    rows = list(read_relations("nlvr", tmp_path))
    assert [row.captions[row.right] for row in rows[:2]] == [
        "a black dot to the left of a blue square",
        "a blue square to the right of a black dot",
    ]
    found = values(ran(choosing({0: "to the left", 1: "black dot to the"}), "nlvr", tmp_path))
    assert found["all:"] == (1 + 0 + 0.5 + 0.5) / 4  # picture 1 ties both captions of a row
    assert found["pair:"] == (0 + 0.25) / 2
    assert found["recall:left"] == (1 + 0.5) / 2


def test_a_model_that_always_says_right(tmp_path: Path, paint: Paint, rightist):
    write_nlvr(tmp_path, paint)
    result = ran(rightist, "nlvr", tmp_path)
    found = values(result)
    assert found["macro:"] == 0.5
    assert (found["recall:left"], found["recall:right"]) == (0.0, 1.0)
    assert (found["choice:left"], found["choice:right"], found["pair:"]) == (0.0, 1.0, 0.0)
    assert "it says right in a share of 1.000" in result.finding
    assert "it is so in a share of 0.500" in result.finding


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


@pytest.mark.parametrize("suite", ["jsonl", "csv"])
def test_rows_of_ones_own(tmp_path: Path, paint: Paint, choosing, suite: str):
    rows = own_rows(paint, 4)
    if suite == "jsonl":
        lines = [json.dumps(row) for row in rows]
    else:
        lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    (tmp_path / f"relations.{suite}").write_text("\n".join(lines))
    found = values(ran(choosing({0: "left", 1: "right", 2: "left"}), suite, tmp_path))
    assert found["all:"] == (1 + 1 + 1 + 0.5) / 4
    assert found["pair:"] == (1 + 0.5) / 2
    assert (found["recall:left"], found["recall:right"]) == (1, 0.75)


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


@pytest.mark.parametrize("row", REASONS)
def test_the_first_bad_row_ends_it(tmp_path: Path, paint: Paint, equal, row: int):
    path = broken(tmp_path, paint)
    path.write_text(path.read_text().splitlines()[row - 1] + "\n")
    with pytest.raises(InputError, match=rf"relations.jsonl, row 1: .*{REASONS[row]}"):
        ran(equal, "jsonl", tmp_path)


def test_bad_rows_are_skipped_and_listed(tmp_path: Path, paint: Paint, equal):
    broken(tmp_path, paint)
    bad: list[BadRow] = []
    rows = read_relations("jsonl", tmp_path, bad)
    result = benchmark(equal, rows, bad=bad, progress=False)
    assert result.metrics["accuracy"].n == 2
    assert result.metrics["skipped_rows"].value == 4
    notes = [row["note"] for row in result.rows("skipped")]
    assert len(notes) == 4
    for row, reason in REASONS.items():
        assert any(f"relations.jsonl, row {row}: " in note and reason in note for note in notes)
        assert any("Skipped" in c and f"row {row}" in c for c in result.caveats)
    assert [row["name"] for row in result.rows("incomplete")] == ["pair"]
    assert any("pair accuracy for lack of rows, 2 groups" in caveat for caveat in result.caveats)


def test_nothing_but_bad_rows_is_an_error(tmp_path: Path, paint: Paint, equal):
    rows = own_rows(paint, 2)
    (tmp_path / "relations.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for k in range(2):
        (tmp_path / f"pictures/{k}.png").write_text("no picture")
    bad: list[BadRow] = []
    with pytest.raises(InputError, match=r"no row could be scored \(2 bad rows; .*row 1"):
        benchmark(equal, read_relations("jsonl", tmp_path, bad), bad=bad, progress=False)


def test_a_limit_reads_the_first_rows_and_says_so(tmp_path: Path, paint: Paint, equal):
    rows = own_rows(paint, 6)
    (tmp_path / "relations.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = ran(equal, "jsonl", tmp_path, limit=4)
    assert result.metrics["accuracy"].n == 4
    assert "Only the first 4 rows were read." in result.caveats


def test_a_limit_that_was_not_reached_is_not_spoken_of(tmp_path: Path, paint: Paint, equal):
    rows = own_rows(paint, 3)
    (tmp_path / "relations.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = ran(equal, "jsonl", tmp_path, limit=1000)
    assert result.limit is None
    assert not any("Only the first" in caveat for caveat in result.caveats)


def test_no_rows_are_an_error(equal):
    with pytest.raises(InputError, match=r"no row could be scored \(0 bad rows\)"):
        benchmark(equal, [], progress=False)


def test_the_scores_of_every_row_are_kept(tmp_path: Path, paint: Paint, choosing):
    write_nlvr(tmp_path, paint)
    result = ran(choosing({0: "to the left", 1: "black dot to the"}), "nlvr", tmp_path, fit="pad")
    assert result.scores["row"].tolist() == [f"pairs.jsonl, row {k}" for k in (1, 1, 2, 2)]
    assert result.scores["scores"].tolist() == [[1, 0], [1, 0], [1, 1], [0, 0]]
    assert result.scores["credit"].tolist() == [1, 0, 0.5, 0.5]
    assert set(result.scores["fit"]) == {result.fit} == {"pad"}
    assert result.metrics["accuracy"].value == result.scores["credit"].mean()
