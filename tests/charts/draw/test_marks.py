"""Lines, bands, shades and diagonals lie where their numbers are; names do not collide."""

import numpy as np
import pandas as pd
import pytest

from lrinterp.charts import bars, diagonal, lines, reference, regions, scatter
from lrinterp.charts.draw import draw

ROOM = (False, True)
POINTS = pd.DataFrame({"row": [1, 2, 1], "share": [0.5, 1.0, -2.0]})


def test_a_reference_widens_the_axis_where_it_must():
    chart = bars(POINTS, x="share", y="row", mark="dot", x_range=(-3.0, 3.0))
    inside, beyond = (draw(reference(chart, at, "null")).layout for at in (1.0, 4.0))
    assert inside.xaxis.range == (-3, 3)
    assert beyond.xaxis.range[1] > 4
    [line] = beyond.shapes
    assert (line.x0, line.x1, line.yref) == (4, 4, "y domain")
    assert [note.text for note in beyond.annotations][-1] == "null"
    assert draw(chart).layout.xaxis.range == (-3, 3)


def test_a_reference_band_lies_across_every_panel():
    chart = lines(POINTS.assign(kind=[*"aab"]), x="row", y="share", facet="kind")
    bands = draw(reference(chart, (0.45, 0.55), "null")).layout.shapes
    ends = [(band.y0, band.y1, band.yref, band.xref) for band in bands]
    assert ends == [(0.45, 0.55, "y", "x domain"), (0.45, 0.55, "y2", "x2 domain")]


def test_a_diagonal_runs_from_corner_to_corner_of_equal_axes():
    layout = draw(diagonal(scatter(POINTS, x="row", y="share", x_range=(0.0, 3.0)))).layout
    [line] = layout.shapes
    assert layout.xaxis.range == layout.yaxis.range
    assert (line.x0, line.x1) == (line.y0, line.y1) == layout.xaxis.range
    assert layout.xaxis.range[0] < -2 < 2 < layout.xaxis.range[1]


def test_names_that_would_collide_are_moved_apart_and_others_stay():
    same = pd.DataFrame({"x": [0, 1] * 4, "y": [0.0, 1.0] * 4, "by": np.repeat(list("abcd"), 2)})
    layout = draw(lines(same, x="x", y="y", by="by")).layout
    shifts = sorted(note.yshift for note in layout.annotations)
    assert (np.diff(shifts) >= 14).all()
    assert abs(sum(shifts)) <= 2
    apart = draw(lines(same.assign(y=[0, 0, 0, 1] * 2)[:4], x="x", y="y", by="by")).layout
    assert [note.yshift for note in apart.annotations] == [0, 0]


def test_names_are_moved_on_the_axis_that_is_shown():
    """Where a wider range is asked for, names that were apart come close."""
    frame = pd.DataFrame({"x": [0, 1] * 2, "y": [0.5, 0.5, 0.6, 0.6], "by": [*"aabb"]})
    near, far = (lines(frame, x="x", y="y", by="by", y_range=(0.0, top)) for top in (20.0, 1.0))
    moved = [note.yshift for note in draw(near).layout.annotations]
    assert moved[1] - moved[0] >= 13
    assert [note.yshift for note in draw(far).layout.annotations] == [0, 0]


def test_names_above_the_panel_get_room():
    same = pd.DataFrame({"x": [0, 1] * 9, "y": 1.0, "by": np.repeat(list("abcdefghi"), 2)})
    same.loc[0, "y"] = 0.0
    plain, roomy = (draw(lines(same, x="x", y="y", by="by", headroom=h)).layout for h in ROOM)
    more = roomy.height - plain.height
    assert more > 0
    assert roomy.margin.t - plain.margin.t == more


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
    layout = draw(regions(plot, claims, y="claim", start="start", end="end", facet="arm")).layout
    least, most = layout.xaxis.range
    assert least < -2.0
    shades = [shape for shape in layout.shapes if shape.type != "line"]
    assert [(shade.x0, shade.x1, shade.xref) for shade in shades] == [
        (0.05, most, "x"), (least, 0.3, "x"), (-2.0, 0.1, "x2"), (least, 0.3, "x2"),
    ]  # fmt: skip
    assert [(shade.y0, shade.y1) for shade in shades[:2]] == [(-0.4, 0.4), (0.6, 1.4)]
    edges = [shape.x0 for shape in layout.shapes if shape.type == "line"]
    assert edges == [0.05, 0.3, -2.0, 0.1, 0.3]


def test_shades_without_any_bound_fill_their_rows(claims: pd.DataFrame):
    frame = claims.assign(start=np.nan, end=np.nan)
    plot = bars(frame[["claim", "effect", "arm"]], x="effect", y="claim", facet="arm")
    shaded = draw(regions(plot, frame, y="claim", start="start", end="end", facet="arm")).layout
    assert shaded.xaxis.range == draw(plot).layout.xaxis.range
    assert len(shaded.shapes) == 4
