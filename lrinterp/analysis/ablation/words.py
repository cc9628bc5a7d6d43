"""What is said of ablations: the finding, and what to know before leaning on it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lrinterp.analysis.ablation.figures import pictures_of
from lrinterp.analysis.read import CARRIERS, NO_HEAD
from lrinterp.grades import grade, phrase_of
from lrinterp.result import Metric
from lrinterp.wording import counted, head_name

if TYPE_CHECKING:
    from lrinterp.analysis.ablation.term_ablation import TermAblation

__all__ = ["found", "notes"]

OBJECTS = "order_key_position_and_objects"
SHAPE = (
    "In one layer three controls are algebra and no evidence: reversed key-position is, but for "
    "the values, the mirrored picture; exchanged attention, as far as key-content is alike for "
    "both objects, the swapped one; equalised attention a bag of objects. The table of the figure "
    "gives predictions and gaps. Evidence are the straight line against what it leaves, single "
    "heads, and doses."
)
ENOUGH = 0.1
"""Order that key-position alone may lose and still count as sufficient."""
NOTHING_TO_LOSE = " Intact order is not above chance: these ablations can take nothing from it."
TOLD = (
    "“Objects told from empty pixels” keeps key-position and replaces all else by its mean over "
    "the objects and its mean over the empty pixels of each picture."
)
RAW = (
    "The raw rows (zero) divide key-position into EP, PP and bP as the weights happen to stand. "
    "Initial scales and weight decay decide how much of one and the same positional preference "
    "ends up in the query's token, position or bias part, so it can look like “EP alone” in one "
    "model and like a shared effort in another"
)


def found(result: "TermAblation") -> str:
    """What removal and sufficiency of key-position did, and what each tower needs."""
    numbers = result.numbers
    keys = ("intact", "without_key_position", "placebo", "key_position_only")
    intact, without, placebo, only = (numbers[f"order_{key}"] for key in keys)
    spread = numbers["order_placebo_minus_without"]
    where = f" in all {result.layers} layers and every query row" if result.layers > 1 else ""
    text, both = (numbers[f"order_without_{key}_key_position"] for key in ("text", "both"))
    known = grade(intact, result.chance) in ("knows", "in part")
    return (
        f"Order on {pictures_of(result.focus)} is {intact.phrase} intact, {without.phrase} without "
        f"key-position{where}, {placebo.phrase} under a placebo of the same size (paired "
        f"difference from the removal {spread.phrase}), and {only.phrase} with key-position alone "
        f"({counted(intact.n, 'picture')}, {counted(intact.n_units, 'label')}). Without "
        f"key-position: {phrase_of(without, result.chance)}. Without that of the text tower order "
        f"is {text.phrase}, without both {both.phrase}."
        f"{shape(numbers) + carried(numbers) if known else NOTHING_TO_LOSE}{loss(result)}"
    )


def shape(numbers: Mapping[str, Metric]) -> str:
    """Whether the straight line carries order, against what it leaves; what reversal does."""
    keys = ("order_linear_only", "order_residual_rescaled", "order_reversed")
    line, left, turned = (numbers[key] for key in keys)
    return (
        f" With the straight line of key-position only, order is {line.phrase}; with what the line "
        f"leaves, brought to the size of the term, {left.phrase}; with key-position reversed "
        f"{turned.phrase}."
    )


def carried(numbers: Mapping[str, Metric]) -> str:
    """Which heads carry order, judged on labels that had no say in the choice."""
    if CARRIERS[0] not in numbers:
        return ""
    heads, order, more = (numbers[key] for key in CARRIERS)
    if heads.value == "none":
        return f" {NO_HEAD}"
    return (
        f" Without the key-position of {heads}, chosen on half of the labels, order on pairs of "
        f"the other half is {order.phrase}, {more.phrase} above that without the key-position of "
        "all heads."
    )


def loss(result: "TermAblation") -> str:
    """Why key-position alone loses order, where it does and attention of one layer says so."""
    lost = result.numbers["order_intact_minus_key_position_only"]
    told = result.layers == 1 and not result.normed and result.on_objects.size
    if not told or not result.order_lost or lost.low is None or lost.low <= ENOUGH:
        return ""
    place = max(result.order_lost, key=lambda p: float(result.order_lost[p].value or 0))
    before, after = result.on_objects[:, place[1]]
    return (
        f" Keeping key-position alone costs {lost.phrase} of order: attention spreads over empty "
        f"pixels, and the objects hold {after:.2f} of the attention of "
        f"{head_name(*place)} instead of {before:.2f}. Where the scores still tell that something "
        f"stands at a pixel, though not what, order is {result.numbers[OBJECTS].phrase}."
    )


def notes(result: "TermAblation") -> tuple[str, ...]:
    """Kinds of ablation, and why the raw split moves."""
    whole = (
        "with LayerNorm, whose scale differs by key, even the result for key-position as a whole "
        "depends on the gauge."
        if result.normed
        else "for key-position as a whole the result does not depend on the gauge"
        + (" in the first layer." if result.layers > 1 else ".")
    )
    raw = RAW + ("." if result.normed else ". Only their sum is a fact about the model.")
    placebo = result.numbers["order_placebo"].sample
    draws = 0 if placebo is None else len(placebo.top)
    return (
        "Flatten replaces a term on the patch keys by its mean over them and leaves CLS alone: "
        + whole,
        *([raw] if (result.table["gauge"] == "raw").any() else []),
        *([TOLD] if result.numbers[OBJECTS].n else []),
        *([SHAPE] if result.layers == 1 else []),
        "The placebo keeps the term and subtracts a random row, orthogonal to it and of the same "
        "size. Placebo, permuted and resampled rows are means over "
        f"{counted(draws, 'seeded draw')}; their intervals cover other draws and other labels.",
        *result.notes,
    )
