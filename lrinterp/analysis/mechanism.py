"""The mechanism in one picture: one row of pixels, and where the pooled token looks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from lrinterp.analysis.ablation.bench import Bench, objects
from lrinterp.analysis.ablation.term_ablation import INTACT, WITHOUT, TermAblation
from lrinterp.analysis.contrast import caption_of, clearest_template
from lrinterp.analysis.subject import decomposable, focus, head_name
from lrinterp.analysis.terms.attention_terms import AttentionTerms
from lrinterp.axes import Pixels
from lrinterp.charts import heatmap
from lrinterp.decomposition import TERMS
from lrinterp.recording import Recording
from lrinterp.result import Attention, Figure, Metric, NotApplicable, Result
from lrinterp.wording import signed

__all__ = ["Mechanism", "mechanism"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Mechanism(Result):
    """One picture of a held-out pair: attention intact and ablated, and its nine terms."""

    name: ClassVar[str] = "mechanism"
    question: ClassVar[str] = "What does the mechanism look like on one picture?"

    words: tuple[str, ...]
    """What stands at each position of the row, CLS first."""
    caption: str
    """The true caption."""
    heads: tuple[str, ...]
    """The head that matters first."""
    pattern: Float[np.ndarray, "run head key"]
    """Attention of the pooled token: intact, then without key-position."""
    terms: Float[np.ndarray, "term key"]
    """The nine terms of the first head's row in logits, canonical gauge, centred."""
    margins: Float[np.ndarray, "run"]
    """cos(true caption) - cos(swapped caption): intact, then without key-position."""
    squares: Float[np.ndarray, "head query key"]
    """Full attention maps, intact."""
    pixels: Int[np.ndarray, "object"]
    mentions: Float[np.ndarray, "text_head mention"]
    """Attention of [EOT] to the objects of the true caption, in the order of mention."""
    exactness: float
    layers: int
    """Layers of the image tower; the first is shown."""

    @property
    def places(self) -> list[str]:
        """Position and what stands there, such as "4 cat"."""
        shown = [f"{i} {word}" for i, word in enumerate(self.words)]
        return ["CLS", *(name.replace(" background", " ·") for name in shown[1:])]

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The margin of this picture, intact and ablated."""
        intact, without = map(float, self.margins)
        return {
            "margin_intact": Metric(value=intact, n=1, estimator="exact"),
            "margin_without_key_position": Metric(value=without, n=1, estimator="exact"),
        }

    @property
    def finding(self) -> str:
        """What this picture shows."""
        left, right = (int(p) + 1 for p in (self.pixels[0], self.pixels[-1]))
        intact, without = self.pattern[:, 0]
        return (
            f"“{self.caption}”: {self.heads[0]} gives the left object {intact[left]:.2f} of its "
            f"attention and the right one {intact[right]:.2f}; with key-position flattened "
            f"{without[left]:.2f} and {without[right]:.2f}. The true caption leads its swap by a "
            f"cosine of {signed(self.margins[0], 3)} intact and {signed(self.margins[1], 3)} "
            "without (one picture; a positive margin is right; without key-position the labels "
            f"alone decide). {caption_side(self.mentions)}"
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """One example."""
        return (
            "One picture, chosen by its layout alone (objects nearest to a quarter and three "
            "quarters of the row), not by its result. The numbers over all pictures are below.",
            "In a model of one layer without MLP an embedding is a weighted sum of what its heads "
            "attend to: picture and caption agree in order when both give more weight to the same "
            "object.",
            *([FIRST] if self.layers > 1 else []),
            f"The nine terms add up to the scores to {self.exactness:.0e}.",
        )

    def frame(self) -> pd.DataFrame:
        """Attention and terms of this picture, one row a number."""
        return pd.concat([pd.DataFrame(list(self._attention())), pd.DataFrame(list(self._terms()))])

    def figures(self) -> tuple[Figure, ...]:
        """Attention intact and ablated, the nine terms, full maps."""
        return (self._row(), self._nine(), self._maps())

    def _attention(self) -> Iterator[dict[str, Any]]:
        for run, label in enumerate(RUNS):
            for head, name in enumerate(self.heads):
                for key, place in enumerate(self.places):
                    value = float(self.pattern[run, head, key])
                    yield {"run": label, "head": name, "position": place, "attention": value}

    def _terms(self) -> Iterator[dict[str, Any]]:
        for term, row in zip((*TERMS, "sum"), [*self.terms, self.terms.sum(0)], strict=True):
            for place, value in zip(self.places, row.tolist(), strict=True):
                yield {"head": self.heads[0], "term": term, "position": place, "logits": value}

    def _row(self) -> Figure:
        table = pd.DataFrame(list(self._attention()))
        return Figure(
            key="row",
            title=f"Where the pooled token looks: “{self.caption}”",
            how_to_read="Columns are the positions of the row with what stands there (· is an "
            "empty pixel), rows are heads, in the order of how much order is lost when their "
            "key-position is flattened; a cell is the share of CLS's attention. A preference for "
            "one side shows as a difference between the two panels.",
            plot=heatmap(
                table, x="position", y="head", z="attention", facet="run", ends=(0.0, 1.0)
            ),
            table=table,
        )

    def _nine(self) -> Figure:
        table = pd.DataFrame(list(self._terms()))
        return Figure(
            key="terms",
            title=f"The nine terms behind {self.heads[0]}'s row",
            how_to_read="Rows are terms (query letter, key letter: E token, P position, b bias), "
            "columns positions; a cell is logits relative to the row's mean, canonical gauge. "
            "Terms that end in E come from the token at the key, terms that end in P from its "
            "position: a preference for one side is a slope in EP or bP. A term without effect "
            "reads 0.",
            plot=heatmap(table, x="position", y="term", z="logits"),
            table=table,
        )

    def _maps(self) -> Figure:
        props = {
            "attention": np.round(self.squares, 4).tolist(),
            "tokens": [word.replace("background", "·") for word in self.words],
            "attentionHeadNames": list(self.heads),
            "maskUpperTri": False,
        }
        head, query, key = np.indices(self.squares.shape).reshape(3, -1)
        places = np.array(self.places)
        table = pd.DataFrame(
            {
                "head": np.array(self.heads)[head],
                "query": places[query],
                "key": places[key],
                "attention": self.squares.reshape(-1),
            }
        )
        return Figure(
            key="maps",
            title="The image tower's full attention on this picture",
            how_to_read="Each square is one head: rows are the positions that look, columns the "
            "positions looked at, a stronger colour is more attention; only the first row, CLS, "
            "reaches the embedding of a one-layer model. Choose a head to enlarge it, hover to "
            "read a value.",
            plot=Attention(component="AttentionHeads", props=props),
            table=table,
        )


RUNS = ("intact", "without key-position")
FIRST = (
    "Attention, terms and the removal of key-position are those of the image tower's first layer, "
    "whose split is that of its weights; layers above it run on. For all layers see the slopes, "
    "shares and ablations below."
)


def mechanism(
    recording: Recording, *, attention_terms: AttentionTerms, term_ablation: TermAblation
) -> Mechanism:
    """Take one picture apart: attention of the pooled token intact and without key-position.

    Attention without key-position is softmax(scores + delta) of the first layer, delta as in
    `term_ablation` (flatten). Raises NotApplicable where the image tower cannot be split, and for
    photographs, whose patches have no words.
    """
    decomposable(recording, "image")
    examples = recording.examples.of(focus(recording.examples))
    if isinstance(examples.image, Pixels):
        raise NotApplicable("the towers read photographs; see over_picture")
    chosen = typical(examples.image_pixels, examples.grid[1])
    one = examples.at(np.array([chosen]))
    bench = Bench(recording.model, one)
    ranked = by_order_lost(term_ablation, recording.model.image.cfg.n_heads)
    true = int(caption_of(one, np.array([0]), clearest_template(recording))[0])
    row = recording.examples.where(focus(recording.examples))[chosen]
    squares = recording.site("image", "blocks.0.attn.hook_pattern")[int(row)].float().cpu().numpy()
    terms = bench.terms("image", "canonical")[:, 0, ranked[0], 0].cpu().double().numpy()
    return Mechanism(
        words=tuple(one.words["image"][i] for i in one.image.values[0].tolist()),
        caption=one.caption_text[true],
        heads=tuple(head_name(0, head) for head in ranked),
        pattern=np.stack([bench.attention(r)[0][ranked] for r in (INTACT, WITHOUT)]),
        terms=terms - terms.mean(1, keepdims=True),
        margins=np.array([margin(bench, r, true) for r in (INTACT, WITHOUT)]),
        squares=squares[ranked],
        pixels=one.image_pixels[0],
        mentions=mentions(recording, true),
        exactness=attention_terms.error,
        layers=recording.model.image.cfg.n_layers,
    )


def by_order_lost(term_ablation: TermAblation, n_heads: int) -> list[int]:
    """The heads of the first layer, the one whose key-position order needs most first."""
    lost = {h: s.value for (layer, h), s in term_ablation.order_lost.items() if layer == 0}
    return sorted(range(n_heads), key=lambda head: -float(lost.get(head) or 0))


def mentions(recording: Recording, caption: int) -> Float[np.ndarray, "text_head mention"]:
    """First-layer attention of one caption's pooled token to its objects, as they are named."""
    pattern = recording.site("text", "blocks.0.attn.hook_pattern")[caption]
    pooled = pattern[:, recording.inputs["text"].pool[caption]].float().cpu().numpy()
    named = objects(recording.examples.roles["text"])[caption].numpy()
    return pooled[:, named]


