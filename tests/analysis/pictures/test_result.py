"""Figures, words and table of a photograph and its mirror image, from fields made by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lrinterp.analysis.over_picture_result import OverPicture, pictures_of
from lrinterp.report import page
from lrinterp.result import Provenance

HOSTILE = "</script><img src=x onerror=alert(1)><b>cat</b>"


def made(shares: list[list[float]], name: str = "cat", side: str = "object") -> OverPicture:
    """Two pictures of 2 x 2 patches, the objects in the lower row, one red patch at the top."""
    pictures = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    pictures[0, :4, :4, 0] = pictures[1, :4, 4:, 0] = 255
    maps = np.zeros((6, 2, 2, 2))
    maps[:2, :, 1] = shares
    maps[2:, :, 1] = [[[1.0, -2.0]] * 2, [[0.5, 0.5]] * 2, [[0.1, 0.0]] * 2, [[0.0, -0.3]] * 2]
    sides = np.zeros((2, 2, 2, 2), dtype=bool)
    sides[0, :, 1, 0] = sides[1, :, 1, 1] = True
    return OverPicture(
        pictures=pictures,
        maps=maps,
        sides=sides,
        side=side,
        objects=(name, "dog"),
        captions=(f"a {name} to the left of a dog", f"a {name} to the right of a dog"),
        margins=np.array([0.25, -0.125]),
        from_cls=np.array([0.05, 0.0]),
        head="L3H1",
        layers=4,
        n=8,
    )


def layout(figure: Any) -> Any:
    return figure.draw().layout


def panels(figure: Any) -> int:
    return len(list(figure.draw().select_traces()))


def test_maps_that_are_compared_share_a_figure_and_its_colours():
    figures = made([[0.2, 0.4], [0.2, 0.4]]).figures()
    assert [figure.key for figure in figures] == ["attention", "scores", "read", "gradient"]
    ends = [(layout(f).coloraxis.cmin, layout(f).coloraxis.cmax) for f in figures]
    assert ends == [(0, 0.4), (-2, 2), (-0.1, 0.1), (-0.3, 0.3)]
    assert [panels(figure) for figure in figures] == [4, 4, 2, 2]
    titles = [note.text for note in layout(figures[1]).annotations]
    assert titles[:2] == ["key-content of L3H1, photograph", "key-content of L3H1, mirror image"]
    for figure in figures:
        assert len(layout(figure).images) == panels(figure)
        assert figure.how_to_read.endswith(".")


def test_objects_are_outlined_only_where_they_are_known():
    known, halves = made([[0.2, 0.4]] * 2), made([[0.2, 0.4]] * 2, side="half")
    first = pictures_of(known)["photograph"]
    assert list(first.outlines) == ["left", "right"]
    assert first.outlines["left"].tolist() == [[False, False], [True, False]]
    assert not pictures_of(halves)["photograph"].outlines
    shapes = [shape.x0 for shape in layout(known.figures()[2]).shapes]
    assert shapes == [0.5, 0.5, 1.5, 1.5] * 2
    assert not layout(halves.figures()[2]).shapes


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([[0.2, 0.4], [0.1, 0.4]], "The right gets more in both, as it would by a preference"),
        ([[0.4, 0.2], [0.4, 0.1]], "The left gets more in both, as it would by a preference"),
        ([[0.4, 0.2], [0.2, 0.4]], "The cat gets more on either side, which goes with what"),
        ([[0.2, 0.4], [0.4, 0.2]], "The dog gets more on either side, which goes with what"),
        ([[0.2, 0.2], [0.4, 0.2]], "In at least one of the two, both sides get nearly the same"),
    ],
)
def test_what_the_head_goes_by_is_said_in_words(shares: list[list[float]], expected: str):
    assert expected in made(shares).finding


def test_the_words_hold_the_numbers():
    finding = made([[0.2, 0.4], [0.1, 0.4]]).finding
    assert "by a cosine of 0.2500 in the photograph and −0.1250 in the mirror image" in finding
    assert "L3H1 gives the left object 0.200 of CLS's attention and the right one 0.400" in finding
    caveat = made([[0.2, 0.4]] * 2).caveats[2]
    assert "the heads of layer 3 read all but 0.1000 and −0.2250 from patches and CLS" in caveat


def test_a_patch_under_both_objects_is_told_so():
    result = made([[0.2, 0.4]] * 2)
    both = replace(result, sides=np.ones_like(result.sides))
    assert set(both.frame()["object"]) == {"left and right"}
    frame = result.frame()
    read = frame[frame["map"] == "read by layer 3"]
    assert read["object"].tolist() == ["–", "–", "left", "right"] * 2
    assert read["unit"].unique().tolist() == ["cosine"]


def test_hostile_names_stay_data_on_a_page():
    """Whatever an object is called, the page has the same elements."""
    pages = [
        page({"over_picture": made([[0.2, 0.4]] * 2, name)}, Provenance(checkpoint="c"))
        for name in ("cat", HOSTILE)
    ]
    assert "onerror=alert(1)" in pages[1]
    for tag in ("<img", "<b>", "</script"):
        assert pages[0].count(tag) == pages[1].count(tag)
