"""The ablations of a table, as data: each is some Edits that are made at once.

What a tower needs is asked of all its layers and query rows; in a tower of one layer that is the
pooled row of its only layer. The nine terms are asked of the pooled row of the first layer. Large
towers get a shorter list: there every row is seconds of work.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lrinterp.analysis.read import LABELS
from lrinterp.analysis.subject import heads_of, is_large
from lrinterp.decomposition import KEY_CONTENT, KEY_POSITION
from lrinterp.encoders import DualEncoder
from lrinterp.run import RANDOM, Edit, Run
from lrinterp.run.edit import ATTENTION, POOLED, VP
from lrinterp.scoring import METRICS

__all__ = [
    "ALONE",
    "DOSES",
    "EXCHANGE",
    "NUMBERS",
    "ORDERS",
    "REMOVED",
    "SUMMARY",
    "UNIONS",
    "WHOLE",
    "Ablation",
    "columns_of",
    "is_random",
    "one_head",
    "row_of",
    "standard",
    "within_model",
]

Ablation = tuple[Edit, ...]
"""Edits that are made together; none of an intact model."""

WHOLE = "+".join(KEY_POSITION)
UNIONS = ("EP", "PP", "bP", "EP+PP", "EP+bP", "PP+bP")
FIRST: Mapping[str, Any] = {"layers": (0,), "queries": POOLED}
BY_WEIGHTS: Mapping[str, Any] = {**FIRST, "gauge": "canonical"}
AS_THEY_STAND: Mapping[str, Any] = {**FIRST, "gauge": "raw", "how": "zero"}
EXCHANGE: Mapping[str, Any] = {"how": "exchange", "what": ATTENTION}
REMOVED, TEXT = (Edit(),), (Edit(tower="text"),)
"""Key-position of the image tower, or the text tower, flattened in all layers and query rows."""
ALONE, PLACEBO, OBJECTS = ((Edit(how=how),) for how in ("keep", "placebo", "keep_objects"))
VALUES = (Edit(what=VP, how="zero", **BY_WEIGHTS),)
EP_VALUES = (Edit(what=f"EP+{VP}", **AS_THEY_STAND),)
ORDERS: Mapping[str, tuple[Ablation, ...]] = {
    "order_intact": ((),),
    "order_without_key_position": (REMOVED,),
    "order_placebo": (PLACEBO,),
    "order_placebo_minus_without": (PLACEBO, REMOVED),
    "order_key_position_only": (ALONE,),
    "order_intact_minus_key_position_only": ((), ALONE),
    "order_key_position_and_objects": (OBJECTS,),
    "order_without_text_key_position": (TEXT,),
    "order_without_both_key_position": (REMOVED + TEXT,),
    "order_reversed": ((Edit(how="reverse"),),),
    "order_linear_only": ((Edit(how="linear"),),),
    "order_residual_only": ((Edit(how="residual"),),),
    "order_residual_rescaled": ((Edit(how="residual_rescaled"),),),
    "order_exchanged": ((Edit(**EXCHANGE),),),
    "order_equalised": ((Edit(how="equalise", what=ATTENTION),),),
}
"""By summary key: an ablation whose mean order it is, or two whose paired difference it is."""
SUMMARY = (*ORDERS, LABELS)
IN_FULL: Mapping[str, Ablation] = {
    "intact": (),
    "without_key_position": REMOVED,
    "placebo": PLACEBO,
    "key_position_only": ALONE,
    "key_position_and_objects": OBJECTS,
    **{f"without_{term}": (Edit(what=term, **AS_THEY_STAND),) for term in ("EP", "PE", "PP", "bP")},
    "without_VP": VALUES,
    "without_EP_VP": EP_VALUES,
}
"""By name: ablations of which every accuracy is a number.

