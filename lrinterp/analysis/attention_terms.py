"""Which products of token and position embeddings make the attention scores?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from lrinterp.analysis.subject import decomposable, focus, head_name, relation_captions
from lrinterp.axes import Tokens
from lrinterp.charts import heatmap
from lrinterp.decomposition import (
    GAUGES,
    KEY_CONTENT,
    KEY_POSITION,
    TERMS,
    Groups,
    embedding_in,
    groups_of,
    score_terms,
)
from lrinterp.recording import Recording
from lrinterp.result import Attention, Figure, NotApplicable, Result, Scalar
from lrinterp.stats import ratio_intervals

__all__ = ["AttentionTerms", "attention_terms"]

SPLIT = {"+".join(KEY_CONTENT): KEY_CONTENT, "+".join(KEY_POSITION): KEY_POSITION}
"""What the inputs identify: all that depends on the key's content, and on its position."""
ROUNDING = 1e-9
"""Part of the variance below which a covariance is rounding: that of terms constant in a row."""
LARGEST_SQUARE = 512
"""Examples on which all query rows are checked; the pooled row is checked on every one."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class AttentionTerms(Result):
    """Shares of the nine terms, the mean pooled rows, and how exactly the terms add up."""

    name: ClassVar[str] = "attention_terms"
    question: ClassVar[str] = "Which products of token and position make the attention scores?"

    table: pd.DataFrame
    """Share of each term by encoder, layer, head (null: all heads) and gauge."""
    rows: pd.DataFrame
    """Mean value of each term at each key position on the pooled row."""
    pattern: Float[np.ndarray, "head query key"]
    """Attention of the text tower on one caption."""
    words: tuple[str, ...]
    """The words of that caption."""
    error: float
    n_examples: int
    notes: tuple[str, ...]

    @property
    def summary(self) -> Mapping[str, Scalar]:
        """The reconstruction error and the identified split of the image tower."""
        image = self.table.query("encoder == 'image' and gauge == 'canonical' and head.isna()")
        shares = {row["term"]: row for row in image.to_dict("records")}
        split = {
            f"image_{name}_share": Scalar(
                **{k: shares[term][k] for k in ("value", "low", "high", "n", "n_clusters")}
            )
            for name, term in zip(("key_content", "key_position"), SPLIT, strict=True)
            if term in shares
        }
        error = Scalar(value=self.error, n=self.n_examples)
        return {"reconstruction_error": error, **split}

    @property
    def finding(self) -> str:
        """The split of the image tower, and the exactness of the sum."""
        exact = f"The nine terms add up to the cached scores to {self.error:.0e} of their largest."
        if "image_key_position_share" not in self.summary:
            return exact
        position = self.summary["image_key_position_share"]
        content = self.summary["image_key_content_share"]
        return (
            f"On the pooled row of the image tower {position} {position.interval} of the variance "
            f"of the scores comes from where the key is, {content} {content.interval} from what it "
            f"is (n = {position.n} pictures). {exact}"
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is identified, and what is convention."""
        return (
            "Only two things are identified, up to a constant per component of positions: "
            "key-content (EE+PE+bE) and key-position (EP+PP+bP). How key-position divides into EP, "
            "PP and bP is a convention: a vector can move between token and position embeddings "
            "without changing any output. The canonical gauge centres the position embeddings; the "
            "raw gauge shows the weights as training left them.",
            "A share is cov(term, scores) / var(scores), centred within the row over the keys that "
            "are seen. It may be negative; shares sum to 1. Eb, Pb and bb are constant along a row.",
            *self.notes,
        )

    def frame(self) -> pd.DataFrame:
        """The shares, with the column `share` for the value."""
        return self.table.rename(columns={"value": "share"})

    def figures(self) -> tuple[Figure, ...]:
        """Shares by head in both gauges, mean rows by position, attention of the text tower."""
        return (*map(self._shares, GAUGES), self._rows(), self._text())

    def _shares(self, gauge: str) -> Figure:
        part = self.table[(self.table["gauge"] == gauge) & self.table["term"].isin(TERMS)]
        part = part.dropna(subset=["head"])
        shown = part.assign(
            head=[head_name(layer, h) for layer, h in zip(part["layer"], part["head"], strict=True)],
            encoder=[f"{name} tower" for name in part["encoder"]],
        ).rename(columns={"value": "share of variance"})
        return Figure(
            key=f"shares-{gauge}",
            title=f"Share of the attention scores by term, {gauge} gauge",
            how_to_read="One row a head, one column a term (first letter: query, second: key; E "
            "token, P position, b bias); a cell is the term's share of the variance of the pooled "
            "row's scores, 0 where the term does nothing.",
            plot=heatmap(shown, x="term", y="head", z="share of variance", facet="encoder", limit=1),
            table=part.rename(columns={"value": "share"}),
        )

    def _rows(self) -> Figure:
        part = self.rows.query("gauge == 'canonical' and encoder == 'image'")
        shown = part.rename(columns={"value": "logits"})
        return Figure(
            key="rows",
            title="What each head adds at each position, canonical gauge",
            how_to_read="Mean score in logits that the pooled token gives to each key position, "
            "centred along the row: key-content averages over pictures, key-position is the same "
            "for every picture; a head without positional preference is blank on the right.",
            plot=heatmap(shown, x="position", y="head", z="logits", facet="part"),
            table=part,
        )

    def _text(self) -> Figure:
        heads = [head_name(0, head) for head in range(len(self.pattern))]
        props = {
            "attention": np.round(self.pattern, 4).tolist(),
            "tokens": list(self.words),
            "attentionHeadNames": heads,
            "maskUpperTri": True,
        }
        caption = " ".join(self.words[1:-1])
        query, key = np.indices(self.pattern.shape[1:]).reshape(2, -1)
        table = pd.DataFrame(
            {
                "head": np.repeat(heads, query.size),
                "query": np.tile(np.array(self.words)[query], len(heads)),
                "key": np.tile(np.array(self.words)[key], len(heads)),
                "attention": self.pattern.reshape(-1),
            }
        )
        return Figure(
            key="text",
            title=f"Attention of the text tower on “{caption}”",
            how_to_read="Each square is one head: rows are the tokens that look, columns the "
            "tokens looked at, darker is more attention; the last row, [EOT], is what the caption's "
            "embedding is read from. Choose a head to enlarge it, hover to read a value.",
            plot=Attention(component="AttentionHeads", props=props),
            table=table,
        )


