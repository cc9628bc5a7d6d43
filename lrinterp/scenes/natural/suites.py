"""Read any suite: `read_relations(suite, folder)` hands out its rows, one at a time.

A folder that is not of the suite is refused at once. A bad row stops the reading, or goes on a
list. A good row that asks nothing that can be scored is left out and counted.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lrinterp.scenes.natural.aro import ARO
from lrinterp.scenes.natural.nlvr import NLVR
from lrinterp.scenes.natural.own import CSV, JSONL
from lrinterp.scenes.natural.relation import BadRow, Relation
from lrinterp.scenes.natural.source import LeftOut, Row, Suite
from lrinterp.scenes.natural.vsr import VSR
from lrinterp.scenes.natural.whatsup import WHATSUP
from lrinterp.store import InputError

__all__ = ["SUITES", "Reader", "read_relations"]

ADAPTERS = {suite.name: suite for suite in (ARO, WHATSUP, VSR, NLVR, JSONL, CSV)}

SUITES = tuple(ADAPTERS)
"""The names of the suites."""


class Reader(Iterator[Relation]):
    """The relations of a suite, one at a time."""

    def __init__(self, suite: Suite, files: list[Path], bad: list[BadRow] | None) -> None:
        self.suite, self.files, self.bad = suite, files, bad
        self.left_out: Counter[str] = Counter()
        """Good rows that are not scored so far, by the reason."""
        self._stream = self._read()

    def __next__(self) -> Relation:
        return next(self._stream)

    def _read(self) -> Iterator[Relation]:
        found = None
        for file in self.files:
            for row in self.suite.rows(file):
                for found in self._relations(row, file):
                    yield found
        if found is None:
            raise InputError(self._nothing())

    def _relations(self, row: Row | BadRow, file: Path) -> list[Relation]:
        """What a row asks; nothing where it is left out, or bad and passed over."""
        try:
            if isinstance(row, BadRow):
                raise InputError(row.reason)
            return self.suite.relations(row)
        except LeftOut as reason:
            self.left_out[str(reason)] += 1
        except InputError as error:
            bad = BadRow(row.where, str(error))
            if self.bad is None:
                raise InputError(f"{file.parent}/{bad}") from error
            self.bad.append(bad)
        return []

    def _nothing(self) -> str:
        reasons = [f"{n} rows left out: {reason}" for reason, n in self.left_out.items()]
        reasons += [f"{len(self.bad)} bad rows, the first {self.bad[0]}"] if self.bad else []
        where = ", ".join(map(str, self.files))
        return f"{where}: no row of suite {self.suite.name} ({'; '.join(reasons) or 'empty'})"


def read_relations(suite: str, folder: Path, bad: list[BadRow] | None = None) -> Reader:
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
    adapter = ADAPTERS[suite]
    return Reader(adapter, files_of(adapter, Path(folder)), bad)


def files_of(suite: Suite, folder: Path) -> list[Path]:
    """The files to read, each with its folder of pictures beside it."""
    if folder.is_file():
        if not (suite.any_name or folder.name in suite.files):
            raise InputError(f"{folder}: not a file of suite {suite.name}; {expected(suite)}")
        files = [folder]
    else:
        files = held(suite, folder)
    if not files:
        raise InputError(f"{folder}: {missing(folder)}; {expected(suite)}{hint(suite, folder)}")
    for file in files:
        pictures = file.parent / suite.files.get(file.name, "")
        if not pictures.is_dir():
            raise InputError(f"{file}: its pictures are missing; there is no folder {pictures}")
    return files


def held(suite: Suite, folder: Path) -> list[Path]:
    """The files of a suite that a folder holds."""
    return [folder / name for name in suite.files if (folder / name).is_file()]


def expected(suite: Suite) -> str:
    """What a folder of this suite holds."""
    needs = [f"{name} with {beside}/" if beside else name for name, beside in suite.files.items()]
    return f"suite {suite.name} expects {' or '.join(needs)}"


def missing(folder: Path) -> str:
    """What is the matter with a folder that holds no file of the suite."""
    if not folder.exists():
        return "there is no such folder"
    others = {s.name: files for s in ADAPTERS.values() if (files := held(s, folder))}
    if not others:
        return "none of the files of the suite"
    name, files = next(iter(others.items()))
    return f"a folder of suite {name}, which {files[0].name} is of"


def hint(suite: Suite, folder: Path) -> str:
    """The folders just below that are of the suite, for who names the one above them."""
    below = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [str(child) for child in below if child.is_dir() and held(suite, child)]
    return f"; did you mean {' or '.join(found)}?" if found else ""