def caption_side(mentions: Float[np.ndarray, "text_head mention"]) -> str:
    """What the head of the text tower that weighs the objects least evenly does with them."""
    head = int(np.abs(mentions[:, 0] - mentions[:, -1]).argmax())
    return (
        f"On the side of the caption, {head_name(0, head)} of the text tower gives the object "
        f"named first {mentions[head, 0]:.2f} of its attention and the one named last "
        f"{mentions[head, -1]:.2f}."
    )


def typical(pixels: Int[np.ndarray, "image object"], n_pixels: int) -> int:
    """The first picture whose objects lie nearest to evenly spread along the row."""
    n_objects = pixels.shape[1]
    wanted = (np.arange(n_objects) + 0.5) / n_objects * n_pixels - 0.5
    return int(np.abs(pixels - wanted).sum(1).argmin())


def margin(bench: Bench, row: Any, true: int) -> float:
    """Cosine of the true caption minus that of its reverse."""
    examples = bench.examples
    stated = examples.caption_labels[true][::-1]
    same = examples.caption_template[true] == np.array(examples.caption_template, dtype=object)
    swap = int(np.flatnonzero(same & (examples.caption_labels == stated).all(1))[0])
    scores = bench.scores(row)[0]
    return float(scores[true] - scores[swap])
