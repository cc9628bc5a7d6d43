"""Straight-line fits of positional score rows, and the same fits where nothing was learned."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import spearmanr

from lrinterp.axes import Occurrence, Tokens
from lrinterp.decomposition import GAUGES, KEY_POSITION, TERMS, embedding_in, score_terms
from lrinterp.encoders import (
    DualEncoder,
    Tower,
    build_tower,
    initialise,
    tower_from_plain,
    tower_plain,
)

__all__ = [
    "PERMUTATIONS",
    "TERM_SETS",
    "UNTRAINED_MODELS",
    "WHOLE",
    "PositionalRows",
    "fit_row",
    "permuted_null",
    "positional_rows",
    "slopes",
    "untrained_null",
]

TERM_SETS = {"EP": ("EP",), "PP": ("PP",), "bP": ("bP",), "EP+PP+bP": KEY_POSITION}
WHOLE = "EP+PP+bP"
UNTRAINED_MODELS = 100
PERMUTATIONS = 1000
CONSTANT = 1e-6
"""Logits from largest to smallest below which a row counts as constant."""

PositionalRows = dict[tuple[str, str], Float[np.ndarray, "head pixel"]]
"""By gauge and term: what each head's pooled score gains from each pixel's position."""


def positional_rows(tower: Tower, tokens: Tokens, occurs: Occurrence) -> PositionalRows:
    """By gauge and term: the pooled row over the patch keys, mean over pictures."""
    if tower.cfg.normalization_type is None:
        tokens = tokens.at(slice(0, 1))
    rows = {}
    for gauge in GAUGES:
        terms = score_terms(tower, tokens, embedding_in(tower, occurs, gauge))[..., 0, 1:]
        for name, group in TERM_SETS.items():
            picked = terms[[TERMS.index(term) for term in group]].sum(0).mean(0)
            rows[gauge, name] = picked.cpu().double().numpy()
    return rows


def slopes(rows: Float[np.ndarray, "row pixel"]) -> Float[np.ndarray, "row"]:
    """Least-squares slope over the pixels; 0 for a constant row."""
    x = np.arange(rows.shape[-1]) - (rows.shape[-1] - 1) / 2
    return (rows - rows.mean(-1, keepdims=True)) @ x / (x @ x)


def untrained_null(
    model: DualEncoder, tokens: Tokens, occurs: Occurrence
) -> tuple[str, dict[tuple[str, str], float]]:
    """Largest |slope| over heads of freshly initialised image towers, by gauge and term."""
    tower = build_tower(tower_from_plain(tower_plain(model.towers["image"].cfg)))
    highs: dict[tuple[str, str], float] = {}
    sample = tokens.at(slice(0, 16)).to("cpu")  # where the weights of a tower are drawn
    for seed in range(UNTRAINED_MODELS):
        generator = torch.Generator().manual_seed(UNTRAINED_MODELS + seed)
        initialise(tower, model.config, generator)  # type: ignore[arg-type]
        for key, rows in positional_rows(tower, sample, occurs).items():
            highs[key] = max(highs.get(key, 0.0), float(np.abs(slopes(rows)).max()))
    return "untrained", highs


def permuted_null(own: PositionalRows, seed: int) -> tuple[str, dict[tuple[str, str], float]]:
    """95 % quantile of the largest |slope| over heads when pixels are permuted."""
    rng = np.random.default_rng(seed)
    n_pixels = next(iter(own.values())).shape[1]
    orders = np.argsort(rng.random((PERMUTATIONS, n_pixels)), axis=1)
    largest = {
        key: np.abs([slopes(row[orders]) for row in rows]).max(0) for key, rows in own.items()
    }
    return "permuted", {key: float(np.quantile(values, 0.95)) for key, values in largest.items()}


def fit_row(row: Float[np.ndarray, "pixel"]) -> dict[str, Any]:
    """Slope, span, range, R^2 and Spearman rho of one row; a constant row has no correlation."""
    reach = float(np.ptp(row))
    if reach < CONSTANT:
        return {"slope": 0.0, "span": 0.0, "range": reach, "r2": None, "spearman": None}
    slope, x = float(slopes(row[None])[0]), np.arange(len(row))
    rho = float(np.asarray(spearmanr(x, row))[0])
    r2 = float(np.corrcoef(x, row)[0, 1] ** 2)
    span = abs(slope) * (len(row) - 1)
    return {"slope": slope, "span": span, "range": reach, "r2": r2, "spearman": rho}
