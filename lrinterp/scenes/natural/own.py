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

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from lrinterp.scenes.natural.phrases import axis_of
from lrinterp.scenes.natural.relation import Axis, Box, Foil, Relation
from lrinterp.scenes.natural.source import Row, Suite, csv_rows, existing, json_lines
from lrinterp.store import InputError, shortened

__all__ = ["CSV", "JSONL"]

COLUMNS = tuple(
    "relation caption foil captions right picture crop axis subject object subject_box object_box "
    "group pair set kind".split()
)

T = TypeVar("T")


def relations_of_json(row: Row) -> list[Relation]:
    """A line of JSON."""
    return [relation(row, "jsonl")]


def relations_of_csv(row: Row) -> list[Relation]:
    """A row of CSV."""
    return [relation(Row(row.file, row.number, from_cells(row.fields)), "csv")]


def relation(row: Row, suite: str) -> Relation:
    """One row; null and empty text count as left out."""
    given = {name: value for name, value in row.fields.items() if value not in (None, "")}
    row = Row(row.file, row.number, given)
    if unknown := [name for name in row.fields if name not in COLUMNS]:
        raise InputError(f"unknown column {unknown[0]!r}; expected {', '.join(COLUMNS)}")
    name = row.text("relation")
    captions, right = options(row)
    return Relation(
        suite=suite,
        where=row.where,
        picture=picture(row),
        crop=crop(row),
        captions=captions,
        right=right,
        relation=name,
        axis=chosen(row, "axis", get_args(Axis), axis_of(name)),
        subject=optional(row, "subject"),
        object=optional(row, "object"),
        group=optional(row, "group") or optional(row, "picture") or row.where,
        pair=optional(row, "pair"),
        set=optional(row, "set"),
        foil=chosen(row, "kind", get_args(Foil), "relation"),
        boxes=boxes(row),
    )


def options(row: Row) -> tuple[tuple[str, ...], int]:
    """The captions and the index of the right one, by either pair of columns."""
    given = [name for name in ("caption", "foil", "captions", "right") if name in row.fields]
    if given == ["caption", "foil"]:
        return (row.text("caption"), row.text("foil")), 0
    if given == ["captions", "right"]:
        return row.texts("captions"), row.whole("right")
    raise InputError(
        f"expected caption and foil, or captions and right; got {', '.join(given) or 'neither'}"
    )


def picture(row: Row) -> Path | None:
    """The picture's file, which must be there."""
    return existing(row.file.parent / row.text("picture")) if "picture" in row.fields else None


def crop(row: Row) -> tuple[int, int, int, int] | None:
    """The crop in pixels."""
    if "crop" not in row.fields:
        return None
    x0, y0, x1, y1 = row.wholes("crop", 4)
    return x0, y0, x1, y1


def boxes(row: Row) -> dict[str, Box]:
    """The boxes that are given."""
    named = {name: f"{name}_box" for name in ("subject", "object")}
    return {name: box(row, column) for name, column in named.items() if column in row.fields}


def box(row: Row, column: str) -> Box:
    """Four fractions."""
    values = row.several(column, 4)
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        raise InputError(f"field {column!r}: expected four numbers, got {shortened(values)}")
    try:
        x0, y0, x1, y1 = map(float, values)
    except OverflowError as error:
        raise InputError(f"field {column!r}: too large, got {shortened(values)}") from error
    return x0, y0, x1, y1


def optional(row: Row, name: str) -> str:
    """A column of text that may be left out."""
    return row.text(name) if name in row.fields else ""


def chosen(row: Row, name: str, choices: tuple[T, ...], default: T) -> T:
    """A column that takes one of a few words."""
    if name not in row.fields:
        return default
    value = row.fields[name]
    if value not in choices:
        expected = ", ".join(map(str, choices))
        raise InputError(f"unknown {name} {shortened(value)}; expected one of {expected}")
    return choices[choices.index(value)]


def from_cells(cells: Mapping[str, str]) -> dict[str, Any]:
    """The cells of a CSV row as JSON would hold them."""
    return {name: READ.get(name, str)(cell) for name, cell in cells.items()}


def split(cell: str) -> list[str]:
    """Captions separated by `|`."""
    return [part.strip() for part in cell.split("|")]


def numbers(kind: Callable[[str], T]) -> Callable[[str], list[T]]:
    """Numbers separated by spaces."""

    def read(cell: str) -> list[T]:
        try:
            return [kind(part) for part in cell.split()]
        except ValueError as error:
            raise InputError(
                f"expected numbers separated by spaces, got {shortened(cell)}"
            ) from error

    return read


def index(cell: str) -> int:
    """A whole number."""
    if not cell.strip().isdecimal() or len(cell) > 100:
        raise InputError(f"field 'right': expected a whole number, got {shortened(cell)}")
    return int(cell)


READ: Mapping[str, Callable[[str], Any]] = {
    "captions": split,
    "right": index,
    "crop": numbers(int),
    "subject_box": numbers(float),
    "object_box": numbers(float),
}

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
