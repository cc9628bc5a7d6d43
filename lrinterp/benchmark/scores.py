"""The scores of a benchmark, row by row: what every number is made of, and what is kept of it.

| column | what |
|---|---|
| `suite`, `row` | the suite; file and row (NLVR asks two rows of a line) |
| `picture` | the name of its file |
| `fit` | what became of a picture that is not square: crop or pad |
| `subset`, `relation`, `axis` | what it counts towards |
| `in_macro` | does the mean over relations count it? |
| `group` | rows that share it are not independent: the unit of intervals |
| `pair`, `set` | rows that must all be right for the pair or set to count |
| `foil` | how the wrong captions are made |
| `captions`, `right` | the options, and the index of the right one from 0 |
| `scores` | the cosine of the picture with each caption |
| `credit` | 1 where the right caption scores highest, 1/k in a tie of k, else 0 |

Two tables are of the same rows where all but `scores` and `credit` agree.
"""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lrinterp.encoders import Fit
from lrinterp.scenes.natural import Relation
from lrinterp.scoring import credit
from lrinterp.store import InputError, sha256, shortened, write_atomically

__all__ = [
    "Scored",
    "check_same_rows",
    "check_some_rows",
    "read_scores",
    "row_table",
    "rows_fingerprint",
    "score_table",
    "shares_of",
    "write_scores",
]

Scored: TypeAlias = tuple[Relation, Float[Tensor, "_"]]
"""A row with the score of each of its captions, as many as it has."""


TEXTS = "suite row picture fit subset relation axis group pair set foil".split()
KINDS = {
    **dict.fromkeys(TEXTS, pa.string()),
    "in_macro": pa.bool_(),
    "captions": pa.list_(pa.field("item", pa.string(), nullable=False)),
    "right": pa.int64(),
    "scores": pa.list_(pa.field("item", pa.float32(), nullable=False)),
    "credit": pa.float64(),
}
SCHEMA = pa.schema([pa.field(name, kind, nullable=False) for name, kind in KINDS.items()])
ROW = [name for name in KINDS if name not in ("scores", "credit")]
"""What a row is, whatever a model makes of it."""


def row_table(rows: Iterable[Relation], fit: Fit) -> pd.DataFrame:
    """What some rows are, in the columns that precede their scores."""
    kept = [
        {
            **{name: getattr(one, name) for name in ROW if hasattr(one, name)},
            "row": one.where,
            "picture": one.picture.name if one.picture else "",
            "fit": fit,
            "captions": list(one.captions),
        }
        for one in rows
    ]
    return pd.DataFrame(kept, columns=ROW)


def score_table(scored: Iterable[Scored], fit: Fit) -> pd.DataFrame:
    """The table of some rows with their scores."""
    rows, scores = zip(*scored, strict=True)
    return credited(row_table(rows, fit).assign(scores=[one.tolist() for one in scores]))


def credited(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the credit that its scores earn."""
    shares = shares_of(table["scores"])
    return table.assign(credit=shares[np.arange(len(table)), table["right"].to_numpy(int)])


def shares_of(scores: Iterable[list[float]]) -> Float[np.ndarray, "row caption"]:
    """How much of the model's choice each caption gets: all for the best, ties shared.

    Rows of fewer captions than others end in zeros.

    >>> shares_of([[0.2, 0.5, 0.5], [0.1, 0.0]]).tolist()
    [[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]]
    """
    padded = pad_sequence(list(map(torch.tensor, scores)), True, -torch.inf)
    each = torch.eye(padded.shape[1], dtype=torch.bool)
    parts = [credit(padded, one.expand(len(padded), -1)) for one in each]
    return torch.stack(parts, dim=1).double().numpy()


def rows_fingerprint(table: pd.DataFrame) -> str:
    """A hash of what its rows are, equal for two models on the same rows."""
    return sha256(table[ROW].to_json(orient="values").encode())


def check_same_rows(table: pd.DataFrame, other: pd.DataFrame, named: str) -> None:
    """Refuse another table, by name, that is not of the same rows in the same order."""
    if len(table) != len(other):
        raise InputError(f"{named}: scores of {len(other):,} rows, expected {len(table):,}")
    for name in ROW:
        for row, one, two in zip(table["row"], table[name], other[name], strict=True):
            if one != two:
                raise InputError(
                    f"{named}: other rows: {name} of {row} is {shortened(two)}, not "
                    f"{shortened(one)}"
                )


def check_some_rows(table: pd.DataFrame, other: pd.DataFrame, named: str) -> None:
    """Refuse another table, by name, whose rows are not some of these in the same order."""
    rest = iter(table[ROW].to_dict("records"))
    for row in other[ROW].to_dict("records"):
        if row not in rest:  # looks no further back than the row before
            raise InputError(f"{named}: other rows: {row['row']} is none of these, in their order")


def write_scores(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table of scores to a Parquet file, whole or not at all."""
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(table, SCHEMA, preserve_index=False), file)
    write_atomically(Path(path), file.getvalue())


def read_scores(path: str | Path) -> pd.DataFrame:
    """Read what `write_scores` wrote.

    Raises InputError, naming the file, for one that is damaged or of another kind.
    """
    data = Path(path).read_bytes()
    try:
        found = pq.read_table(io.BytesIO(data))
        table = pd.DataFrame(found.to_pydict())
    except Exception as error:  # whatever pyarrow makes of a damaged file
        raise InputError(f"{path}: no Parquet file, or a damaged one") from error
    if not found.schema.equals(SCHEMA):
        raise InputError(f"{path}: not the scores of a benchmark, as --scores writes them")
    if table.empty or not is_sound(table):
        raise InputError(f"{path}: damaged: scores and captions do not fit each other")
    return table


def is_sound(table: pd.DataFrame) -> bool:
    """Has each row two or more captions, a score for each, and the credit that they earn?"""
    n = table["captions"].str.len()
    fits = (n >= 2) & (n == table["scores"].str.len()) & table["right"].between(0, n - 1)
    finite = np.isfinite(np.concatenate(table["scores"].tolist())).all()
    return bool(finite and fits.all()) and credited(table)["credit"].equals(table["credit"])
