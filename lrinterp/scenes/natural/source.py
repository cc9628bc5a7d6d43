"""Files into rows: what every suite is read from, what a suite is, and a user's rows.

A row that cannot be read is handed on with what is wrong with it; the rows after it are still read.
A user's rows are `relations.jsonl` or `relations.csv` in a folder, or any such file itself:

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

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta

from lrinterp.scenes.natural.relation import Axis, Foil, Relation, axis_of
from lrinterp.store import InputError, parse_json, read_json, shortened, taken

__all__ = [
    "CROP",
    "CSV",
    "JSONL",
    "NotScored",
    "RawRow",
    "Suite",
    "T",
    "Text",
    "Whole",
    "csv_rows",
    "existing",
    "json_array",
    "json_lines",
    "list_type",
]

T = TypeVar("T")

LARGEST = 2**31
"""Bound of whole numbers: indices and pixels."""
Text = Annotated[str, Meta(pattern=r"\S", description="text")]
Whole = Annotated[int, Meta(ge=-LARGEST, le=LARGEST, description="a whole number")]


def list_type(kind: Any, length: int, what: str) -> Any:
    """The type of a list of so many items."""
    return Annotated[tuple[(kind,) * length], Meta(description=f"a list of {length} {what}")]


CROP = list_type(Whole, 4, "whole numbers")
BOX = list_type(float, 4, "numbers")
COLUMNS = tuple(
    "relation caption foil captions right picture crop axis subject object subject_box object_box "
    "group pair set kind".split()
)
NUMBERS = ("crop", "subject_box", "object_box")


class NotScored(Exception):
    """A good row that asks nothing that can be scored; says why."""


@dataclass(frozen=True)
class RawRow:
    """One row as it stands in a file. What it is asked for is checked."""

    file: Path
    number: int
    """From 1. In JSON lines it is the number of the line; in CSV the header does not count."""
    value: Any
    """What it holds; an InputError where it cannot be read."""
    strict: bool = True
    """Are its numbers numbers? In CSV they are text."""

    @property
    def where(self) -> str:
        """File and row, as in every message."""
        return f"{self.file.name}, row {self.number}"

    @property
    def fields(self) -> Mapping[str, Any]:
        """The row as named fields."""
        if not isinstance(self.value, dict):
            raise InputError(f"expected an object with fields, got {shortened(self.value)}")
        return self.value

    def field(self, name: str, kind: Any = Text) -> Any:
        """A field that must be there, as a type has it."""
        if name not in self.fields:
            raise InputError(f"field {name!r} is missing; found {', '.join(self.fields) or 'none'}")
        return taken(self.fields[name], kind, f"field {name!r}", strict=self.strict)

    def get(self, name: str, kind: Any = Text, default: Any = "") -> Any:
        """A field that may be left out."""
        return self.field(name, kind) if name in self.fields else default


@dataclass(frozen=True, kw_only=True)
class Suite(Generic[T]):
    """An adapter: which files it reads, how they fall into rows, what a row says."""

    name: str
    files: Mapping[str, str]
    """The files a folder of this suite may hold, and the folder of pictures that each needs beside
    it; empty where the pictures may lie elsewhere, and then a file given itself has any name.
    """
    rows: Callable[[Path], Iterator[RawRow]]
    read: Callable[[RawRow], list[T]]
    """What a row asks. Raises `InputError` for a bad row, `NotScored` for one that is left out."""


# Files.


def json_lines(path: Path) -> Iterator[RawRow]:
    """JSON lines; empty lines are passed over."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield RawRow(path, number, parsed(line))


def parsed(text: bytes) -> Any:
    """What strict JSON holds, or what is wrong with it."""
    try:
        return parse_json(text)
    except (ValueError, RecursionError) as error:
        return InputError(f"not valid JSON ({error})")


def json_array(path: Path) -> Iterator[RawRow]:
    """The items of one JSON array, which is read whole; InputError where the file is none."""
    items = read_json(path)
    if not isinstance(items, list):
        raise InputError(f"{path}: not a JSON array ({shortened(items)})")
    return (RawRow(path, number, item) for number, item in enumerate(items, 1))


def csv_rows(path: Path) -> Iterator[RawRow]:
    """A CSV file with a header, which is read whole; empty cells are left out of a row.

    InputError where the file is none, or a column stands twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *lines = [*csv.reader(file, strict=True)] or [[]]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid CSV ({error})") from error
    if twice := [name for name in header if name and header.count(name) > 1]:
        raise InputError(f"{path}: the column {shortened(twice[0])} stands twice; rename one")
    for number, line in enumerate(lines, 1):
        wrong = InputError(f"expected {len(header)} cells, as in the header, got {len(line)}")
        value = {name: cell for name, cell in zip(header, line, strict=False) if cell.strip()}
        if line:
            yield RawRow(path, number, value if len(line) == len(header) else wrong, strict=False)


def existing(picture: Path) -> Path:
    """A picture whose file is there; what is in it is not looked at yet."""
    if not picture.is_file():
        raise InputError(f"there is no picture {picture}")
    return picture


# One's own rows.


def from_cells(cells: Mapping[str, str]) -> dict[str, Any]:
    """The cells of a CSV row as JSON would hold them, but for numbers, which are still text."""
    value: dict[str, Any] = {name: cell.strip() for name, cell in cells.items()}
    value |= {name: value[name].split() for name in NUMBERS if name in value}
    if "captions" in value:
        value["captions"] = [part.strip() for part in value["captions"].split("|")]
    return value


def relations(row: RawRow) -> list[Relation]:
    """One row; null and empty text count as left out."""
    fields = row.fields if row.strict else from_cells(row.fields)
    row = replace(row, value={k: v for k, v in fields.items() if v not in (None, "")})
    if unknown := [name for name in row.fields if name not in COLUMNS]:
        raise InputError(f"unknown column {unknown[0]!r}; expected {', '.join(COLUMNS)}")
    name, picture = row.field("relation"), row.get("picture")
    captions, right = options(row)
    boxes = {one: row.get(f"{one}_box", BOX, None) for one in ("subject", "object")}
    return [
        Relation(
            suite="jsonl" if row.strict else "csv",
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
    ]


def options(row: RawRow) -> tuple[tuple[str, ...], int]:
    """The captions and the index of the right one, by either pair of columns."""
    given = [name for name in ("caption", "foil", "captions", "right") if name in row.fields]
    if given == ["caption", "foil"]:
        return (row.field("caption"), row.field("foil")), 0
    if given == ["captions", "right"]:
        return row.field("captions", tuple[str, ...]), row.field("right", Whole)
    raise InputError(
        f"expected caption and foil, or captions and right; got {', '.join(given) or 'neither'}"
    )


JSONL = Suite(name="jsonl", files={"relations.jsonl": ""}, rows=json_lines, read=relations)
CSV = Suite(name="csv", files={"relations.csv": ""}, rows=csv_rows, read=relations)
