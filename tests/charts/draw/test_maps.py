"""Maps: cells in the order of the table; over a picture, the right one, the right way up."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lrinterp.charts import Chart, Picture, heatmap, overlay
from lrinterp.charts.draw import draw
from lrinterp.charts.theme import COLORS

RED = (255, 0, 0)
SHARE, SCORE = "share (logits)", "score (logits)"


def shares(value: float = 0.0, **options: Any) -> Chart:
    rows = [(h, t, 0.5 * i - 0.75 * j) for i, h in enumerate("BA") for j, t in enumerate("za")]
    cells = pd.DataFrame(rows, columns=["head", "term", SHARE])
    cells.loc[0, SHARE] = value
    return heatmap(cells, x="head", y="term", z=SHARE, **options)


def test_a_heatmap_keeps_the_order_of_the_table_and_centres_its_colours():
    figure = draw(shares())
    [trace] = figure.data
    assert (list(trace.x), list(trace.y)) == (["B", "A"], ["z", "a"])
    np.testing.assert_array_equal(trace.z, [[0, 0.5], [-0.75, -0.25]])
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (-0.75, 0.75)
    assert figure.layout.yaxis.autorange == "reversed"


def test_maps_share_their_colours_when_given_the_ends():
    scale = draw(shares(ends=(-2.0, 2.0))).layout.coloraxis
    assert (scale.cmin, scale.cmax) == (-2, 2)
    scale = draw(shares(ends=(0.0, 2.0))).layout.coloraxis
    assert (scale.cmin, scale.cmax, scale.colorscale[0][1]) == (0, 2, COLORS["zero"])


def test_a_cell_without_a_number_is_blank_and_a_wide_map_prints_none():
    [trace] = draw(shares(np.nan)).data
    assert np.isnan(trace.z[0][0])
    assert list(trace.text[0]) == ["", "0.500"]
    wide = pd.DataFrame({"x": range(13), "y": "row", "z": 1.0})
    assert draw(heatmap(wide, x="x", y="y", z="z")).data[0].text is None


def corner() -> np.ndarray:
    """A black picture of 4 x 4 patches of 20 pixels; the top right patch is red."""
    pixels = np.zeros((80, 80, 3), dtype=np.uint8)
    pixels[:20, 60:] = RED
    return pixels


PAIR = {"a": Picture(pixels=corner()), "b": Picture(pixels=corner()[:, ::-1])}
"""A picture and its mirror image."""


def cells(**pictures: np.ndarray) -> pd.DataFrame:
    rows = [
        {"picture": name, "row": i + 1, "column": j + 1, SCORE: float(value)}
        for name, values in pictures.items()
        for (i, j), value in np.ndenumerate(values)
    ]
    return pd.DataFrame(rows)


def hot(row: int, column: int) -> np.ndarray:
    values = np.zeros((4, 4))
    values[row, column] = 1.0
    return values


def decoded(source: str) -> np.ndarray:
    kind, data = source.split(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.fixture(scope="module")
def pair() -> Any:
    return draw(overlay(cells(a=hot(2, 0), b=hot(2, 3)), PAIR, z=SCORE))


def test_each_panel_holds_its_own_picture_whole(pair: Any):
    first, second = pair.layout.images
    np.testing.assert_array_equal(decoded(first.source), corner())
    np.testing.assert_array_equal(decoded(second.source), corner()[:, ::-1])
    assert (first.xref, first.yref, second.xref, second.yref) == ("x", "y", "x2", "y2")
    for image in (first, second):
        assert (image.x, image.y, image.xanchor, image.yanchor) == (0.5, 0.5, "left", "top")
        assert (image.sizex, image.sizey, image.sizing, image.layer) == (4, 4, "stretch", "below")


def test_row_1_is_at_the_top_and_patches_keep_their_shape(pair: Any):
    for k in ("", "2"):
        x, y = pair.layout[f"xaxis{k}"], pair.layout[f"yaxis{k}"]
        assert (x.range, y.range, x.visible) == ((0.5, 4.5), (4.5, 0.5), False)
        assert (y.scaleanchor, y.scaleratio, y.matches) == (f"x{k}", 1, None)
    first, second = pair.data
    assert first.z[2][0] == second.z[2][3] == 1
    assert list(first.x) == list(first.y) == [1, 2, 3, 4]
    assert first.hovertext[2][0] == "picture a · row 3 · column 1 · score 1 logits"
    wide = Picture(pixels=np.zeros((20, 80, 3), dtype=np.uint8))
    figure = draw(overlay(cells(a=np.zeros((4, 4))), {"a": wide}, z=SCORE))
    assert figure.layout.yaxis.scaleratio == 0.25


def test_zero_is_transparent_a_sign_diverges_and_no_colour_is_one_that_a_page_swaps(pair: Any):
    signed = pair.layout.coloraxis
    assert (signed.cmin, signed.cmax) == (-1, 1)
    assert dict(signed.colorscale)[0.5].endswith(",0)")
    assert not {color for _, color in signed.colorscale} & set(COLORS.values())
    rising = draw(overlay(cells(a=hot(0, 0)), PAIR, z=SCORE, ends=(0.0, 2.0))).layout.coloraxis
    assert (rising.cmin, rising.cmax) == (0, 2)
    assert rising.colorscale[0][1].endswith(",0)")
    assert rising.colorscale[-1][1] == signed.colorscale[-1][1]


def test_maps_by_name_make_a_panel_for_each_picture():
    both = cells(a=hot(0, 0), b=hot(0, 3))
    frame = pd.concat([both.assign(map="one"), both.assign(map="two")])
    layout = draw(overlay(frame, PAIR, z=SCORE, by="map")).layout
    assert [note.text for note in layout.annotations] == ["one, a", "one, b", "two, a", "two, b"]
    corners = [tuple(decoded(image.source)[0, 0]) for image in layout.images]
    assert corners == [(0, 0, 0), RED, (0, 0, 0), RED]
    assert layout.yaxis4.scaleanchor == "x4"
    grid = layout.meta["grid"]
    assert grid["columns"] == 4
    assert layout.meta["least"] - grid["size"][0] + grid["panel"][0] <= 360


def test_outlines_are_rectangles_around_their_patches():
    mask, nothing = np.zeros((2, 4, 4), dtype=bool)
    mask[1:3, 2:] = True
    picture = Picture(pixels=corner(), outlines={"left": mask, "right": nothing})
    halo, line = draw(overlay(cells(a=hot(0, 0)), {"a": picture}, z=SCORE)).layout.shapes
    for shape in (halo, line):
        assert (shape.x0, shape.x1, shape.y0, shape.y1) == (2.5, 4.5, 1.5, 3.5)
        assert (shape.xref, shape.yref) == ("x", "y")
    assert halo.line.width > line.line.width
    assert line.line.dash == "solid"


def test_a_patch_without_a_number_is_clear():
    values = hot(0, 0)
    values[3, 3] = np.nan
    [trace] = draw(overlay(cells(a=values), PAIR, z=SCORE)).data
    assert np.isnan(trace.z[3][3])
    assert trace.hoverongaps is False


PANELS = """() => {
  const box = document.querySelector('.js-plotly-plot').getBoundingClientRect();
  const all = document.querySelector('.js-plotly-plot')._fullLayout;
  return ['', '2'].map((k) => [all['xaxis' + k], all['yaxis' + k]]).map(([x, y]) =>
    [box.left + x._offset, box.top + y._offset, x._length, y._length]);
}"""


@pytest.mark.browser
def test_in_a_browser_cells_lie_on_their_patches(browser: Any, pair: Any, tmp_path: Path):
    """The red patch is seen at the top right, in the mirror image at the top left; the cell with
    a value tints row 3 at the left, in the mirror image at the right.
    """
    path = tmp_path / "figure.html"
    pair.write_html(path, include_plotlyjs=True)
    page = browser.new_page(viewport={"width": 900, "height": 600})
    page.goto(path.as_uri())
    page.wait_for_selector(".js-plotly-plot .hm")
    page.wait_for_timeout(300)
    places = page.evaluate(PANELS)
    seen = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)
    page.close()
    for (left, top, width, height), (red, tinted) in zip(
        places, [((0, 3), (2, 0)), ((0, 0), (2, 3))], strict=True
    ):
        assert width == pytest.approx(height, abs=1)
        for row, column in np.ndindex(4, 4):
            x, y = left + (column + 0.5) * width / 4, top + (row + 0.5) * height / 4
            r, _, b = seen[round(y), round(x)]
            assert (r > 200) == ((row, column) == red)
            assert (b > 60) == ((row, column) == tinted)
