"""Label vectors of both towers, the rotation that fits them, and what shuffled labels give.

A few labels in many dimensions leave a rotation free off their span, so only its part on the span
is kept: a partial isometry. The rest is no prediction; filling it in at will is a control.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice

import numpy as np
import pandas as pd
import torch
from einops import einsum
from jaxtyping import Float, Int
from numpy.linalg import norm
from scipy.linalg import orth, orthogonal_procrustes

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

LabelRows = Float[np.ndarray, "label d"]
Square = Float[np.ndarray, "d d"]


def label_vectors(
    towers: Mapping[str, Tower], examples: Examples
) -> tuple[dict[str, list[Float[np.ndarray, "label _"]]], str | None]:
    """By site the vectors of all labels, a tower each, and why there is no value path, or None.

    `W_E` is the rows of the token embeddings as the weights stand. `value path` is what a token
    adds to the output where every head attends to it alone, sum over heads of W_E W_V W_O W_U; it
    is exact for one layer of attention without norm and exists for no other tower.
    Raises NotApplicable where a label has no token, or where the towers differ in width.
    """
    tokens = {name: label_tokens(examples, name) for name in towers}
    widths = [str(tower.cfg.d_model) for tower in towers.values()]
    if len(set(widths)) > 1:
        raise NotApplicable(f"no rotation between towers of {' and '.join(widths)}")
    reason = why_no_value_path(towers)
    sites = {"W_E": token_embeddings} | ({} if reason else {"value path": value_path})
    return {
        site: [of(towers[name])[own] for name, own in tokens.items()] for site, of in sites.items()
    }, reason


def label_tokens(examples: Examples, tower: str) -> list[int]:
    """The token of each label in a tower's vocabulary."""
    words = examples.words[tower]
    if missing := [word for word in examples.label_words if word not in words]:
        raise NotApplicable(f"the {tower} tower has no token for the label {missing[0]!r}")
    return [words.index(word) for word in examples.label_words]


def token_embeddings(tower: Tower) -> Float[np.ndarray, "token d_model"]:
    """W_E in double precision."""
    return tower.W_E.detach().double().cpu().numpy()


@torch.no_grad()
def value_path(tower: Tower) -> Float[np.ndarray, "token d_out"]:
    """W_E W_V W_O W_U, summed over heads, in double precision."""
    W_V, W_O = tower.blocks[0].attn.W_V.double(), tower.blocks[0].attn.W_O.double()
    moved = einsum(W_V, W_O, "head d_in d_head, head d_head d_out -> d_in d_out")
    return (tower.W_E.double() @ moved @ tower.W_U.double()).cpu().numpy()


def why_no_value_path(towers: Mapping[str, Tower]) -> str | None:
    """What a tower has besides one layer of attention, or None."""
    for name, tower in towers.items():
        cfg = tower.cfg
        faults = {
            f"{cfg.n_layers} layers": cfg.n_layers > 1,
            "an MLP": not cfg.attn_only,
            "a norm": cfg.normalization_type is not None,
        }
        if found := [what for what, there in faults.items() if there]:
            return f"the {name} tower has {found[0]}"
    return None


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


def row_cosines(
    a: Float[np.ndarray, "... d"], b: Float[np.ndarray, "... d"]
) -> Float[np.ndarray, "..."]:
    """Cosine row by row; nan where a row is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (a * b).sum(-1) / (norm(a, axis=-1) * norm(b, axis=-1))


def kept_shares(moved: LabelRows, rows: LabelRows) -> Float[np.ndarray, "label"]:
    """Squared length that is left of each row; nan where it had none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (norm(moved, axis=1) / norm(rows, axis=1)) ** 2


def nearest(moved: LabelRows, targets: LabelRows) -> Float[np.ndarray, "label"]:
    """Is each moved row nearest to its own target, by cosine? A k-way tie earns 1/k."""
    likeness = np.nan_to_num(row_cosines(moved[:, None], targets[None]))
    best = likeness >= likeness.max(1, keepdims=True) - TIE
    return best.diagonal() / best.sum(1)


def shuffles(n: int, seed: int) -> Int[np.ndarray, "order item"]:
    """Random orders of n items, none of them the order they have."""
    rng = np.random.default_rng(seed)
    drawn = (rng.permutation(n) for _ in count())
    changed = (order for order in drawn if (order != np.arange(n)).any())
    return np.stack(list(islice(changed, SHUFFLES)))


