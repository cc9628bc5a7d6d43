"""Stream the rows of a suite through a model, and count."""

from collections.abc import Iterable, Iterator
from itertools import count, islice

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from lrinterp.benchmark.board import Scoreboard
from lrinterp.benchmark.embedding import Embedder, Ready
from lrinterp.benchmark.published import published_rows
from lrinterp.benchmark.result import COLUMNS, Benchmark
from lrinterp.benchmark.skipped import BadRows
from lrinterp.encoders import DualEncoder, Fit
from lrinterp.scenes.natural import BadRow, Reader, Relation
from lrinterp.scoring import credit
from lrinterp.store import InputError

__all__ = ["benchmark", "shares_of"]

BATCH = 64
"""Rows that are read and scored together."""


def benchmark(
    model: DualEncoder,
    relations: Iterable[Relation],
    *,
    bad: BadRows | None = None,
    fit: Fit = "crop",
    limit: int | None = None,
    progress: bool | None = None,
) -> Benchmark:
    """How often a model gives the right caption of each row the highest score.

    Scoring is strict: a k-way tie for the first place (within 1e-6) earns 1/k. Accuracy comes by
    relation, by axis, for left and right apart, over all rows, and as the unweighted mean over
    relations; pairs and sets count when all their rows are right. Intervals are 95 %, over
    groups. Rows stream by: memory does not grow with their number, except that pairs and sets of
    data of one's own are held to the end, as a few numbers each.

    Args:
        model: A checkpoint that reads pictures and captions.
        relations: Rows, such as `read_relations("whatsup", folder)` hands out.
        bad: Where bad rows are counted; without it the first one is an error. Give its `add` to
            `read_relations` as well.
        fit: What becomes of pictures that are not square: `crop` as in CLIP, or `pad`.
        limit: Read no more than so many rows.
        progress: Show a bar; by default where the work takes over two seconds.

    Raises `InputError` naming file and row for a picture that cannot be read and a caption longer
    than the context; and for a model that reads no pictures, and where no row is left to score.
    """
    embedder, board = Embedder(model, fit), Scoreboard()
    hidden = None if progress is None else not progress
    read = count()
    given = (relation for relation, _ in zip(islice(relations, limit), read, strict=False))
    rows = scored(embedder, given, bad)
    for relation, scores in tqdm(rows, unit=" rows", delay=2, disable=hidden):
        board.add(relation, shares_of(scores))
    if not board.tallies:
        first = "".join(f"; {row['note']}" for row in (bad.rows() if bad else [])[:1])
        raise InputError(f"no row could be scored ({bad.n if bad else 0} bad rows{first})")
    left_out = relations.left_out if isinstance(relations, Reader) else {}
    omitted = [{"measure": "left out", "name": why, "n": n} for why, n in left_out.items()]
    omitted += [
        {"measure": "incomplete", "name": kind, "n": n} for kind, n in board.incomplete.items() if n
    ]
    suite = " + ".join(board.suites)
    table = [*board.rows(), *published_rows(suite), *(bad.rows() if bad else ()), *omitted]
    reached = limit if next(read) == limit else None
    return Benchmark(suite=suite, fit=fit, limit=reached, table=table_of(table))


def scored(
    embedder: Embedder, relations: Iterable[Relation], bad: BadRows | None
) -> Iterator[tuple[Relation, Float[Tensor, "caption"]]]:
    """Each good row with its scores, a batch at a time."""
    ready = readable(embedder, relations, bad)
    while batch := list(islice(ready, BATCH)):
        yield from zip((row.relation for row in batch), embedder.score(batch), strict=True)


def readable(
    embedder: Embedder, relations: Iterable[Relation], bad: BadRows | None
) -> Iterator[Ready]:
    """The rows whose picture and captions can be read."""
    for relation in relations:
        try:
            ready = embedder.read(relation)
        except InputError as error:
            if bad is None:
                raise
            reason = str(error).removeprefix(f"{relation.where}: ")
            bad.add(BadRow(relation.where, reason))
        else:
            yield ready


def shares_of(scores: Float[Tensor, "caption"]) -> Float[np.ndarray, "caption"]:
    """How much of the model's choice each caption gets: all for the best, ties shared.

    >>> shares_of(torch.tensor([0.2, 0.5, 0.5])).tolist()
    [0.0, 0.5, 0.5]
    """
    n = len(scores)
    return credit(scores.expand(n, n), torch.eye(n, dtype=torch.bool)).double().numpy()


def table_of(rows: list[dict[str, object]]) -> pd.DataFrame:
    """The rows under the columns of the result."""
    table = pd.DataFrame(rows, columns=COLUMNS)
    texts = ["measure", "subset", "name", "axis", "note"]
    table[texts] = table[texts].astype(object).fillna("")
    numbers = dict.fromkeys(["value", "low", "high", "chance"], "float64")
    return table.astype({**numbers, "n": "Int64", "n_units": "Int64", "in_macro": "boolean"})