Terms other than key-position are those of the first layer's pooled row, set to zero as the weights
stand, as in the paper: how key-position divides into them is convention.
"""
NUMBERS: Mapping[str, tuple[tuple[Ablation, ...], tuple[str, str]]] = {
    **{key: (of, METRICS[0]) for key, of in ORDERS.items()},
    LABELS: ((REMOVED,), ("label_set", "closed")),
    **{
        "_".join((metric, *(() if candidates == "pair" else (candidates,)), name)): (
            (ablation,),
            (metric, candidates),
        )
        for name, ablation in IN_FULL.items()
        for metric, candidates in METRICS
    },
}
"""By key, those of the summary first: one ablation or two, the metric and its candidates."""
DOSES: Mapping[float, Ablation] = {
    dose: () if dose == 1 else (Edit().scaled(1 - dose),) for dose in (-1.0, -0.5, 0.0, 0.5, 1.0)
}
"""Key-position times each dose: flattening scaled by what is missing to 1, the intact model."""
FIRST_LAYER: tuple[Ablation, ...] = (
    *((Edit(how=how, **BY_WEIGHTS),) for how in ("flatten", "placebo", "keep", "keep_objects")),
    (Edit(how="permute", **BY_WEIGHTS),),
    (Edit(what="key_content", how="resample", **BY_WEIGHTS),),
    *((Edit(what=union, **BY_WEIGHTS),) for union in UNIONS),
    *((Edit(what=terms, **AS_THEY_STAND),) for terms in (*UNIONS, WHOLE, *KEY_CONTENT)),
    VALUES,
    EP_VALUES,
    (Edit(what=f"{WHOLE}+{VP}", **BY_WEIGHTS),),
)
"""The pooled row of the first layer, all heads: key-position, its pieces, and the values.

Split by weights, which a tower behind a pre-norm has in name alone.
"""
FIRST_TEXT = tuple((Edit(how=how, tower="text", **BY_WEIGHTS),) for how in ("flatten", "keep"))
INTACT = {
    "encoder": "image", "terms": "none", "heads": "all", "kind": "none", "dose": "1",
    "gauge": "canonical", "layers": "0", "queries": POOLED,
}  # fmt: skip


def standard(model: DualEncoder) -> list[Ablation]:
    """The ablations of the standard table, as its towers know them, in the order of its rows."""
    places = heads_of(model)
    layers = list(dict.fromkeys(layer for layer, _ in places))
    listed = [one for one, *_ in ORDERS.values()]
    if len(layers) > 1:
        listed += [(Edit(queries=POOLED),), *((Edit(layers=(layer,)),) for layer in layers)]
    if is_large(model):
        listed.append(FIRST_LAYER[0])
    else:
        by_head = (one_head(*place, **kind) for kind in ({}, EXCHANGE) for place in places)
        listed += [*FIRST_LAYER, *by_head, *FIRST_TEXT]
    listed += [(Edit(how="keep", tower="text"),), *DOSES.values()]
    return list(dict.fromkeys(within_model(model, one) for one in listed))


def one_head(layer: int, head: int, **kind: Any) -> Ablation:
    """Key-position of one head of the image tower flattened, or what else is said."""
    return (Edit(layers=(layer,), heads=(head,), **kind),)


def is_random(ablation: Ablation) -> bool:
    """Does it draw at random?"""
    return any(edit.how in RANDOM for edit in ablation)


def within_model(model: DualEncoder, ablation: Ablation, seed: int = 0) -> Ablation:
    """The same as the towers of a model know it (`Edit.within`), with a draw."""
    return tuple(replace(e.within(model.towers[e.tower]), seed=seed) for e in ablation)


def columns_of(ablation: Ablation, model: DualEncoder) -> dict[str, str]:
    """The identifying columns of a table row; of edits of both towers those of the image tower."""
    if not ablation:
        return INTACT
    edit, *others = within_model(model, ablation)
    both = any(other.tower != edit.tower for other in others)
    return edit.cells(model.towers[edit.tower]) | ({"encoder": "both"} if both else {})


def row_of(
    run: Run, ablation: Ablation, metric: tuple[str, str], numbers: Mapping[str, Any]
) -> dict[str, Any]:
    """A row of the table: what was edited, on which set, metric and candidates, and its numbers."""
    name, candidates = metric
    place = {"set": run.examples.image_set[0], "metric": name, "candidates": candidates}
    return {"model": "trained", **columns_of(ablation, run.model), **place, **numbers}
