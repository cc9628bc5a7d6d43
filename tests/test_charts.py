import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp.charts import THEME, Chart, bars, heatmap, lines, reference, regions, scatter
from lrinterp.charts.draw import draw
from lrinterp.charts.theme import COLORS
from lrinterp.charts.words import digits, hover, number, wrapped

HOSTILE = "</script><img src=x onerror=alert(1)><b>bold</b>"


def layout(chart: Chart) -> Any:
    return draw(chart).layout


def traces(chart: Chart) -> list[Any]:
    return list(draw(chart).select_traces())


def plain(chart: Chart) -> dict[str, Any]:
    return json.loads(draw(chart).to_json() or "")


def luminance(color: str) -> float:
    parts = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture
def cells() -> pd.DataFrame:
    rows = [
        (h, t, 0.5 * i - 0.75 * j) for i, h in enumerate("BA") for j, t in enumerate(("z", "a"))
    ]
    return pd.DataFrame(rows, columns=["head", "term", "share (logits)"])


@pytest.fixture
def scores() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "step": [0, 1, 0, 1],
            "kind": ["intact", "intact", "cut", "cut"],
            "order": [0.5, 0.9, 0.5, 0.52],
            "low": [0.4, 0.88, 0.42, 0.44],
            "high": [0.6, 0.92, 0.58, 0.6],
        }
    )


@pytest.mark.parametrize("name", ["light", "dark"])
def test_contrast_is_aa_for_text_and_for_marks(name: str):
    color = THEME[name]["colors"]
    for text in ("ink", "muted", "accent", "second"):
        assert contrast(color[text], color["paper"]) >= 4.5, text
    for mark in ("faint", "less", "more"):
        assert contrast(color[mark], color["paper"]) >= 3, mark
    for stop in ("less", "little", "zero", "some", "more"):
        assert contrast(color["ink"], color[stop]) >= 4.5, stop


def test_both_themes_name_the_same_colours_and_each_light_one_is_unique():
    light, dark = THEME["light"]["colors"], THEME["dark"]["colors"]
    assert list(light) == list(dark)
    assert len(set(light.values())) == len(light)


def test_a_heatmap_keeps_the_order_of_the_table_and_centres_its_colours(cells: pd.DataFrame):
    figure = heatmap(cells, x="head", y="term", z="share (logits)")
    (trace,) = traces(figure)
    assert list(trace.x) == ["B", "A"]
    assert list(trace.y) == ["z", "a"]
    np.testing.assert_array_equal(trace.z, [[0, 0.5], [-0.75, -0.25]])
    scale = layout(figure).coloraxis
    assert (scale.cmin, scale.cmax) == (-0.75, 0.75)
    assert layout(figure).yaxis.autorange == "reversed"


def test_maps_share_a_limit_when_given_one(cells: pd.DataFrame):
    figure = heatmap(cells, x="head", y="term", z="share (logits)", ends=(-2.0, 2.0))
    assert (layout(figure).coloraxis.cmin, layout(figure).coloraxis.cmax) == (-2, 2)
    rising = heatmap(cells, x="head", y="term", z="share (logits)", ends=(0.0, 2.0))
    scale = layout(rising).coloraxis
    assert (scale.cmin, scale.cmax) == (0, 2)
    assert scale.colorscale[0][1] == COLORS["zero"]


def test_a_cell_without_a_number_is_blank(cells: pd.DataFrame):
    cells.loc[0, "share (logits)"] = np.nan
    (trace,) = traces(heatmap(cells, x="head", y="term", z="share (logits)"))
    assert np.isnan(trace.z[0][0])
    assert list(trace.text[0]) == ["", "0.500"]


def test_a_wide_map_prints_no_values():
    wide = pd.DataFrame({"x": range(13), "y": "row", "z": 1.0})
    (trace,) = traces(heatmap(wide, x="x", y="y", z="z"))
    assert trace.text is None


def test_two_rows_for_one_cell_are_an_error_that_names_it(cells: pd.DataFrame):
    twice = pd.concat([cells, cells.tail(1)])
    with pytest.raises(ValueError, match="one row a cell, got several for head A, term a"):
        heatmap(twice, x="head", y="term", z="share (logits)")


def test_a_missing_column_is_an_error_that_lists_what_there_is(cells: pd.DataFrame):
    with pytest.raises(ValueError, match=r"expected one column 'heads', got columns \['head'"):
        heatmap(cells, x="heads", y="term", z="share (logits)")


