"""What is said of ablations: the finding, and what to know before leaning on it."""

from typing import TYPE_CHECKING

from lrinterp.analysis.ablation.figures import pictures_of
from lrinterp.analysis.ablation.rows import text_row
from lrinterp.analysis.subject import head_name
from lrinterp.grades import grade, phrase_of
from lrinterp.wording import counted

if TYPE_CHECKING:
    from lrinterp.analysis.ablation.term_ablation import TermAblation

__all__ = ["found", "notes"]

ENOUGH = 0.1
"""Order that key-position alone may lose and still count as sufficient."""
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
    intact, without, placebo, only = map(result.order, result.main[:4])
    spread = result.order(result.main.placebo, result.main.without)
    where = f" in all {result.layers} layers and every query row" if result.layers > 1 else ""
    text = result.order(text_row(result.text_layers))
    return (
        f"Order on {pictures_of(result.focus)} is {intact.phrase} intact, {without.phrase} without "
        f"key-position{where}, {placebo.phrase} under a placebo of the same size (paired "
        f"difference from the removal {spread.phrase}), and {only.phrase} with key-position alone "
        f"({counted(intact.n, 'picture')}, {counted(intact.n_units, 'label')}). Without "
        f"key-position: {phrase_of(without, result.chance)}. Without that of the text tower order "
        f"is {text.phrase}.{nothing_to_lose(result)}{loss(result)}"
    )


def nothing_to_lose(result: "TermAblation") -> str:
    """That nothing can be taken from a model that has nothing."""
    if grade(result.order(result.main.intact), result.chance) in ("knows", "in part"):
        return ""
    return " Intact order is not above chance: these ablations can take nothing from it."


def loss(result: "TermAblation") -> str:
    """Why key-position alone loses order, where it does and attention of one layer says so."""
    lost = result.order(result.main.intact, result.main.only)
    told = result.layers == 1 and not result.normed and result.on_objects.size
    if not told or not result.order_lost or lost.low is None or lost.low <= ENOUGH:
        return ""
    place = max(result.order_lost, key=lambda p: float(result.order_lost[p].value or 0))
    before, after = result.on_objects[:, place[1]]
    return (
        f" Keeping key-position alone costs {lost.phrase} of order: attention spreads over empty "
        f"pixels, and the objects hold {after:.2f} of the attention of "
        f"{head_name(*place)} instead of {before:.2f}. Where the scores still tell that something "
        f"stands at a pixel, though not what, order is {result.order(result.main.objects).phrase}."
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
    draws = len(result.runs(result.main.placebo))
    return (
        "Flatten replaces a term on the patch keys by its mean over them and leaves CLS alone: "
        + whole,
        *([raw] if (result.table["gauge"] == "raw").any() else []),
        *([TOLD] if len(result.runs(result.main.objects)) else []),
        "The placebo keeps the term and subtracts a random row, orthogonal to it and of the same "
        "size. Placebo, permuted and resampled rows are means over "
        f"{counted(draws, 'seeded draw')}; their intervals cover other draws and other labels.",
        *result.notes,
    )
