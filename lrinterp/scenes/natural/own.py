"""One's own rows: `relations.jsonl` or `relations.csv` in a folder, or any such file itself.

| column | what |
|---|---|
| `relation` | the relation that holds, such as `left of`; needed |
| `caption`, `foil` | the right caption and a wrong one |
| `captions`, `right` | or: two or more captions, and the index of the right one from 0 |
| `picture` | its file, from the folder of the rows; left out for captions alone |
| `crop` | x0, y0, x1, y1 in pixels |
| `axis` | horizontal, vertical, depth or other; else it follows from the relation |
| `subject`, `object` | what the right caption is about |
| `subject_box`, `object_box` | x0, y0, x1, y1 as fractions of the cropped picture |
| `group` | rows that share it are not independent; else the picture, else the row by itself |
| `pair`, `set` | rows that must all be right for the pair or set to count |
| `kind` | how the wrong captions are made: object swap, word swap or relation (the default) |

In JSON, captions, crop and boxes are lists. In CSV, captions are separated by `|`, numbers by
spaces, and an empty cell means that the column is left out.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lrinterp.scenes.natural.phrases import axis_of
from lrinterp.scenes.natural.relation import Axis, Foil, Relation
from lrinterp.scenes.natural.source import (
    CROP,
    Row,
    Suite,
    Whole,
    csv_rows,
    existing,
    json_lines,
    listed,
)
from lrinterp.store import InputError

__all__ = ["CSV", "JSONL"]

COLUMNS = tuple(
    "relation caption foil captions right picture crop axis subject object subject_box object_box "
    "group pair set kind".split()
)
NUMBERS = ("crop", "subject_box", "object_box")
BOX = listed(float, 4, "numbers")


def relations_of_json(row: Row) -> list[Relation]:
    """A line of JSON."""
    return [relation(row, "jsonl")]


def relations_of_csv(row: Row) -> list[Relation]:
    """A row of CSV."""
    return [relation(replace(row, value=from_cells(row.fields)), "csv")]


def from_cells(cells: Mapping[str, str]) -> dict[str, Any]:
    """The cells of a CSV row as JSON would hold them, but for numbers, which are still text."""
    value: dict[str, Any] = {name: cell.strip() for name, cell in cells.items()}
    value |= {name: value[name].split() for name in NUMBERS if name in value}
    if "captions" in value:
        value["captions"] = [part.strip() for part in value["captions"].split("|")]
    return value


def relation(row: Row, suite: str) -> Relation:
    """One row; null and empty text count as left out."""
    given = {name: value for name, value in row.fields.items() if value not in (None, "")}
    row = replace(row, value=given)
    if unknown := [name for name in row.fields if name not in COLUMNS]:
        raise InputError(f"unknown column {unknown[0]!r}; expected {', '.join(COLUMNS)}")
    name, picture = row.field("relation"), row.get("picture")
    captions, right = options(row)
    boxes = {one: row.get(f"{one}_box", BOX, None) for one in ("subject", "object")}
    return Relation(
        suite=suite,
        where=row.where,
        picture=existing(row.file.parent / picture) if picture else None,
        crop=row.get("crop", CROP, None),
        captions=captions,
        right=right,
        relation=name,
        axis=row.get("axis", Axis, axis_of(name)),
        subject=row.get("subject"),
        object=row.get("object"),
        group=row.get("group") or picture or row.where,
        pair=row.get("pair"),
        set=row.get("set"),
        foil=row.get("kind", Foil, "relation"),
        boxes={one: box for one, box in boxes.items() if box},
    )


def options(row: Row) -> tuple[tuple[str, ...], int]:
    """The captions and the index of the right one, by either pair of columns."""
    given = [name for name in ("caption", "foil", "captions", "right") if name in row.fields]
    if given == ["caption", "foil"]:
        return (row.field("caption"), row.field("foil")), 0
    if given == ["captions", "right"]:
        return row.field("captions", tuple[str, ...]), row.field("right", Whole)
    raise InputError(
        f"expected caption and foil, or captions and right; got {', '.join(given) or 'neither'}"
    )


JSONL = Suite(
    name="jsonl",
    files={"relations.jsonl": ""},
    rows=json_lines,
    relations=relations_of_json,
    any_name=True,
)
CSV = Suite(
    name="csv",
    files={"relations.csv": ""},
    rows=csv_rows,
    relations=relations_of_csv,
    any_name=True,
)
