"""Label vectors of both towers, the rotation that fits them, and what shuffled labels give.

A few labels in many dimensions leave a rotation free off their span, so only its part on the span
is kept: a partial isometry. The rest is no prediction; filling it in at will is a control.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from einops import einsum
from jaxtyping import Float, Int
from scipy.linalg import orthogonal_procrustes
from torch import Tensor

from lrinterp.analysis.subject import HELD_OUT, NEITHER, TRAINED
from lrinterp.encoders import Tower
from lrinterp.result import NotApplicable
from lrinterp.scenes import Examples

__all__ = [
    "BOTH",
    "SHUFFLES",
    "Labels",
    "label_vectors",
    "partial_isometry",
]

SHUFFLES = 100
ROUNDING = 1e-10
"""Part of the largest singular value below which a direction is rounding."""
TIE = 1e-6
DIRECTIONS = ("image to text", "text to image")
BOTH = "both"

Rows = Float[np.ndarray, "label d"]
Square = Float[np.ndarray, "d d"]


def label_vectors(
    towers: Mapping[str, Tower], examples: Examples
) -> tuple[dict[str, tuple[Float[np.ndarray, "label _"], ...]], str | None]:
    """By site the vectors of all labels, a tower each, and why there is no value path, or None.

    `W_E` is the rows of the token embeddings as the weights stand. `value path` is what a token
    adds to the output where every head attends to it alone, sum over heads of W_E W_V W_O W_U; it
    is exact for one layer of attention without norm and exists for no other tower.
    Raises NotApplicable where a label has no token, or where the towers differ in width.
    """
    ids = [label_tokens(examples, name) for name in towers]
    widths = [tower.cfg.d_model for tower in towers.values()]
    if len(set(widths)) > 1:
        raise NotApplicable(f"no rotation between towers of {' and '.join(map(str, widths))}")
    sites, reason = {"W_E": token_embeddings}, why_no_value_path(towers)
    if reason is None:
        sites["value path"] = value_path
    vectors = {
        site: tuple(of(tower)[own] for tower, own in zip(towers.values(), ids, strict=True))
        for site, of in sites.items()
    }
    return vectors, reason


def label_tokens(examples: Examples, tower: str) -> list[int]:
    """The token of each label in a tower's vocabulary."""
    words = examples.words[tower]
    if missing := [word for word in examples.label_words if word not in words]:
        raise NotApplicable(f"the {tower} tower has no token for the label {missing[0]!r}")
    return [words.index(word) for word in examples.label_words]


def token_embeddings(tower: Tower) -> Float[np.ndarray, "token d_model"]:
    """W_E in double precision."""
    return double(tower.embed.W_E)


def value_path(tower: Tower) -> Float[np.ndarray, "token d_out"]:
    """W_E W_V W_O W_U, summed over heads, in double precision."""
    attn = tower.blocks[0].attn
    W_V, W_O = double(attn.W_V), double(attn.W_O)
    moved = einsum(W_V, W_O, "head d_in d_head, head d_head d_out -> d_in d_out")
    return token_embeddings(tower) @ moved @ double(tower.unembed.W_U)


def why_no_value_path(towers: Mapping[str, Tower]) -> str | None:
    """What a tower has besides one layer of attention, or None."""
    for name, tower in towers.items():
        if tower.cfg.n_layers > 1:
            return f"the {name} tower has {tower.cfg.n_layers} layers"
        if not tower.cfg.attn_only:
            return f"the {name} tower has an MLP"
        if tower.cfg.normalization_type is not None:
            return f"the {name} tower has a norm"
    return None


def double(weight: Tensor) -> Float[np.ndarray, "..."]:
    """A weight for numpy, in double precision."""
    return weight.detach().cpu().double().numpy()


