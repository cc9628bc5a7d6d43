"""The mechanism in one picture: one row of pixels, and where the pooled token looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from lrinterp.analysis.contrast import clearest_template, stating
from lrinterp.analysis.read import order_lost
from lrinterp.analysis.subject import decomposable, focus, typical
from lrinterp.axes import Pixels
from lrinterp.charts import heatmap
from lrinterp.decomposition import TERMS, split_terms
from lrinterp.result import Attention, Check, Figure, Metric, NotApplicable, Result
from lrinterp.run import Edit, Run, objects
from lrinterp.wording import head_name, signed

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
    adding_up: Check
    """The sum of the terms against the scores that the model itself computed."""
    layers: int
    """Layers of the image tower; the first is shown."""

    @property
    def places(self) -> list[str]:
        """Position and what stands there, such as "4 cat"."""
        shown = (f"{i} {word}" for i, word in enumerate(self.words[1:], start=1))
        return ["CLS", *(name.replace(" background", " ·") for name in shown)]

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The margin of this picture, intact and ablated."""
        margins = zip(("intact", "without_key_position"), self.margins.tolist(), strict=True)
        return {f"margin_{k}": Metric(value=v, n=1, estimator="exact") for k, v in margins}

    @property
    def finding(self) -> str:
        """What this picture shows."""
        left, right = (int(p) + 1 for p in (self.pixels[0], self.pixels[-1]))
        intact, without = self.pattern[:, 0]
        head = int(np.abs(self.mentions[:, 0] - self.mentions[:, -1]).argmax())
        first, *_, last = self.mentions[head].tolist()
        return (
            f"“{self.caption}”: {self.heads[0]} gives the left object {intact[left]:.2f} of its "
            f"attention and the right one {intact[right]:.2f}; with key-position flattened "
            f"{without[left]:.2f} and {without[right]:.2f}. The true caption leads its swap by a "
            f"cosine of {signed(self.margins[0], 3)} intact and {signed(self.margins[1], 3)} "
            "without (one picture; a positive margin is right; without key-position the labels "
            "alone decide). On the side of the caption, "
            f"{head_name(0, head)} of the text tower gives the object named first {first:.2f} of "
            f"its attention and the one named last {last:.2f}."
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
        )

    def frame(self) -> pd.DataFrame:
        """Attention and terms of this picture, one row a number."""
        return pd.concat([self.attention, self.logits])

    def figures(self) -> tuple[Figure, ...]:
        """Attention intact and ablated, the nine terms, full maps."""
        cells = {"head": self.heads, "query": self.places, "key": self.places}
        return (
            Figure(
                key="row",
                title=f"Where the pooled token looks: “{self.caption}”",
                how_to_read="Columns are the positions of the row with what stands there (· is an "
                "empty pixel), rows are heads, in the order of how much order is lost when their "
                "key-position is flattened; a cell is the share of CLS's attention. A preference "
                "for one side shows as a difference between the two panels.",
                plot=heatmap(
                    self.attention,
                    x="position",
                    y="head",
                    z="attention",
                    facet="run",
                    ends=(0.0, 1.0),
                ),
                table=self.attention,
            ),
            Figure(
                key="terms",
                title=f"The nine terms behind {self.heads[0]}'s row",
                how_to_read="Rows are terms (query letter, key letter: E token, P position, b "
                "bias), columns positions; a cell is logits relative to the row's mean, in the "
                "canonical gauge. Terms that end in E come from the token at the key, terms that "
                "end in P from its position: a preference for one side is a slope in EP or bP. A "
                "term without effect reads 0.",
                plot=heatmap(self.logits, x="position", y="term", z="logits"),
                table=self.logits,
            ),
            Figure(
                key="maps",
                title="The image tower's full attention on this picture",
                how_to_read="Each square is one head: rows are the positions that look, columns "
                "the positions looked at, a stronger colour is more attention; only the first row, "
                "CLS, reaches the embedding of a one-layer model. Choose a head to enlarge it, "
                "hover to read a value.",
                plot=Attention(
                    component="AttentionHeads",
                    props={
                        "attention": np.round(self.squares, 4).tolist(),
                        "tokens": [word.replace("background", "·") for word in self.words],
                        "attentionHeadNames": list(self.heads),
                        "maskUpperTri": False,
                    },
                ),
                table=table_of(self.squares, "attention", cells),
            ),
        )

    @property
    def attention(self) -> pd.DataFrame:
        """Attention of the pooled token, one row for each run, head and position."""
        rows = {"run": RUNS, "head": self.heads, "position": self.places}
        return table_of(self.pattern, "attention", rows)

    @property
    def logits(self) -> pd.DataFrame:
        """The terms of the first head's row and their sum, one row for each position."""
        whole = np.concatenate([self.terms, self.terms.sum(0, keepdims=True)])
        rows = {"head": self.heads[:1], "term": (*TERMS, "sum"), "position": self.places}
        return table_of(whole, "logits", rows)

    @property
    def checks(self) -> tuple[Check, ...]:
        """Do the terms add up?"""
        return (self.adding_up,)


