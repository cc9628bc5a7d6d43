"""A map over a picture: the right picture, the right way up, and cells where its patches are."""

import base64
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lrinterp.charts import Chart, Picture, overlay
from lrinterp.charts.draw import draw
from lrinterp.charts.theme import COLORS

HOSTILE = "</script><img src=x onerror=alert(1)><b>bold</b>"
RED = (255, 0, 0)


def corner() -> np.ndarray:
    """A black picture of 4 x 4 patches of 20 pixels; the top right patch is red."""
    pixels = np.zeros((80, 80, 3), dtype=np.uint8)
    pixels[:20, 60:] = RED
    return pixels


def cells(**pictures: np.ndarray) -> pd.DataFrame:
    rows = [
        {"picture": name, "row": i + 1, "column": j + 1, "score (logits)": float(value)}
        for name, values in pictures.items()
        for (i, j), value in np.ndenumerate(values)
    ]
    return pd.DataFrame(rows)


def hot(row: int, column: int) -> np.ndarray:
    values = np.zeros((4, 4))
    values[row, column] = 1.0
    return values


def layout(chart: Chart) -> Any:
    return draw(chart).layout


def traces(chart: Chart) -> list[Any]:
    return list(draw(chart).select_traces())


def decoded(source: str) -> np.ndarray:
    kind, data = source.split(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.fixture
def pair() -> Chart:
    """A picture and its mirror image."""
    pictures = {"a": Picture(pixels=corner()), "b": Picture(pixels=corner()[:, ::-1])}
    return overlay(cells(a=hot(2, 0), b=hot(2, 3)), pictures, z="score (logits)")


def test_each_panel_holds_its_own_picture_whole(pair: Chart):
    first, second = layout(pair).images
    np.testing.assert_array_equal(decoded(first.source), corner())
    np.testing.assert_array_equal(decoded(second.source), corner()[:, ::-1])
    assert (first.xref, first.yref, second.xref, second.yref) == ("x", "y", "x2", "y2")
    for image in (first, second):
        assert (image.x, image.y, image.xanchor, image.yanchor) == (0.5, 0.5, "left", "top")
        assert (image.sizex, image.sizey, image.sizing, image.layer) == (4, 4, "stretch", "below")


def test_row_1_is_at_the_top_and_patches_keep_their_shape(pair: Chart):
    for x, y, name in (("xaxis", "yaxis", "x"), ("xaxis2", "yaxis2", "x2")):
        assert layout(pair)[x].range == (0.5, 4.5)
        assert layout(pair)[y].range == (4.5, 0.5)
        assert layout(pair)[y].scaleanchor == name
        assert layout(pair)[y].scaleratio == 1
        assert not layout(pair)[x].visible
    first, second = traces(pair)
    assert first.z[2][0] == second.z[2][3] == 1
    assert list(first.x) == list(first.y) == [1, 2, 3, 4]
    wide = Picture(pixels=np.zeros((20, 80, 3), dtype=np.uint8))
    figure = overlay(cells(a=np.zeros((4, 4))), {"a": wide}, z="score (logits)")
    assert layout(figure).yaxis.scaleratio == 0.25


def test_zero_is_transparent_and_a_sign_diverges(pair: Chart):
    signed = layout(pair).coloraxis
    assert (signed.cmin, signed.cmax) == (-1, 1)
    zero = dict(signed.colorscale)[0.5]
    assert zero.endswith(",0)")
    picture = {"a": Picture(pixels=corner())}
    rising = layout(
        overlay(cells(a=hot(0, 0)), picture, z="score (logits)", ends=(0.0, 2.0))
    ).coloraxis
    assert (rising.cmin, rising.cmax) == (0, 2)
    assert rising.colorscale[0][1].endswith(",0)")
    assert rising.colorscale[-1][1] == signed.colorscale[-1][1]
    assert all(trace.coloraxis == "coloraxis" for trace in traces(pair))


def test_colours_on_a_picture_are_none_that_a_dark_page_swaps(pair: Chart):
    stops = [color for _, color in layout(pair).coloraxis.colorscale]
    assert not set(stops) & set(COLORS.values())


def test_hovering_tells_row_column_value_and_unit(pair: Chart):
    first, _ = traces(pair)
    assert first.hovertext[2][0] == "picture a · row 3 · column 1 · score 1 logits"


def test_maps_by_name_make_a_panel_for_each_picture():
    both = cells(a=hot(0, 0), b=hot(0, 3))
    frame = pd.concat([both.assign(map="one"), both.assign(map="two")])
    pictures = {"a": Picture(pixels=corner()), "b": Picture(pixels=corner()[:, ::-1])}
    figure = overlay(frame, pictures, z="score (logits)", by="map")
    titles = [note.text for note in layout(figure).annotations]
    assert titles == ["one, a", "one, b", "two, a", "two, b"]
    corners = [tuple(decoded(image.source)[0, 0]) for image in layout(figure).images]
    assert corners == [(0, 0, 0), RED, (0, 0, 0), RED]
    assert layout(figure).yaxis4.scaleanchor == "x4"
    grid = layout(figure).meta["grid"]
    assert grid["columns"] == 4
    assert layout(figure).meta["least"] - grid["size"][0] + grid["panel"][0] <= 360


def test_outlines_are_rectangles_around_their_patches():
    mask = np.zeros((4, 4), dtype=bool)
    mask[1:3, 2:] = True
    nothing = np.zeros((4, 4), dtype=bool)
    picture = Picture(pixels=corner(), outlines={"left": mask, "right": nothing})
    figure = overlay(cells(a=hot(0, 0)), {"a": picture}, z="score (logits)")
    halo, line = layout(figure).shapes
    for shape in (halo, line):
        assert (shape.x0, shape.x1, shape.y0, shape.y1) == (2.5, 4.5, 1.5, 3.5)
        assert (shape.xref, shape.yref) == ("x", "y")
    assert halo.line.width > line.line.width
    assert line.line.dash == "solid"


def test_a_patch_without_a_number_is_clear():
    values = hot(0, 0)
    values[3, 3] = np.nan
    figure = overlay(cells(a=values), {"a": Picture(pixels=corner())}, z="score (logits)")
    [trace] = traces(figure)
    assert np.isnan(trace.z[3][3])
    assert trace.hoverongaps is False


def test_a_picture_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"expected one of \['a'\], got picture 'b'"):
        overlay(cells(b=hot(0, 0)), {"a": Picture(pixels=corner())}, z="score (logits)")


