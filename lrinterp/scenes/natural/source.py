"""Files into rows: what every adapter reads from, and what an adapter is.

A row that cannot be read is handed on as a `BadRow`; the rows after it are still read.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrinterp.scenes.natural.relation import BadRow, Relation
from lrinterp.store import InputError, parse_json, shortened

__all__ = ["LeftOut", "Row", "Suite", "csv_rows", "existing", "json_array", "json_lines"]


LARGEST = 2**31
"""Bound of whole numbers: indices and pixels."""


class LeftOut(Exception):
    """A good row that asks nothing that can be scored; says why."""


@dataclass(frozen=True)
class Row:
    """One row as it stands in a file. What it is asked for is checked."""

    file: Path
    number: int
    """From 1. In JSON lines it is the number of the line; in CSV the header does not count."""
    value: Any

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

    def field(self, name: str) -> Any:
        """A field that must be there."""
        if name not in self.fields:
            raise InputError(f"field {name!r} is missing; found {', '.join(self.fields) or 'none'}")
        return self.fields[name]

    def text(self, name: str) -> str:
        """A field of text that is not empty."""
        value = self.field(name)
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"field {name!r}: expected text, got {shortened(value)}")
        return value

    def whole(self, name: str) -> int:
        """A field that is a whole number."""
        return whole(self.field(name), name)

    def several(self, name: str, length: int | None = None) -> list[Any]:
        """A field that is a list, of a given length if one is given."""
        value = self.field(name)
        if not isinstance(value, list) or (length is not None and len(value) != length):
            expected = "a list" if length is None else f"a list of {length}"
            raise InputError(f"field {name!r}: expected {expected}, got {shortened(value)}")
        return value

    def texts(self, name: str, length: int | None = None) -> tuple[str, ...]:
        """A field that is a list of text."""
        values = self.several(name, length)
        if not all(isinstance(value, str) for value in values):
            raise InputError(f"field {name!r}: expected a list of text, got {shortened(values)}")
        return tuple(values)

    def wholes(self, name: str, length: int) -> tuple[int, ...]:
        """A field that is a list of whole numbers."""
        return tuple(whole(value, name) for value in self.several(name, length))


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
            if not line.strip():
                continue
            try:
                yield Row(path, number, parse_json(line))
            except (ValueError, RecursionError) as error:
                yield BadRow(place(path, number), f"not valid JSON ({error})")


def json_array(path: Path) -> Rows:
    """The items of one JSON array; InputError, naming the file, for anything else.

    Bytes that are not UTF-8 and numbers that JSON does not have make the item they are in bad.
    """
    try:
        items = json.loads(path.read_text(encoding="utf-8-sig", errors="surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(items, list):
        raise InputError(f"{path}: not a JSON array, but {shortened(items)}")
    for number, value in enumerate(items, 1):
        try:
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except ValueError as error:
            yield BadRow(place(path, number), f"not valid JSON ({error})")
        else:
            yield Row(path, number, value)


def csv_rows(path: Path) -> Rows:
    """A CSV file with a header; empty cells are left out of a row."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, strict=True)
        header = next_cells(reader) or []
        check_names(path, header)
        number = 0
        while (cells := next_cells(reader)) is not None:
            number += 1
            if cells != []:
                yield csv_row(path, number, header, cells)


def check_names(path: Path, header: list[str] | str) -> None:
    """Refuse a column that stands twice: which of the two is meant?"""
    names = [name for name in header if name] if isinstance(header, list) else []
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{path}: the column {shortened(twice[0])} stands twice; rename one")


def next_cells(reader: Iterator[list[str]]) -> list[str] | str | None:
    """The next row; what is wrong with it; or None at the end."""
    try:
        return next(reader, None)
    except csv.Error as error:
        return f"not valid CSV ({error})"


def csv_row(
    path: Path, number: int, header: list[str] | str, cells: list[str] | str
) -> Row | BadRow:
    """Cells under their header."""
    where = place(path, number)
    if isinstance(header, str) or isinstance(cells, str):
        return BadRow(where, cells if isinstance(cells, str) else f"the header is {header}")
    if len(cells) != len(header):
        return BadRow(where, f"expected {len(header)} cells, as in the header, got {len(cells)}")
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return BadRow(where, "not UTF-8 text")
    return Row(path, number, {k: v for k, v in zip(header, cells, strict=True) if v.strip()})


def place(path: Path, number: int) -> str:
    """File and row, as in every message."""
    return f"{path.name}, row {number}"


def whole(value: Any, name: str) -> int:
    """A whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"field {name!r}: expected a whole number, got {shortened(value)}")
    if abs(value) > LARGEST:
        raise InputError(f"field {name!r}: too large, got {shortened(value)}")
    return value


def existing(picture: Path) -> Path:
    """A picture whose file is there; what is in it is not looked at yet."""
    if not picture.is_file():
        raise InputError(f"there is no picture {picture}")
    return picture