RUNS = ("intact", "without key-position")
FIRST = (
    "Attention, terms and the removal of key-position are those of the image tower's first layer, "
    "whose split is that of its weights; layers above it run on. For all layers see the slopes, "
    "shares and ablations below."
)


def table_of(
    numbers: Float[np.ndarray, "..."], name: str, axes: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """One row for each number of an array, with its labels along each axis."""
    place = pd.MultiIndex.from_product([*axes.values()], names=[*axes])
    return pd.Series(numbers.reshape(-1), place, name=name).reset_index()


def mechanism(recording: Run, *, attention_terms: Result, term_ablation: Result) -> Mechanism:
    """Take one picture apart: attention of the pooled token intact and without key-position.

    Attention without key-position is softmax(scores + delta) of the first layer, delta as in
    `term_ablation` (flatten). Raises NotApplicable where the image tower cannot be split, and for
    pictures of a suite, whose patches have no words.
    """
    decomposable(recording, "image")
    among = recording.of(focus(recording.examples))
    if isinstance(among.examples.image, Pixels):
        raise NotApplicable("the image tower reads pixels of pictures; see over_picture")
    chosen = typical(among.examples.image_pixels, among.examples.grid[1])
    one, template = among.at(np.array([chosen])), clearest_template(recording)
    examples, image = one.examples, one.towers["image"]
    without = one.under(Edit(layers=(0,), queries="pooled"))
    ranked = by_order_lost(term_ablation, image.tower.cfg.n_heads)
    maps = [run.cache["image"]["pattern", 0][0].float().cpu().numpy() for run in (one, without)]
    split = image.streams.split(0, "canonical")
    terms = split_terms(image.tower, 0, split, image.inputs.pool)[:, 0, ranked[0], 0]
    terms = terms.cpu().double().numpy()
    labels = examples.image_labels
    true, swap = (int(stating(examples, row, template)[0]) for row in (labels, labels[:, ::-1]))
    return Mechanism(
        words=tuple(examples.words["image"][i] for i in examples.image.values[0].tolist()),
        caption=examples.caption_text[true],
        heads=tuple(head_name(0, head) for head in ranked),
        pattern=np.stack([attention[ranked, int(image.inputs.pool[0])] for attention in maps]),
        terms=terms - terms.mean(1, keepdims=True),
        margins=np.array([float(r.scores[0, true] - r.scores[0, swap]) for r in (one, without)]),
        squares=maps[0][ranked],
        pixels=examples.image_pixels[0],
        mentions=mentions(recording, true),
        adding_up=attention_terms.checks[0],
        layers=recording.model.image.cfg.n_layers,
    )


def by_order_lost(term_ablation: Result, n_heads: int) -> list[int]:
    """The heads of the first layer, the one whose key-position order needs most first."""
    lost = {h: s.value for (layer, h), s in order_lost(term_ablation).items() if layer == 0}
    return sorted(range(n_heads), key=lambda head: -float(lost.get(head) or 0))


def mentions(recording: Run, caption: int) -> Float[np.ndarray, "text_head mention"]:
    """First-layer attention of one caption's pooled token to its objects, as they are named."""
    run = recording.towers["text"].at(torch.tensor([caption]))
    pooled = run.cache["pattern", 0][0, :, int(run.inputs.pool[0])].float().cpu().numpy()
    return pooled[:, objects(run)[0].numpy()]
