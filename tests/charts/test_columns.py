"""Numbers and hover texts as a reader of a chart meets them."""

import pandas as pd
import pytest

from lrinterp.charts.columns import digits, hover, number, wrapped


def test_hovering_tells_every_column_in_words_and_the_interval_last():
    row = pd.DataFrame({"head": ["L0H2"], "position": [3], "contribution (logits)": [-1.2399]})
    assert hover(row).tolist() == ["head L0H2 · position 3 · contribution −1.24 logits"]
    row = pd.DataFrame({"order": [0.5], "low": [0.25], "high": [0.75], "n": [12]})
    assert hover(row).tolist() == ["order 0.5 · n 12 · [0.25, 0.75]"]


@pytest.mark.parametrize(
    ("values", "half", "expected"),
    [([0.5], 0.02, 3), ([0.5], 0.2, 2), ([0.5], 20.0, 0), ([12.0], 0.0, 1), ([2e-9], 0.0, 6)],
)
def test_numbers_have_the_digits_of_their_interval(values: list[float], half: float, expected: int):
    frame = pd.DataFrame({"v": values})
    ends = {"low": frame["v"] - half, "high": frame["v"] + half}
    assert digits(frame.assign(**ends), "v") == expected


def test_numbers_are_typeset_and_long_labels_break_into_lines():
    assert [number(v, 2) for v in (-0.5, -0.001, float("nan"))] == ["−0.50", "0.00", "–"]
    assert wrapped("without the key-position term of the score").count("<br>") == 1
