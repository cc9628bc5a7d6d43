"""Read any suite: `read_relations(suite, folder)` hands out its rows, one at a time.

A folder that is not of the suite is refused at once. A bad row stops the reading, or goes on a
list. A good row that asks nothing that can be scored is left out and counted.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lrinterp.scenes.natural.published_suites import ARO, NLVR, VSR
from lrinterp.scenes.natural.relation import BadRow, Relation
from lrinterp.scenes.natural.source import CSV, JSONL, NotScored, RawRow, Suite, T
from lrinterp.scenes.natural.whatsup import TRIPLES, WHATSUP, Triple
from lrinterp.store import InputError

__all__ = ["SUITES", "Reader", "read_relations", "read_triples"]

ADAPTERS = {suite.name: suite for suite in (ARO, WHATSUP, VSR, NLVR, JSONL, CSV)}

SUITES = tuple(ADAPTERS)
"""The names of the suites."""


class Reader(Iterator[T]):
    """What the rows of a suite ask, one at a time: its relations."""

    def __init__(self, suite: Suite[T], folder: Path, bad: list[BadRow] | None = None) -> None:
        self.suite, self.files, self.bad = suite, files_of(suite, folder), bad
        self.left_out: Counter[str] = Counter()
        """Good rows that are not scored so far, by the reason."""
        self._stream = self._read()

    def __next__(self) -> T:
        return next(self._stream)

    def _read(self) -> Iterator[T]:
        empty = True
        for row in (row for file in self.files for row in self.suite.rows(file)):
            for found in self._asked(row):
                empty = False
                yield found
        if empty:
            reasons = [f"{n} rows left out: {reason}" for reason, n in self.left_out.items()]
            reasons += [f"{len(self.bad)} bad rows, the first {self.bad[0]}"] if self.bad else []
            where, why = ", ".join(map(str, self.files)), "; ".join(reasons) or "empty"
            raise InputError(f"{where}: no row of suite {self.suite.name} ({why})")

    def _asked(self, row: RawRow) -> list[T]:
        """What a row asks; nothing where it is left out, or bad and passed over."""
        try:
            if isinstance(row.value, InputError):
                raise row.value
            return self.suite.read(row)
        except NotScored as reason:
            self.left_out[str(reason)] += 1
        except InputError as error:
            bad = BadRow(row.where, str(error))
            if self.bad is None:
                raise InputError(f"{row.file.parent}/{bad}") from error
            self.bad.append(bad)
        return []


def read_relations(suite: str, folder: Path, bad: list[BadRow] | None = None) -> Reader[Relation]:
    """Read the relations of a suite from a folder, or from one of its files.

    Args:
        suite: One of `SUITES`.
        folder: A folder in the published layout; the module of each suite says which.
        bad: A list that takes bad rows, which are then passed over. Without it the first one is
            an error.

    Returns:
        An iterator of relations; `left_out` counts the good rows that are not scored.

    Raises `InputError` at the call for an unknown suite and a folder that is not of the suite;
    while reading, for a bad row, broken JSON of a whole file, and when no row is of use.
    """
    if suite not in SUITES:
        raise InputError(f"unknown suite {suite!r}; expected one of {', '.join(SUITES)}")
    return Reader(ADAPTERS[suite], Path(folder), bad)


def read_triples(path: Path) -> list[Triple]:
    """Read `triples.jsonl`, given itself or by its folder.

    Raises `InputError` naming file and row.
    """
    return list(Reader(TRIPLES, path))


def files_of(suite: Suite[T], folder: Path) -> list[Path]:
    """The files to read, each with its folder of pictures beside it."""
    files = [folder] if folder.is_file() else held(suite, folder)
    if not files:
        raise InputError(f"{folder}: {missing(folder)}; {expected(suite)}{hint(suite, folder)}")
    if any(suite.files.values()) and files[0].name not in suite.files:
        raise InputError(f"{folder}: not a file of suite {suite.name}; {expected(suite)}")
    for file in files:
        pictures = file.parent / suite.files.get(file.name, "")
        if not pictures.is_dir():
            raise InputError(f"{file}: its pictures are missing; there is no folder {pictures}")
    return files


def held(suite: Suite[T], folder: Path) -> list[Path]:
    """The files of a suite that a folder holds."""
    return [folder / name for name in suite.files if (folder / name).is_file()]


def expected(suite: Suite[T]) -> str:
    """What a folder of this suite holds."""
    needs = [f"{name} with {beside}/" if beside else name for name, beside in suite.files.items()]
    return f"suite {suite.name} expects {' or '.join(needs)}"


def missing(folder: Path) -> str:
    """What is the matter with a folder that holds no file of the suite."""
    if not folder.exists():
        return "there is no such folder"
    for name, suite in ADAPTERS.items():
        if files := held(suite, folder):
            return f"a folder of suite {name}, which {files[0].name} is of"
    return "none of the files of the suite"


def hint(suite: Suite[T], folder: Path) -> str:
    """The folders just below that are of the suite, for who names the one above them."""
    below = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [str(child) for child in below if child.is_dir() and held(suite, child)]
    return f"; did you mean {' or '.join(found)}?" if found else ""