def test_hostile_names_are_text():
    frame = cells(**{HOSTILE: hot(0, 0)}).assign(map=HOSTILE)
    picture = {HOSTILE: Picture(pixels=corner())}
    figure = overlay(frame, picture, z="score (logits)", by="map")
    [trace] = traces(figure)
    [title] = layout(figure).annotations
    for shown in (title.text, trace.hovertext[0][0]):
        assert "bold" in shown
        assert "<" not in shown.replace("&lt;", "")


def test_equal_input_gives_equal_bytes_and_the_table_is_untouched():
    frame, pictures = cells(a=hot(0, 0)), {"a": Picture(pixels=corner())}
    before = frame.copy()
    one, again = (draw(overlay(frame, pictures, z="score (logits)")).to_json() for _ in "ab")
    assert one == again
    pd.testing.assert_frame_equal(frame, before)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = [os.environ.get("CHROMIUM"), *map(shutil.which, names)]
    path = next((candidate for candidate in found if candidate), None)
    if path is None:
        pytest.skip("needs Chromium: install it or set CHROMIUM to its path")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


PANELS = """() => {
  const box = document.querySelector('.js-plotly-plot').getBoundingClientRect();
  const all = document.querySelector('.js-plotly-plot')._fullLayout;
  return ['', '2'].map((k) => [all['xaxis' + k], all['yaxis' + k]]).map(([x, y]) =>
    [box.left + x._offset, box.top + y._offset, x._length, y._length]);
}"""


@pytest.mark.browser
def test_in_a_browser_cells_lie_on_their_patches(chromium: Any, pair: Chart, tmp_path: Path):
    """The red patch is seen at the top right, in the mirror image at the top left; the cell with
    a value tints row 3 at the left, in the mirror image at the right.
    """
    path = tmp_path / "figure.html"
    draw(pair).write_html(path, include_plotlyjs=True)
    page = chromium.new_page(viewport={"width": 900, "height": 600})
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
