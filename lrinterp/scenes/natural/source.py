"""Files into rows: what every adapter reads from, and what an adapter is.

A row that cannot be read is handed on as a `BadRow`; the rows after it are still read.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TextIO

from msgspec import Meta

from lrinterp.scenes.natural.relation import BadRow, Relation
from lrinterp.store import InputError, parse_json, shortened, taken

__all__ = [
    "CROP",
    "LeftOut",
    "Row",
    "Suite",
    "Text",
    "Whole",
    "csv_rows",
    "existing",
    "json_array",
    "json_lines",
    "listed",
]

LARGEST = 2**31
"""Bound of whole numbers: indices and pixels."""
Text = Annotated[str, Meta(pattern=r"\S", description="text")]
Whole = Annotated[int, Meta(ge=-LARGEST, le=LARGEST, description="a whole number")]


def listed(kind: Any, length: int, what: str) -> Any:
    """The type of a list of so many items."""
    return Annotated[tuple[(kind,) * length], Meta(description=f"a list of {length} {what}")]


CROP = listed(Whole, 4, "whole numbers")


class LeftOut(Exception):
    """A good row that asks nothing that can be scored; says why."""


@dataclass(frozen=True)
class Row:
    """One row as it stands in a file. What it is asked for is checked."""

    file: Path
    number: int
    """From 1. In JSON lines it is the number of the line; in CSV the header does not count."""
    value: Any
    strict: bool = True
    """Are its numbers numbers? In CSV they are text."""

    @property
    def where(self) -> str:
        """File and row, as in every message."""
        return place(self.file, self.number)

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


Rows = Iterator[Row | BadRow]


@dataclass(frozen=True, kw_only=True)
class Suite:
    """An adapter: which files it reads, how they fall into rows, what a row says."""

    name: str
    files: Mapping[str, str]
    """The files a folder of this suite may hold, and the folder of pictures that each needs beside
    it; empty where the pictures may lie elsewhere.
    """
    rows: Callable[[Path], Rows]
    relations: Callable[[Row], list[Relation]]
    """Raises `InputError` for a bad row, `LeftOut` for one that is not scored."""
    any_name: bool = False
    """May the file be called anything, if it is given itself?"""


def json_lines(path: Path) -> Rows:
    """JSON lines; empty lines are passed over."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield json_row(path, number, line)


def json_array(path: Path) -> Rows:
    """The items of one JSON array, which is read whole; InputError where the file is none."""
    try:
        items = json.loads(path.read_text(encoding="utf-8-sig", errors="surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a JSON array ({error})") from error
    if not isinstance(items, list):
        raise InputError(f"{path}: not a JSON array ({shortened(items)})")
    for number, item in enumerate(items, 1):
        yield json_row(path, number, json.dumps(item, ensure_ascii=False))


def json_row(path: Path, number: int, text: bytes | str) -> Row | BadRow:
    """One row, if it is strict JSON."""
    try:
        return Row(path, number, parse_json(text))
    except (ValueError, RecursionError) as error:
        return BadRow(place(path, number), f"not valid JSON ({error})")


def csv_rows(path: Path) -> Rows:
    """A CSV file with a header; empty cells are left out of a row."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = cells(file)
        header = next(lines, [])
        if isinstance(header, str):
            raise InputError(f"{path}: the header is {header}")
        if twice := [name for name in header if name and header.count(name) > 1]:
            raise InputError(f"{path}: the column {shortened(twice[0])} stands twice; rename one")
        for number, line in enumerate(lines, 1):
            if line:
                yield csv_row(path, number, header, line)


def cells(file: TextIO) -> Iterator[list[str] | str]:
    """The cells of each line, or what is wrong with it."""
    reader = csv.reader(file, strict=True)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield f"not valid CSV ({error})"


def csv_row(path: Path, number: int, header: list[str], line: list[str] | str) -> Row | BadRow:
    """Cells under their header."""
    where = place(path, number)
    if isinstance(line, str):
        return BadRow(where, line)
    if len(line) != len(header):
        return BadRow(where, f"expected {len(header)} cells, as in the header, got {len(line)}")
    try:
        "".join(line).encode()
    except UnicodeEncodeError:
        return BadRow(where, "not UTF-8 text")
    value = {name: cell for name, cell in zip(header, line, strict=True) if cell.strip()}
    return Row(path, number, value, strict=False)


def place(path: Path, number: int) -> str:
    """File and row, as in every message."""
    return f"{path.name}, row {number}"


def existing(picture: Path) -> Path:
    """A picture whose file is there; what is in it is not looked at yet."""
    if not picture.is_file():
        raise InputError(f"there is no picture {picture}")
    return picture