def test_facets_stand_side_by_side_and_wrap(cells: pd.DataFrame):
    many = pd.concat([cells.assign(layer=k) for k in range(30)])
    figure = heatmap(many, x="head", y="term", z="share (logits)", facet="layer")
    titles = [note.text for note in layout(figure).annotations]
    assert titles == [f"layer {k}" for k in range(30)]
    assert len(traces(figure)) == 30
    assert layout(figure).meta["least"] <= 1300


def test_hovering_tells_every_column_in_words():
    row = pd.DataFrame({"head": ["L0H2"], "position": [3], "contribution (logits)": [-1.2399]})
    assert hover(row).tolist() == ["head L0H2 · position 3 · contribution −1.24 logits"]


def test_hovering_puts_the_interval_last():
    row = pd.DataFrame({"order": [0.5], "low": [0.25], "high": [0.75], "n": [12]})
    assert hover(row).tolist() == ["order 0.5 · n 12 · [0.25, 0.75]"]


def test_lines_are_named_at_their_right_end_and_one_is_highlighted(scores: pd.DataFrame):
    figure = lines(scores, x="step", y="order", by="kind", highlight="cut")
    ends = {note.text: note for note in layout(figure).annotations}
    assert set(ends) == {"intact", "cut"}
    assert ends["cut"].font.color == THEME["light"]["colors"]["accent"]
    assert ends["intact"].y == 0.9
    drawn = [trace for trace in traces(figure) if trace.fill is None]
    assert [trace.line.dash for trace in drawn] == ["solid", "solid"]
    assert sum(trace.fill == "toself" for trace in traces(figure)) == 2


def test_labels_that_would_collide_are_moved_apart():
    same = pd.DataFrame({"x": [0, 1] * 4, "y": [0.0, 1.0] * 4, "by": np.repeat(list("abcd"), 2)})
    figure = lines(same, x="x", y="y", by="by")
    shifts = sorted(note.yshift for note in layout(figure).annotations)
    assert (np.diff(shifts) >= 14).all()
    assert abs(sum(shifts)) <= 2


def test_labels_far_apart_stay_where_their_lines_end(scores: pd.DataFrame):
    figure = lines(scores, x="step", y="order", by="kind")
    assert [note.yshift for note in layout(figure).annotations] == [0, 0]


def test_bars_stand_in_the_order_of_the_table_with_their_values(scores: pd.DataFrame):
    last = scores.query("step == 1")
    figure = bars(last, x="order", y="kind", highlight="cut")
    (trace,) = traces(figure)
    assert list(trace.y) == ["intact", "cut"]
    np.testing.assert_allclose(trace.error_x.array, [0.02, 0.08])
    np.testing.assert_allclose(trace.error_x.arrayminus, [0.02, 0.08])
    assert [note.text for note in layout(figure).annotations] == ["0.90", "0.52"]
    assert layout(figure).xaxis.range[0] < 0 < layout(figure).xaxis.range[1]


def test_dots_need_no_zero(scores: pd.DataFrame):
    figure = bars(scores.query("step == 1"), x="order", y="kind", mark="dot")
    assert layout(figure).xaxis.range[0] > 0.4


def test_a_reference_widens_the_axis_and_leaves_the_figure_alone(scores: pd.DataFrame):
    before = bars(scores.query("step == 1"), x="order", y="kind", mark="dot")
    kept = plain(before)
    after = reference(before, 0.2, "chance")
    assert plain(before) == kept
    assert layout(after).xaxis.range[0] < 0.2
    (line,) = layout(after).shapes
    assert (line.x0, line.x1, line.yref) == (0.2, 0.2, "y domain")
    assert "chance" in [note.text for note in layout(after).annotations]


def test_a_reference_band_lies_across_every_panel(scores: pd.DataFrame):
    figure = lines(scores, x="step", y="order", facet="kind")
    bands = layout(reference(figure, (0.45, 0.55), "null")).shapes
    assert [(band.y0, band.y1, band.yref) for band in bands] == [
        (0.45, 0.55, y) for y in ("y", "y2")
    ]


def test_a_map_has_no_axis_for_a_reference(cells: pd.DataFrame):
    figure = heatmap(cells, x="head", y="term", z="share (logits)")
    with pytest.raises(ValueError, match="expected lines, bars or scatter"):
        reference(figure, 0.5, "chance")