def attention_terms(recording: Recording) -> AttentionTerms:
    """Split the first layer's scores of both towers into nine terms, in both gauges.

    share(t) = sum over examples and keys of centred(t) * centred(s) / sum of centred(s)^2 on the
    pooled row, s the sum of the nine; interval: clusters of label sets. The reconstruction error
    is max |sum of terms - hook_attn_scores| / max |hook_attn_scores| where a key is seen.
    Source: arXiv 2601.12809, section 4. Raises NotApplicable where neither tower can be split.
    """
    tables, rows, errors, notes = [], [], [], []
    for tower in recording.model.towers:
        try:
            decomposable(recording, tower)
        except NotApplicable as reason:
            notes.append(f"{reason}.")
            continue
        part = Part.of(recording, tower)
        errors.append(part.error())
        for gauge in GAUGES:
            terms = part.terms(gauge)
            tables += list(shares(part, terms, gauge))
            rows += list(mean_rows(part, terms, gauge))
        if part.model.cfg.n_layers > 1:
            notes.append(f"The {tower} tower is decomposed in its first layer only.")
    if not tables:
        raise NotApplicable(notes[0])
    text = recording.inputs["text"].at(torch.from_numpy(relation_captions(recording.examples)[:1]))
    length = int(text.pool[0]) + 1
    pattern = recording.caches["text"]["pattern", 0][relation_captions(recording.examples)[0]]
    vocabulary = recording.examples.words["text"]
    return AttentionTerms(
        table=pd.DataFrame(tables).astype({"head": "Int64"}),
        rows=pd.DataFrame(rows),
        pattern=pattern[:, :length, :length].float().cpu().numpy(),
        words=tuple(vocabulary[i] for i in text.ids[0, :length].tolist()),
        error=max(errors),
        n_examples=sum(len(tokens) for tokens in recording.inputs.values()),
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class Part:
    """One tower with the examples its terms are measured on, and their clusters."""

    recording: Recording
    tower: str
    index: np.ndarray
    clusters: np.ndarray
    tokens: Tokens
    groups: Groups

    @classmethod
    def of(cls, recording: Recording, tower: str) -> "Part":
        """Focus pictures for the image tower, relation captions for the text tower."""
        examples = recording.examples
        if tower == "image":
            index, clusters = examples.where(focus(examples)), examples.image_label_set
        else:
            index, clusters = relation_captions(examples), examples.caption_label_set
        tokens = recording.inputs[tower].at(torch.from_numpy(index))
        groups = groups_of(recording.model.towers[tower], tokens, examples.occurs[tower])
        return cls(recording, tower, index, clusters[index], tokens, groups)

    @property
    def model(self) -> Any:
        """The tower itself."""
        return self.recording.model.towers[self.tower]

    def terms(self, gauge: Any) -> Float[Tensor, "term batch head 1 key"]:
        """The nine terms of the pooled rows."""
        space = embedding_in(self.model, self.recording.examples.occurs[self.tower], gauge)
        return score_terms(self.model, self.tokens, space)

    def error(self) -> float:
        """Largest relative error of the sum, over all query rows, in the worse gauge."""
        some = torch.from_numpy(self.index[:LARGEST_SQUARE])
        tokens = self.recording.inputs[self.tower].at(some)
        cached = self.recording.caches[self.tower]["attn_scores", 0][some]
        occurs = self.recording.examples.occurs[self.tower]
        seen = groups_of(self.model, tokens, occurs, pooled=False).seen[:, None].expand_as(cached)
        differences = []
        for gauge in GAUGES:
            space = embedding_in(self.model, occurs, gauge)
            summed = score_terms(self.model, tokens, space, pooled=False).sum(0)
            valid = seen & torch.isfinite(cached)
            differences.append((summed - cached)[valid].abs().max() / cached[valid].abs().max())
        return float(max(differences))


def shares(
    part: Part, terms: Float[Tensor, "term batch head 1 key"], gauge: str
) -> Iterator[dict[str, Any]]:
    """Rows of shares: nine terms and the identified split, by head and over all heads."""
    centred = _centre(part, terms)
    whole = centred.sum(0)
    covariance = (centred * whole).sum((-1, -2)).double().cpu().numpy()
    names = [*TERMS, *SPLIT]
    split = [covariance[[TERMS.index(t) for t in group]].sum(0) for group in SPLIT.values()]
    covariance = np.concatenate([covariance, np.stack(split)])
    variance = covariance[: len(TERMS)].sum(0)
    covariance[np.abs(covariance) < ROUNDING * variance] = 0.0
    for head in (*range(variance.shape[1]), None):
        cov, var = (x.sum(-1) if head is None else x[..., head] for x in (covariance, variance))
        for name, interval in zip(names, ratio_intervals(cov, var, part.clusters), strict=True):
            place = {"encoder": part.tower, "layer": 0, "head": head, "term": name, "gauge": gauge}
            yield {**place, **vars(interval)}


def mean_rows(
    part: Part, terms: Float[Tensor, "term batch head 1 key"], gauge: str
) -> Iterator[dict[str, Any]]:
    """The mean pooled row of key-content and key-position, centred, by head and position."""
    centred = _centre(part, terms)
    length = int(part.tokens.pool.min()) + 1 if part.tower == "text" else centred.shape[-1]
    for label, group in zip(("key-content", "key-position"), SPLIT.values(), strict=True):
        mean = centred[[TERMS.index(t) for t in group]].sum(0).mean(0)[:, 0]
        for head, row in enumerate(mean.tolist()):
            for key, value in enumerate(row[:length]):
                position = key if part.tower == "text" else ("CLS" if key == 0 else f"{key}")
                place = {"encoder": part.tower, "head": head_name(0, head), "gauge": gauge}
                yield {**place, "part": label, "position": str(position), "value": value}


def _centre(
    part: Part, terms: Float[Tensor, "term batch head 1 key"]
) -> Float[Tensor, "term batch head 1 key"]:
    """Terms minus their row mean over seen keys; zero where unseen."""
    seen = part.groups.seen[:, None].to(terms.dtype)
    mean = (terms * seen).sum(-1, keepdim=True) / seen.sum(-1, keepdim=True)
    return (terms - mean) * seen