@dataclass(frozen=True)
class Labels:
    """The vectors of every label in both towers, and the group of each label."""

    image: LabelRows
    text: LabelRows
    groups: tuple[str, ...]

    def of(self, group: str) -> Int[np.ndarray, "some"]:
        """The labels of a group."""
        return np.flatnonzero(np.array(self.groups) == group)

    @property
    def centred(self) -> tuple[LabelRows, LabelRows]:
        """Both towers without the mean of the trained labels."""
        fit = self.of(TRAINED)
        return self.image - self.image[fit].mean(0), self.text - self.text[fit].mean(0)

    @cached_property
    def spans(self) -> list[Float[np.ndarray, "d direction"]]:
        """Of each tower a basis of what the trained labels span."""
        return [orth(rows[self.of(TRAINED)].T, rcond=ROUNDING) for rows in self.centred]

    def table(self, words: tuple[str, ...]) -> pd.DataFrame:
        """Cosines of every label of the fit and of the test, in both directions."""
        (image, text), fit = self.centred, self.of(TRAINED)
        turn = partial_isometry(image[fit], text[fit])
        full, _ = orthogonal_procrustes(image[fit], text[fit])
        place = {
            "label": words,
            "group": self.groups,
            "raw_cosine": row_cosines(self.image, self.text),
        }
        ways = self._way(image, text, turn, full), self._way(text, image, turn.T, full.T)
        named = zip(DIRECTIONS, ways, strict=True)
        table = pd.concat([pd.DataFrame({"direction": of, **place, **way}) for of, way in named])
        return table[table["group"] != NEITHER].reset_index(drop=True)

    def _way(
        self, source: LabelRows, target: LabelRows, turn: Square, full: Square
    ) -> dict[str, np.ndarray]:
        """The columns of one direction."""
        moved, held = source @ turn, self.of(HELD_OUT)
        found = np.full(len(source), np.nan)
        found[held] = nearest(moved[held], target[held])
        return {
            "raw_centred_cosine": row_cosines(source, target),
            "aligned_cosine": row_cosines(moved, target),
            "ceiling": np.sqrt(kept_shares(target @ turn.T, target)),
            "completed_cosine": row_cosines(source @ full, target),
            "span_share": kept_shares(moved, source),
            "nearest": found,
        }

    def shuffled(self, seed: int) -> pd.DataFrame:
        """Mean held-out cosine by order and direction, where the fit pairs labels in other orders.

        Orders change how the two spans are turned into each other, not the spans: turns are
        fitted inside them, as small matrices. A label without length counts in no mean.
        """
        fit, held, rows = self.of(TRAINED), self.of(HELD_OUT), self.centred
        image, text = (part @ span for part, span in zip(rows, self.spans, strict=True))
        turns = partial_isometry(image[fit], text[fit][shuffles(len(fit), seed)])
        onward = image[held] @ turns @ self.spans[1].T
        back = text[held] @ np.swapaxes(turns, -1, -2) @ self.spans[0].T
        found = row_cosines(onward, rows[1][held]), row_cosines(back, rows[0][held])
        named = zip(DIRECTIONS, map(pd.DataFrame, found), strict=True)
        null = pd.DataFrame({direction: by_label.mean(axis=1) for direction, by_label in named})
        return null.assign(**{BOTH: null.mean(axis=1)})

    def means(self, table: pd.DataFrame, seed: int) -> pd.DataFrame:
        """Means of a table's held-out labels by direction, beside the null of shuffled labels."""
        groups = pd.concat([table, table.assign(direction=BOTH)]).groupby(["group", "direction"])
        by_group, order = groups.mean(numeric_only=True), [*DIRECTIONS, BOTH]
        means, fitted = (by_group.loc[group].reindex(order) for group in (HELD_OUT, TRAINED))
        null, aligned = self.shuffled(seed), means["aligned_cosine"]
        p = (1 + (null >= aligned).sum()) / (1 + SHUFFLES)
        found = means.assign(
            fitted_cosine=fitted["aligned_cosine"],
            shuffled_mean=null.mean(),
            shuffled_low=null.quantile(0.05),
            shuffled_high=null.quantile(0.95),
            p=p.where(aligned.notna()),
            n=len(self.of(HELD_OUT)),
            n_fit=len(self.of(TRAINED)),
            rank=min(span.shape[1] for span in self.spans),
            width=self.image.shape[1],
        )
        return found.reset_index()
