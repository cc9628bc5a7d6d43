"""The ablations of a table, as data: each is some Edits that are made at once.

What a tower needs is asked of all its layers and query rows; in a tower of one layer that is the
pooled row of its only layer. The nine terms are asked of the pooled row of the first layer. Large
towers get a shorter list: there every row is seconds of work.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lrinterp.decomposition import KEY_CONTENT, KEY_POSITION
from lrinterp.encoders import DualEncoder
from lrinterp.run import RANDOM, Edit
from lrinterp.run.edit import ATTENTION, POOLED, VP

__all__ = [
    "DOSES",
    "Ablation",
    "Listed",
    "cells_of",
    "is_large",
    "is_random",
    "label_of",
    "seeded",
]

Ablation = tuple[Edit, ...]
"""Edits that are made together; none of an intact model."""

LARGE = 48
"""Heads of a tower above which the list is short and heads are ranked by an estimate."""
DOSES = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""What the term is multiplied with in the dose-response; 1 is the intact model."""
WHOLE = "+".join(KEY_POSITION)
UNIONS = ("EP", "PP", "bP", "EP+PP", "EP+bP", "PP+bP")
NONE = {"terms": "none", "heads": "all", "kind": "none", "dose": "1"}
FIRST = {"gauge": "canonical", "layers": "0", "queries": POOLED}


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The ablations of one model, each as its towers know it (`Edit.within`)."""

    model: DualEncoder

    def whole(self, how: str, tower: str = "image", **more: Any) -> Ablation:
        """Key-position of all layers and query rows of a tower."""
        return (Edit(how=how, tower=tower, **more).within(self.model.towers[tower]),)

    @property
    def without(self) -> Ablation:
        """Key-position of the image tower flattened."""
        return self.whole("flatten")

    @property
    def text(self) -> Ablation:
        """Key-position of the text tower flattened."""
        return self.whole("flatten", "text")

    @property
    def named(self) -> Mapping[str, tuple[Ablation, Ablation | None]]:
        """By summary key: an ablation's mean order, or its paired difference from another's."""
        placebo, only = self.whole("placebo"), self.whole("keep")
        return {
            "order_intact": ((), None),
            "order_without_key_position": (self.without, None),
            "order_placebo": (placebo, None),
            "order_placebo_minus_without": (placebo, self.without),
            "order_key_position_only": (only, None),
            "order_intact_minus_key_position_only": ((), only),
            "order_key_position_and_objects": (self.whole("keep_objects"), None),
            "order_without_text_key_position": (self.text, None),
            "order_without_both_key_position": (self.without + self.text, None),
            **{key: (ablation, None) for key, ablation in self.shape.items()},
        }

    @property
    def shape(self) -> Mapping[str, Ablation]:
        """The controls of shape by summary key: same size, another course over the row."""
        return {
            "order_reversed": self.whole("reverse"),
            "order_linear_only": self.whole("linear"),
            "order_residual_only": self.whole("residual"),
            "order_residual_rescaled": self.whole("residual_rescaled"),
            "order_exchanged": self.whole("exchange", what=ATTENTION),
            "order_equalised": self.whole("equalise", what=ATTENTION),
        }

    def doses(self) -> Iterator[tuple[float, Ablation]]:
        """Key-position times each dose: flattening scaled by what is missing to 1."""
        for dose in DOSES:
            [edit] = self.whole("flatten")
            yield dose, (() if dose == 1 else (edit.scaled(1 - dose),))

    def head(self, layer: int, head: int, how: str = "flatten", **more: Any) -> Ablation:
        """One head of the image tower."""
        return self.whole(how, layers=(layer,), heads=(head,), **more)

    def heads(self) -> list[tuple[int, int]]:
        """Every head of the image tower, by layer."""
        cfg = self.model.towers["image"].cfg
        return [(layer, head) for layer in range(cfg.n_layers) for head in range(cfg.n_heads)]

    @property
    def large(self) -> bool:
        """Is the image tower too large to measure each of its heads?"""
        return is_large(self.model)

    def standard(self) -> list[Ablation]:
        """The ablations of the standard table, in the order in which they are shown."""
        listed = [ablation for ablation, _ in self.named.values()]
        if len({layer for layer, _ in self.heads()}) > 1:
            listed += self.by_layer()
        listed += self.first_layer()
        if not self.large:
            for how, what in (("flatten", WHOLE), ("exchange", ATTENTION)):
                listed += [self.head(*place, how=how, what=what) for place in self.heads()]
        first = {"layers": (0,), "queries": POOLED, "gauge": "canonical"}
        text = [self.whole(how, "text", **first) for how in ("flatten", "keep")]
        listed += [*([] if self.large else text), self.whole("keep", "text")]
        return list(dict.fromkeys([*listed, *(ablation for _, ablation in self.doses())]))

    def by_layer(self) -> Iterator[Ablation]:
        """The pooled row of all layers, then each layer alone."""
        yield self.whole("flatten", queries=POOLED)
        for layer in range(self.model.towers["image"].cfg.n_layers):
            yield self.whole("flatten", layers=(layer,))

    def first_layer(self) -> Iterator[Ablation]:
        """The pooled row of the first layer, all heads: key-position, its pieces, and the values.

        Split by weights, which a tower behind a pre-norm has in name alone; of large towers
        key-position as a whole.
        """
        place = {"layers": (0,), "queries": POOLED}
        if self.large:
            yield (Edit(gauge="canonical", **place),)
            return
        for how in ("flatten", "placebo", "keep", "keep_objects", "permute"):
            yield (Edit(how=how, gauge="canonical", **place),)
        yield (Edit(what="key_content", how="resample", gauge="canonical", **place),)
        for union in UNIONS:
            yield (Edit(what=union, gauge="canonical", **place),)
        for union in (*UNIONS, WHOLE, *KEY_CONTENT):
            yield (Edit(what=union, how="zero", gauge="raw", **place),)
        yield (Edit(what=VP, how="zero", gauge="canonical", **place),)
        yield (Edit(what=f"EP+{VP}", how="zero", gauge="raw", **place),)
        yield (Edit(what=f"{WHOLE}+{VP}", gauge="canonical", **place),)


def is_large(model: DualEncoder) -> bool:
    """Has the image tower so many heads that each cannot be measured?"""
    cfg = model.towers["image"].cfg
    return cfg.n_heads * cfg.n_layers > LARGE


def is_random(ablation: Ablation) -> bool:
    """Does it draw at random?"""
    return any(edit.how in RANDOM for edit in ablation)


def seeded(ablation: Ablation, seed: int) -> Ablation:
    """The same with another draw."""
    return tuple(replace(edit, seed=seed) for edit in ablation)


def cells_of(ablation: Ablation, model: DualEncoder) -> dict[str, str]:
    """The identifying columns of a table row; of edits of both towers those of the image tower."""
    if not ablation:
        return {"encoder": "image", **NONE, **FIRST}
    towers = dict.fromkeys(edit.tower for edit in ablation)
    cells = ablation[0].cells(model.towers[ablation[0].tower])
    return {**cells, "encoder": "both" if len(towers) > 1 else ablation[0].tower}


def label_of(ablation: Ablation, model: DualEncoder) -> str:
    """The cells as one string."""
    return "/".join(cells_of(ablation, model).values())
