"""Which products of token and position embeddings make the attention scores?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from lrinterp.analysis.subject import decomposable, head_name, relation_captions
from lrinterp.analysis.term_shares import SPLIT, Part, mean_rows, shares
from lrinterp.charts import heatmap
from lrinterp.decomposition import GAUGES, TERMS
from lrinterp.recording import Recording
from lrinterp.result import Attention, Figure, NotApplicable, Result, Scalar, records
from lrinterp.wording import counted

__all__ = ["AttentionTerms", "attention_terms"]


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
    normed: bool
    """Does LayerNorm scale the keys of a tower?"""
    notes: tuple[str, ...]

    @property
    def summary(self) -> Mapping[str, Scalar]:
        """The reconstruction error and the identified split of the image tower."""
        image = self.table.query("encoder == 'image' and gauge == 'canonical' and head.isna()")
        shares = {row["term"]: row for row in records(image)}
        split = {
            f"image_{name}_share": Scalar.of(shares[term])
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
        if position.value is None:
            return f"All scores of the image tower's pooled row are equal. {exact}"
        return (
            f"{'By convention (see caveats), on' if self.normed else 'On'} the pooled row of the "
            f"image tower {position.phrase} of the variance of the scores "
            f"comes from where the key is, {content.phrase} from what it is "
            f"({counted(position.n, 'picture')}). {exact}"
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is identified, and what is convention."""
        whole = (
            "With LayerNorm, whose scale differs by key, every split is a convention, also that of "
            "key-content (EE+PE+bE) and key-position (EP+PP+bP)"
            if self.normed
            else "Only two things are identified, up to a constant per component of positions: "
            "key-content (EE+PE+bE) and key-position (EP+PP+bP). How key-position divides into EP, "
            "PP and bP is a convention"
        )
        return (
            f"{whole}: a vector can move between token and position embeddings without changing "
            "any output. The canonical gauge centres the position embeddings; the raw gauge shows "
            "the weights as training left them.",
            "A share is cov(term, scores) / var(scores), centred within the row over the keys "
            "that are seen. It may be negative; shares sum to 1. Eb, Pb and bb are constant along "
            "a row.",
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
            head=[
                head_name(int(layer), int(h))
                for layer, h in zip(part["layer"], part["head"], strict=True)
            ],
            encoder=[f"{name} tower" for name in part["encoder"]],
        ).rename(columns={"value": "share of variance"})
        return Figure(
            key=f"shares-{gauge}",
            title=f"Share of the attention scores by term, {gauge} gauge",
            how_to_read="One row a head, one column a term (first letter: query, second: key; E "
            "token, P position, b bias); a cell is the term's share of the variance of the pooled "
            "row's scores, 0 where the term does nothing.",
            plot=heatmap(
                shown, x="term", y="head", z="share of variance", facet="encoder", ends=(-1.0, 1.0)
            ),
            table=part.rename(columns={"value": "share"}),
        )

    def _rows(self) -> Figure:
        part = self.rows.query("gauge == 'canonical' and encoder == 'image'")
        shown = part.rename(columns={"value": "logits"})
        return Figure(
            key="rows",
            title="What each head of the image tower adds at each position, canonical gauge",
            how_to_read="Mean score in logits that the pooled token gives to each key position, "
            "centred along the row and averaged over pictures; a head without positional "
            "preference reads 0 in key-position. Key-content averages out here, since every label "
            "stands everywhere in turn: its size is in the shares above.",
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
            "tokens looked at, a stronger colour is more attention; the last row, [EOT], is what "
            "the caption's embedding is read from. Choose a head to enlarge it, hover to read a "
            "value.",
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
    n_examples = 0
    for tower in recording.model.towers:
        try:
            decomposable(recording, tower)
        except NotApplicable as reason:
            notes.append(f"{reason}.")
            continue
        part = Part.of(recording, tower)
        errors.append(part.error())
        n_examples += len(part.tokens)
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
    pattern = recording.site("text", "blocks.0.attn.hook_pattern")[
        relation_captions(recording.examples)[0]
    ]
    vocabulary = recording.examples.words["text"]
    return AttentionTerms(
        table=pd.DataFrame(tables).astype({"head": "Int64"}),
        rows=pd.DataFrame(rows),
        pattern=pattern[:, :length, :length].float().cpu().numpy(),
        words=tuple(vocabulary[i] for i in text.ids[0, :length].tolist()),
        error=max(errors),
        n_examples=n_examples,
        normed=any(t.cfg.normalization_type is not None for t in recording.model.towers.values()),
        notes=tuple(notes),
    )
