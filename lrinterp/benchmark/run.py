"""Score the rows of a suite with a model."""

from collections.abc import Iterable
from itertools import islice

from tqdm.auto import tqdm

from lrinterp.benchmark.embedding import Embedder
from lrinterp.benchmark.result import Benchmark
from lrinterp.benchmark.scores import score_table
from lrinterp.benchmark.skipped import skipped_rows
from lrinterp.encoders import DualEncoder, Fit
from lrinterp.scenes.natural import BadRow, Reader, Relation
from lrinterp.store import InputError

__all__ = ["benchmark"]

BATCH = 64
"""Rows that are read and scored together."""


def benchmark(
    model: DualEncoder,
    relations: Iterable[Relation],
    *,
    bad: list[BadRow] | None = None,
    fit: Fit = "crop",
    limit: int | None = None,
    progress: bool | None = None,
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
        progress: Show a bar; by default where the work takes over two seconds.

    Raises `InputError` naming file and row for a picture that cannot be read and a caption longer
    than the context; and for a model that reads no pictures, and where no row is left to score.
    """
    embedder = Embedder(model, fit)
    rows = list(islice(relations, limit))
    hidden = None if progress is None else not progress
    starts = tqdm(
        range(0, len(rows), BATCH), unit=" rows", unit_scale=BATCH, delay=2, disable=hidden
    )
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
