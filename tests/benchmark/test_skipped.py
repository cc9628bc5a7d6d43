import pytest

from lrinterp.benchmark.skipped import KINDS, NAMED, REST, reason_of, skipped_rows
from lrinterp.scenes.natural import BadRow


def test_rows_are_counted_by_reason_and_the_first_are_named():
    bad = [BadRow(f"a.jsonl, row {k}", f"there is no picture data/{k}.png") for k in range(5)]
    bad.append(BadRow("a.jsonl, row 9", "field 'caption' is missing; found x"))
    missing, field = skipped_rows(bad)
    assert (missing["name"], missing["n"]) == ("there is no picture …", 5)
    assert missing["note"].count("; ") == NAMED - 1
    assert missing["note"].startswith("a.jsonl, row 0: there is no picture data/0.png; a.jsonl")
    assert (field["name"], field["n"]) == ("field … is missing; found x", 1)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("unknown relation 'eats'; not one of 66", "unknown relation …; not one of …"),
        ("not valid JSON (line 3)", "not valid JSON …"),
        ("the crop [1, 2, 3, 4] is outside /a/b.jpg", "the crop … is outside …"),
        ('caption "it\'s long": 90 tokens', "caption …: … tokens"),
    ],
)
def test_a_reason_is_the_message_without_its_row(message: str, reason: str):
    assert reason_of(message) == reason


def test_reasons_without_end_are_put_together():
    rows = skipped_rows(BadRow("a.jsonl, row 1", "x" * (1 + k % 100)) for k in range(1000))
    assert len(rows) == KINDS + 1
    assert rows[-1]["name"] == REST
    assert sum(one["n"] for one in rows) == 1000
