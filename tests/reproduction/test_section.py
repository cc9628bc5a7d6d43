"""Sections: drawings are data, and their captions have three parts."""

import pandas as pd

from lrinterp.reproduction.section import Drawing, Section
from lrinterp.result import Metric


def drawing(**changes: object) -> Drawing:
    table = pd.DataFrame({"arm": ["a", "b"], "order": [0.4, 0.6]})
    fields = {
        "key": "k", "title": "T", "how_to_read": "Each bar is a mean.", "expected": "more",
        "came": "less", "kind": "bars", "table": table, "options": {"x": "order", "y": "arm"},
    }  # fmt: skip
    return Drawing(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_caption_says_how_to_read_what_was_expected_and_what_came():
    figure = drawing().figure
    assert figure.how_to_read == "Each bar is a mean. Expected: more. Came: less."
    assert figure.plot.data[0].type == "bar"  # type: ignore[union-attr]


def test_a_reference_is_drawn_where_there_is_one():
    bare, lined = drawing().figure, drawing(reference=(0.5, "chance")).figure
    assert not bare.plot.layout.shapes  # type: ignore[union-attr]
    assert len(lined.plot.layout.shapes) == 1  # type: ignore[union-attr]


def test_a_section_is_a_result():
    section = Section(
        name="x",
        question="Is it?",
        found="It is.",
        notes=("Perhaps.",),
        numbers={"a": Metric(value=1.0)},
        table=pd.DataFrame({"a": [1]}),
        drawings=(drawing(),),
    )
    assert (section.finding, section.caveats, section.reason) == ("It is.", ("Perhaps.",), "")
    assert section.metrics["a"].value == 1.0
    assert len(section.frame()) == len(section.figures()) == 1
