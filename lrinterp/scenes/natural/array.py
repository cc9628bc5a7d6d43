"""Read a JSON file that is one long array, an item at a time.

`json.load` would hold every row at once. Here the memory is that of one item and one chunk.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from lrinterp.store import InputError

__all__ = ["array_items"]

CHUNK = 1 << 16
"""Characters read at a time."""
LONGEST = 1 << 20
"""Characters of the longest item; a broken item would otherwise be read to the end of the file."""

SPACE = re.compile(r"[ \t\n\r]*")


def array_items(path: Path, chunk: int = CHUNK) -> Iterator[Any]:
    """The items of a JSON array, in order, as `json.load` would give them.

    Bytes that are not UTF-8 come as lone surrogates, for the caller to refuse.

    Raises `InputError` naming the file and the item, from 1, where the text is no JSON array: what
    stands after that cannot be read.
    """
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        window = _Window(file, chunk)
        number = 1
        try:
            window.take("[")
            if window.peek() != "]":
                yield window.item()
                while window.peek() == ",":
                    window.take(",")
                    number += 1
                    yield window.item()
            window.take("]")
            window.take("")
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, row {number}: not a JSON array ({error})") from error


class _Window:
    """As much of a file's text as the item in hand needs."""

    def __init__(self, file: TextIO, chunk: int) -> None:
        self.file, self.chunk = file, chunk
        self.text, self.at = "", 0
        self.decoder = json.JSONDecoder()

    def more(self) -> bool:
        """Drop what is behind and read on; the window doubles, so a long item is tried rarely."""
        rest = self.text[self.at :]
        added = self.file.read(max(self.chunk, len(rest)))
        self.text, self.at = rest + added, 0
        return bool(added)

    def peek(self) -> str:
        """The next character that is no space; empty at the end of the file."""
        while True:
            self.at = skipped(self.text, self.at)
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def take(self, expected: str) -> None:
        """Step over one character, which must be the expected one; empty means the end."""
        if (found := self.peek()) != expected:
            raise ValueError(f"expected {expected or 'its end'!r}, got {found or 'its end'!r}")
        self.at += len(expected)

    def item(self) -> Any:
        """The next item. It is whole once `,` or `]` follows: 12 may be the start of 12.5."""
        self.peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                failure = ValueError(error.msg)
            else:
                if self.text.startswith((",", "]"), skipped(self.text, end)):
                    self.at = end
                    return value
                failure = ValueError("expected ',' or ']' after the item")
            if len(self.text) - self.at > LONGEST or not self.more():
                raise failure


def skipped(text: str, at: int) -> int:
    """The position of the next character that is no space."""
    found = SPACE.match(text, at)
    return found.end() if found else at