def test_a_scatter_labels_few_points_and_not_many(scores: pd.DataFrame):
    (few,) = traces(scatter(scores, x="step", y="order", label="kind"))
    assert few.mode == "markers+text"
    many = pd.concat([scores] * 7)
    (crowd,) = traces(scatter(many, x="step", y="order", label="kind"))
    assert crowd.mode == "markers"


@pytest.mark.parametrize("build", ["heatmap", "lines", "bars", "scatter"])
def test_text_from_data_is_never_markup(build: str):
    names = {
        "x": f"x{HOSTILE}",
        "by": f"by{HOSTILE}",
        "facet": f"facet{HOSTILE}",
        "y": f"y{HOSTILE}",
    }
    frame = pd.DataFrame(
        {
            names["x"]: [HOSTILE, "plain"],
            names["by"]: HOSTILE,
            names["facet"]: HOSTILE,
            names["y"]: [1.0, 2.0],
        }
    )
    x, by, facet, y = names.values()
    figure = {
        "heatmap": lambda: heatmap(frame, x=x, y=by, z=y, facet=facet),
        "lines": lambda: reference(lines(frame, x=x, y=y, by=by, facet=facet), 1.0, HOSTILE),
        "bars": lambda: reference(bars(frame, x=y, y=x, facet=facet), 1.0, HOSTILE),
        "scatter": lambda: reference(scatter(frame, x=x, y=y, label=x, facet=facet), 1.0, HOSTILE),
    }[build]()
    texts = json.dumps(plain(figure))
    assert "&lt;img src=x onerror=alert(1)&gt;" in texts
    assert set(re.findall(r"<[^ ]*?>", texts)) <= {"<br>"}
    assert "<img" not in texts


def test_a_table_is_not_changed_by_drawing_it(scores: pd.DataFrame):
    kept = scores.copy()
    lines(scores, x="step", y="order", by="kind")
    bars(scores, x="order", y="kind", facet="step")
    pd.testing.assert_frame_equal(scores, kept)


@pytest.mark.parametrize(
    ("values", "half", "expected"),
    [([0.5], 0.02, 3), ([0.5], 0.2, 2), ([0.5], 20.0, 0), ([12.0], 0.0, 1), ([2e-9], 0.0, 6)],
)
def test_numbers_have_the_digits_of_their_interval(values: list[float], half: float, expected: int):
    frame = pd.DataFrame({"v": values})
    ends = {"low": frame["v"] - half, "high": frame["v"] + half}
    assert digits(frame.assign(**ends), "v") == expected


def test_numbers_are_typeset():
    assert number(-0.5, 2) == "−0.50"
    assert number(-0.001, 2) == "0.00"
    assert number(float("nan"), 2) == "–"


def test_long_labels_break_into_lines():
    assert wrapped("without the key-position term of the score").count("<br>") == 1


@pytest.fixture
def claims() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "claim": ["a", "b", "a", "b"],
            "effect": [0.1, 0.2, 0.3, 0.4],
            "arm": ["one", "one", "two", "two"],
            "start": [0.05, np.nan, -2.0, np.nan],
            "end": [np.nan, 0.3, 0.1, 0.3],
        }
    )


def test_a_shade_reaches_from_start_to_end_or_to_the_edge(claims: pd.DataFrame):
    plot = bars(claims, x="effect", y="claim", facet="arm", mark="dot")
    figure = regions(plot, claims, y="claim", start="start", end="end", facet="arm")
    least, most = layout(figure).xaxis.range
    assert least < -2.0
    shades = [shape for shape in layout(figure).shapes if shape.type != "line"]
    ends = [(shade.x0, shade.x1, shade.xref) for shade in shades]
    assert ends == [
        (0.05, most, "x"), (least, 0.3, "x"), (-2.0, 0.1, "x2"), (least, 0.3, "x2"),
    ]  # fmt: skip
    assert [(shade.y0, shade.y1) for shade in shades[:2]] == [(-0.4, 0.4), (0.6, 1.4)]
    edges = [shape.x0 for shape in layout(figure).shapes if shape.type == "line"]
    assert edges == [0.05, 0.3, -2.0, 0.1, 0.3]
    assert not layout(plot).shapes


def test_shades_without_any_bound_fill_their_rows(claims: pd.DataFrame):
    frame = claims.assign(start=np.nan, end=np.nan)
    plot = bars(frame[["claim", "effect", "arm"]], x="effect", y="claim", facet="arm")
    figure = regions(plot, frame, y="claim", start="start", end="end", facet="arm")
    assert layout(figure).xaxis.range == layout(plot).xaxis.range
    assert len(layout(figure).shapes) == 4
