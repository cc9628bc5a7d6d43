"""Real object pairs without pictures: (subject, object, relation) of the What'sUp sets.

For captions made from a template, over objects that people did photograph together.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrinterp.scenes.natural.relation import BadRow
from lrinterp.scenes.natural.source import Row, Whole, json_lines
from lrinterp.store import InputError

__all__ = ["Triple", "read_triples"]


@dataclass(frozen=True, kw_only=True)
class Triple:
    """What one picture of a set shows."""

    dataset: str
    """`controlled_images_A` or `_B`, `coco_one`, `coco_two`, `gqa_one` or `gqa_two`."""
    id: int
    """The row in that set, from 0."""
    subject: str
    object: str
    """Empty in the sets of one object."""
    relation: str
    """One word, such as `left`, `on` or `front`."""


def read_triples(path: Path) -> list[Triple]:
    """Read `triples.jsonl`, given itself or by its folder.

    Raises `InputError` naming file and row.
    """
    file = path / "triples.jsonl" if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"{file}: there is no such file; expected triples.jsonl of What'sUp")
    triples = [triple(row) for row in json_lines(file)]
    if not triples:
        raise InputError(f"{file}: holds no triples")
    return triples


def triple(row: Row | BadRow) -> Triple:
    """One line, with fields dataset, id, subject, object (null for none) and relation."""
    if isinstance(row, BadRow):
        raise InputError(str(row))
    try:
        return Triple(
            dataset=row.field("dataset"),
            id=row.field("id", Whole),
            subject=row.field("subject"),
            object="" if row.field("object", Any) is None else row.field("object"),
            relation=row.field("relation"),
        )
    except InputError as error:
        raise InputError(f"{row.where}: {error}") from error