def partial_isometry(
    source: Float[np.ndarray, "... label d_source"], target: Float[np.ndarray, "... label d_target"]
) -> Float[np.ndarray, "... d_source d_target"]:
    """The map that turns source rows towards target rows, and is zero off their span.

    With source^T target = U S V^T it is R = U_r V_r^T, r the number of singular values that are
    not 0: the solution of the orthogonal Procrustes problem, less what the rows leave free.
    Source: Schönemann (Psychometrika 1966).

    >>> import numpy as np
    >>> source, target = np.eye(3)[:2], np.eye(3)[[1, 0]]  # two rows in three dimensions
    >>> partial_isometry(source, target).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    left, strength, right = np.linalg.svd(np.swapaxes(source, -1, -2) @ target, full_matrices=False)
    kept = strength > ROUNDING * strength[..., :1]
    return (left * kept[..., None, :]) @ right


def cosines(
    a: Float[np.ndarray, "... d"], b: Float[np.ndarray, "... d"]
) -> Float[np.ndarray, "..."]:
    """Cosine row by row; nan where a row is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def lengths(a: Rows, b: Rows) -> Float[np.ndarray, "label"]:
    """Length over length, row by row; nan where the second is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def nearest(moved: Rows, targets: Rows) -> Float[np.ndarray, "label"]:
    """Is each moved row nearest to its own target, by cosine? A k-way tie earns 1/k."""
    likeness = np.nan_to_num(cosines(moved[:, None], targets[None]))
    best = likeness >= likeness.max(1, keepdims=True) - TIE
    return best.diagonal() / best.sum(1)


def span_of(rows: Rows) -> Float[np.ndarray, "d direction"]:
    """An orthonormal basis of the span of some rows."""
    _, size, right = np.linalg.svd(rows, full_matrices=False)
    return right[size > ROUNDING * size[0]].T


def shuffles(n: int, seed: int) -> Int[np.ndarray, "order item"]:
    """Random orders of n items, none of them the order they have."""
    rng = np.random.default_rng(seed)
    orders: list[np.ndarray] = []
    while len(orders) < SHUFFLES:
        order = rng.permutation(n)
        orders += [order] if (order != np.arange(n)).any() else []
    return np.stack(orders)


@dataclass(frozen=True)
class Labels:
    """The vectors of every label in both towers, and the group of each label."""

    image: Rows
    text: Rows
    groups: tuple[str, ...]

    def of(self, group: str) -> Int[np.ndarray, "some"]:
        """The labels of a group."""
        return np.flatnonzero(np.array(self.groups) == group)

    @property
    def centred(self) -> tuple[Rows, Rows]:
        """Both towers without the mean of the trained labels."""
        fit = self.of(TRAINED)
        return self.image - self.image[fit].mean(0), self.text - self.text[fit].mean(0)

    def table(self, words: tuple[str, ...]) -> pd.DataFrame:
        """Cosines of every label of the fit and of the test, in both directions."""
        image, text = self.centred
        fit = self.of(TRAINED)
        turn = partial_isometry(image[fit], text[fit])
        full, _ = orthogonal_procrustes(image[fit], text[fit])
        place = {"label": words, "group": self.groups, "raw_cosine": cosines(self.image, self.text)}
        ways = self._way(image, text, turn, full), self._way(text, image, turn.T, full.T)
        parts = [
            pd.DataFrame({"direction": name, **place, **way})
            for name, way in zip(DIRECTIONS, ways, strict=True)
        ]
        table = pd.concat(parts, ignore_index=True)
        return table[table["group"] != NEITHER].reset_index(drop=True)

    def _way(self, source: Rows, target: Rows, turn: Square, full: Square) -> dict[str, np.ndarray]:
        """The columns of one direction."""
        moved, held = source @ turn, self.of(HELD_OUT)
        found = np.full(len(source), np.nan)
        found[held] = nearest(moved[held], target[held])
        return {
            "raw_centred_cosine": cosines(source, target),
            "aligned_cosine": cosines(moved, target),
            "ceiling": lengths(target @ turn.T, target),
            "completed_cosine": cosines(source @ full, target),
            "span_share": lengths(moved, source) ** 2,
            "nearest": found,
        }

    def shuffled(self, seed: int) -> Float[np.ndarray, "direction order"]:
        """Mean held-out cosine in both directions where the fit pairs its labels in other orders.

        Orders change how the two spans are turned into each other, not the spans: turns are
        fitted inside them, as small matrices.
        """
        fit, held, rows = self.of(TRAINED), self.of(HELD_OUT), self.centred
        spans = [span_of(part[fit]) for part in rows]
        within = [part @ span for part, span in zip(rows, spans, strict=True)]
        turns = partial_isometry(within[0][fit], within[1][fit][shuffles(len(fit), seed)])
        means = []
        for source, target, turn in ((0, 1, turns), (1, 0, np.swapaxes(turns, -1, -2))):
            moved = within[source][held] @ turn @ spans[target].T
            means.append(cosines(moved, rows[target][held]).mean(-1))
        return np.stack(means)

    def means(self, table: pd.DataFrame, seed: int) -> pd.DataFrame:
        """Means of a table's held-out labels by direction, beside the null of shuffled labels."""
        null = self.shuffled(seed)
        by_direction = dict(zip((*DIRECTIONS, BOTH), (*null, null.mean(0)), strict=True))
        return pd.DataFrame([self._mean(table, *case) for case in by_direction.items()])

    def _mean(
        self, table: pd.DataFrame, direction: str, null: Float[np.ndarray, "order"]
    ) -> dict[str, Any]:
        part = table if direction == BOTH else table[table["direction"] == direction]
        held, fit = (part[part["group"] == group] for group in (HELD_OUT, TRAINED))
        means = {str(name): value for name, value in held.select_dtypes("number").mean().items()}
        aligned = means["aligned_cosine"]
        beaten = (1 + (null >= aligned).sum()) / (1 + SHUFFLES)
        low, high = np.quantile(null, [0.05, 0.95])
        return {
            "direction": direction,
            **means,
            "fitted_cosine": fit["aligned_cosine"].mean(),
            "shuffled_mean": null.mean(),
            "shuffled_low": low,
            "shuffled_high": high,
            "p": beaten if np.isfinite(aligned) else np.nan,
            "n": len(self.of(HELD_OUT)),
            "n_fit": len(self.of(TRAINED)),
            "rank": min(span_of(rows[self.of(TRAINED)]).shape[1] for rows in self.centred),
            "width": self.image.shape[1],
        }
