"""From the rows of a suite to a `Benchmark`: pictures and captions are embedded, and scored.

Pictures are opened one at a time and kept, until their batch is scored, as the small square that
the model reads: each is embedded once a batch, each caption once.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from lrinterp.axes import Inputs, Pixels
from lrinterp.benchmark.scores import (
    Scored,
    check_same_rows,
    check_some_rows,
    row_table,
    score_table,
)
from lrinterp.benchmark.suite_result import Benchmark
from lrinterp.encoders import DualEncoder, Fit
from lrinterp.scenes.natural import BadRow, Reader, Relation, open_picture
from lrinterp.store import InputError

__all__ = ["Embedder", "benchmark", "skipped_rows"]

BATCH = 64
"""Rows that are read and scored together."""
Seen: TypeAlias = tuple[Path | None, tuple[int, ...] | None]
"""What tells a picture from others: its file and crop."""


def benchmark(
    model: DualEncoder,
    relations: Iterable[Relation],
    *,
    bad: list[BadRow] | None = None,
    fit: Fit = "crop",
    limit: int | None = None,
    against: tuple[str, pd.DataFrame] | None = None,
) -> Benchmark:
    """How often a model gives the right caption of each row the highest score.

    Scoring is strict: a k-way tie for the first place (within 1e-6) earns 1/k. Accuracy comes by
    relation, by axis, for left and right apart, over all rows, and as the unweighted mean over
    relations; pairs and sets count when all their rows are right. Intervals are 95 %, over
    groups. The scores of each row are kept: see `lrinterp.benchmark.scores`.

    Args:
        model: A checkpoint that reads pictures and captions.
        relations: Rows, such as `read_relations("whatsup", folder)` hands out.
        bad: A list that takes bad rows; without it the first one is an error. Give it to
            `read_relations` as well.
        fit: What becomes of pictures that are not square: `crop` as in CLIP, or `pad`.
        limit: Read no more than so many rows.
        against: Name and scores of another model, which must be of these rows; with `bad`, of some.

    Raises `InputError` naming file and row for a picture that cannot be read and a caption longer
    than the context; for a model that reads no pictures, and where no row is left to score; and,
    before anything is scored, for other rows than those of `against`.
    """
    embedder = Embedder(model, fit)
    rows = list(islice(relations, limit))
    if against is not None:
        name, other = against
        check = check_same_rows if bad is None else check_some_rows
        check(row_table(rows, fit), other, name)
    starts = tqdm(range(0, len(rows), BATCH), unit=" rows", unit_scale=BATCH, delay=2, disable=None)
    scored = [one for k in starts for one in embedder.score(rows[k : k + BATCH], bad)]
    if not scored:
        first = f"; the first {bad[0]}" if bad else ""
        raise InputError(f"no row could be scored ({len(bad or [])} bad rows{first})")
    left_out = relations.left_out if isinstance(relations, Reader) else {}
    aside = [{"measure": "left out", "name": why, "n": n} for why, n in left_out.items()]
    return Benchmark(
        scores=score_table(scored, fit),
        aside=[*skipped_rows(bad or []), *aside],
        limit=limit if len(rows) == limit else None,
    )


class Embedder:
    """Reads and scores rows with one model.

    Raises InputError for a model that reads no pictures.
    """

    def __init__(self, model: DualEncoder, fit: Fit = "crop") -> None:
        if model.processor is None:
            raise InputError(
                "this checkpoint reads no pictures, only rows of the toy world; "
                "use lrinterp evaluate, or give a CLIP checkpoint"
            )
        self.model, self.processor = model, model.processor
        self.fit: Fit = fit
        self._captions: dict[str, Tensor] = {}

    def score(self, rows: Sequence[Relation], bad: list[BadRow] | None = None) -> list[Scored]:
        """Each row with the cosine of its picture with each of its captions.

        Raises InputError, naming the row, for a picture that cannot be read and captions that do
        not fit the context, unless there is a list that takes such rows; and where a score is no
        number.
        """
        pixels: dict[Seen, Pixels] = {}
        good = []
        for row in rows:
            try:
                self._read(row, pixels)
                good.append(row)
            except InputError as error:
                found = BadRow(row.where, str(error).removeprefix(f"{row.where}: "))
                if bad is None:
                    raise InputError(str(found)) from error
                bad.append(found)
        if not good:
            return []
        values, pools = zip(*((one.values, one.pool) for one in pixels.values()), strict=True)
        vectors = self._embed("image", Pixels(torch.cat(values), torch.cat(pools)))
        images = dict(zip(pixels, vectors, strict=True))
        if fresh := self._fresh(text for row in good for text in row.captions):
            vectors = self._embed("text", self.processor.tokens(fresh))
            self._captions.update(zip(fresh, vectors, strict=True))
        return [(row, self._cosines(row, images[row.picture, row.crop])) for row in good]

    def _read(self, row: Relation, pixels: dict[Seen, Pixels]) -> None:
        """Open the picture of a row, and see that its captions fit."""
        if unread := self._fresh(row.captions):
            self.processor.tokens(unread)
        if (row.picture, row.crop) not in pixels:
            picture = open_picture(row)
            pixels[row.picture, row.crop] = self.processor.pixels([picture], fit=self.fit)

    def _fresh(self, captions: Iterable[str]) -> list[str]:
        """The captions that have not been met before, each once."""
        return [text for text in dict.fromkeys(captions) if text not in self._captions]

    def _embed(self, tower: str, inputs: Inputs) -> Tensor:
        return self.model.embed_all(tower, inputs.to(self.model.device)).cpu()

    def _cosines(self, row: Relation, image: Tensor) -> Tensor:
        """The scores of the captions of a row."""
        scores = torch.stack([self._captions[text] for text in row.captions]) @ image
        if not scores.isfinite().all():
            raise InputError(f"{row.where}: the model gives scores that are no numbers")
        return scores


# Bad rows that were passed over.

NAMED = 3
"""Rows of each reason that are named."""
KINDS = 30
"""Different reasons that are told apart."""
REST = "other reasons"
LONGEST = 200
"""Characters of a message that tell its reason."""

OWN = re.compile(
    r"""'[^']*'|"[^"]*"|\([^)]*\)|\[[^]]*\]|\S*[/\\]\S*|\S+\.\w{3,4}\b|\d+""", re.VERBOSE
)
"""What is of one row alone: what is quoted or in brackets, files, numbers."""


def skipped_rows(bad: Iterable[BadRow]) -> list[dict[str, Any]]:
    """A row of the benchmark's table for each reason, with the first bad rows by name."""
    kinds: dict[str, list[str]] = {}
    for one in bad:
        reason = reason_of(one.reason)
        known = reason in kinds or len(kinds) < KINDS
        kinds.setdefault(reason if known else REST, []).append(str(one))
    return [
        {"measure": "skipped", "name": reason, "n": len(rows), "note": "; ".join(rows[:NAMED])}
        for reason, rows in kinds.items()
    ]


def reason_of(message: str) -> str:
    """A message without what is of its row alone.

    >>> reason_of("there is no picture data/images/7.png")
    'there is no picture …'
    """
    return re.sub(r"…( …)+", "…", " ".join(OWN.sub("…", message[:LONGEST]).split()))
