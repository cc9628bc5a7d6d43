"""What the attribution says in sentences: the finding of a tower, and what to know beforehand."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lrinterp.analysis.attribution.figures import NO_MARGIN
from lrinterp.analysis.attribution.rows import DIRECT_PATH, GROUPS
from lrinterp.result import Metric
from lrinterp.wording import counted, plain_number

__all__ = ["BOTH_TEMPLATES", "SAME_MEAN", "caveats_of", "finding_of"]

BOTH_TEMPLATES = (
    "Both templates count alike: image margins are means over them, and text examples are the "
    "captions of each, whose roles follow the order of mention."
)
SAME_MEAN = {
    "objects": (
        "The text margin is the cosine of a caption with a picture it is true of, minus that "
        "with the objects swapped in the same layout. Where every picture comes with its swap "
        "both towers have the same mean margin by construction."
    ),
    "word": (
        "The text margin is the cosine of a caption with a picture it is true of, minus that "
        "with the mirror image of the picture; the other caption of an image margin has the other "
        "relation word. Where every picture comes with its mirror image both towers have the same "
        "mean margin by construction."
    ),
}
"""By the way in which captions are reversed."""

Found = Mapping[str, Metric]


def finding_of(
    found: Found, encoder: str, largest: Mapping[str, Any], head: str, prefers: str
) -> str:
    """What makes the margin of one tower, and how margins go with the attention of a head."""
    margin = found[f"{encoder}_margin"]
    thing = {"image": "picture"}.get(encoder, "caption-picture pair")
    where = f"{counted(margin.n, thing)}, {counted(margin.n_units, 'label')}"
    size = float(margin.value or 0)
    if abs(size) < NO_MARGIN:
        return (
            f"The mean {encoder} margin is {plain_number(size)} ({where}), less than "
            f"{NO_MARGIN}: there is no order in it to take apart."
        )
    return (
        f"The mean {encoder} margin of {margin.phrase} ({where}) is {read(largest)}, "
        f"{found[f'{encoder}_largest_value'].phrase}; all together, directly, "
        f"{written(found, encoder)}.{ways(found, encoder)}{correlated(found, head, prefers)}"
    )


def read(largest: Mapping[str, Any]) -> str:
    """The largest contribution: what is read where, or what is there beside the heads."""
    if largest["head"] == DIRECT_PATH:
        return f"written above all by {largest['part']} at {largest['role']}"
    what = {"E": "content", "P": "position"}.get(largest["part"], "bias")
    return f"read above all from the {what} at {largest['role']} through {largest['head']}"


def written(found: Found, encoder: str) -> str:
    """What each group of parts adds directly."""
    keys = {group: f"{encoder}_margin_by_{group.lower()}" for group in GROUPS}
    added = [f"{group} {found[key].phrase}" for group, key in keys.items() if key in found]
    return f"{', '.join(added[:-1])} and {added[-1]}"


def ways(found: Found, encoder: str) -> str:
    """What key-position adds first, last and on average: the margin is not additive in it."""
    if f"{encoder}_margin_without_key_position" not in found:
        return ""
    first, last, shapley = (
        found[f"{encoder}_margin_by_key_position_{way}"].phrase
        for way in ("first", "last", "shapley")
    )
    return (
        f" In the scores key-position adds {first} where it is added first, {last} where last, and "
        f"{shapley} on average (Shapley value); with key-position flattened "
        f"{found[f'{encoder}_margin_without_key_position'].phrase} is left."
    )


def correlated(found: Found, head: str, prefers: str) -> str:
    """How margins go with the attention of one head, where there is one."""
    if not head:
        return ""
    within, both = (found[f"spearman_{key}"] for key in ("within_pairs", "both_orders"))
    other = {"right": "left", "left": "right"}[prefers]
    return (
        f" Margins go with the attention that {head} gives the {prefers}-hand object "
        f"over the {other}-hand one by a rank correlation of {within.phrase} within label "
        f"pairs, and of {both.phrase} over all with both orders averaged."
    )


def caveats_of(
    worst: pd.Series, found: Found, swap: str, head: str, prefers: str
) -> tuple[str, ...]:
    """What is held, what is a choice, and what a correlation is; `worst` are the largest errors."""
    path = not pd.isna(worst["nodes"])
    return (
        *direct_caveats(worst["reconstruction_error"], worst["relative_error"]),
        *(path_caveats(worst["completeness_error"], int(worst["nodes"])) if path else ()),
        SAME_MEAN[swap],
        *([correlated_caveat(found, head, prefers)] if head else []),
    )


def direct_caveats(exact: float, relative: float) -> tuple[str, ...]:
    """What is held, and that direct is not total."""
    return (
        "The parts are direct: the scale of the last norm, the length of the embedding and all "
        "attention maps are held, so a head counts for what it moves, not for why it looks, and "
        f"the parts add up to each margin to {exact:.0e} ({relative:.0e} of the largest margin). "
        "Only one position is read out: what heads and MLPs of earlier layers do at the others "
        "acts through later heads and counts to those, as does what they write for later layers "
        "to read. So a part is no total effect, for that see ablation and patching.",
        "Above the first layer the value at a key holds what earlier layers have moved there, from "
        "anywhere: a role says where a head reads, not what the object there is. What of a value "
        "or of the embedding is content and what position is a convention, in the first layer of "
        "the canonical gauge, elsewhere of means over the inputs; their sum is not.",
        "The largest contribution is chosen after the fact among many: its interval is that of one "
        "named beforehand, and too narrow for a choice.",
    )


def path_caveats(error: float, nodes: int) -> tuple[str, ...]:
    """Of the path of attention: what is held, and what is a choice."""
    return (
        "Through attention: integrated gradients along a path of the scores, from uniform "
        f"attention to the model's own, values held; with {nodes} points of the path they add "
        f"up to the difference of both margins to {error:.0e}. The start is a choice: there a "
        "picture and its swap are alike, and the mean margin over both orders is 0. What "
        "key-content and key-position do only together (telling objects from empty pixels, and "
        "one object from the other) the path shares out between them.",
        "Key-content (EE+PE+bE) and key-position (EP+PP+bP) are identified up to a constant "
        "per component of positions, which the canonical gauge fixes; the nine terms are "
        "conventions of that gauge.",
        "A margin is not additive in its scores, so how much of it a part makes depends on the "
        "path: added first (alone, against uniform attention), added last (the whole less the "
        "other part alone), their mean (Shapley value) and integrated gradients all differ, and "
        "none is the share.",
    )


def correlated_caveat(found: Found, head: str, prefers: str) -> str:
    """What the correlation is, and is not."""
    overall, flattened = (found[f"spearman_{key}"].phrase for key in ("margin_gain", "flattened"))
    return (
        f"{head} is the head whose key-position moves the margin most; its gain counts "
        f"towards the side it prefers on average ({prefers}). Within label pairs rho is a "
        "mean over ordered pairs, in each of which only the layout differs. Over all pictures rho "
        f"also reflects which labels are there: it is {overall}, and {flattened} with key-position "
        "flattened, so use the one within pairs. A correlation is no cause: for that see ablation "
        "and patching."
    )
