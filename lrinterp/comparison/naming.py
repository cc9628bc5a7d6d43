"""Names that tell checkpoints apart, and what the numbers of a summary are measured in."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lrinterp.checkpoint import Checkpoint, load_checkpoint, readable

__all__ = ["GROUPS", "Group", "group_of", "load_named", "numbered", "quantity_words", "short_names"]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Summary numbers that share a unit and are drawn on one axis."""

    key: str
    keys: str
    """A regular expression that the whole summary key matches."""
    title: str
    axis: str
    null: str
    """What the number is where there is nothing to see, as the end of a sentence."""
    of_pictures: bool = False
    """Is it a share of pictures, from 0 to 1?"""
    of_order: bool = False
    """Is it an accuracy of order, whose chance level is known?"""


GROUPS = (
    Group(
        key="geometry",
        keys="(left_right|above_below|front_behind)_.*",
        title="Captions that differ in their relation",
        axis="cosine, share or ratio, as the name says",
        null="a consistency is to be held against its own null, a cosine against the others",
    ),
    Group(
        key="minus",
        keys=".*_minus_.*",
        title="Order under one ablation minus order under another, on the same pictures",
        axis="difference of order accuracies",
        null="0 is no difference",
    ),
    Group(
        key="order",
        keys="order_.*|.*_order(_left|_right)?",
        title="Order accuracy",
        axis="order accuracy",
        null="a guess of the order scores one over the number of orders, 0.5 for two objects",
        of_pictures=True,
        of_order=True,
    ),
    Group(
        key="captions",
        keys=".*(retrieval|label_set)_.*",
        title="Accuracy among many captions",
        axis="share of pictures right",
        null="a guess scores next to 0",
        of_pictures=True,
    ),
    Group(
        key="variance",
        keys=".*_key_(content|position)_share",
        title="Share of the attention scores by what the inputs identify",
        axis="share of variance",
        null="0 says that it plays no part",
    ),
    Group(
        key="gain",
        keys=".*_attention_gain",
        title="Attention the right-hand object gains over the left-hand one",
        axis="attention gained",
        null="0 is no preference for a side",
    ),
    Group(
        key="span",
        keys="(headline|null)_span",
        title="Span of the headline gradient, and of its null",
        axis="span (logits)",
        null="without a gradient the headline span is as small as its null",
    ),
    Group(
        key="slope",
        keys="(headline|null)_slope",
        title="Slope of the headline gradient, and of its null",
        axis="slope (logits per pixel)",
        null="without a gradient the headline slope is as small as its null",
    ),
    Group(
        key="spearman",
        keys="headline_spearman|spearman_.*",
        title="Rank correlations",
        axis="Spearman's rho",
        null="what goes its own way lies near 0",
    ),
    Group(
        key="margin",
        keys="(image_|text_)?margin.*|.*_largest_value",
        title="Margin: by how much what is true leads its swap, and its parts",
        axis="margin (cosine)",
        null="at 0 the two cannot be told apart",
    ),
    Group(
        key="mentions",
        keys="(bias|first)_head_.*(attention|difference)|null_difference",
        title="Attention of [EOT] to the objects in the order of mention",
        axis="attention",
        null="a head without a preference has a difference of 0",
    ),
    Group(
        key="consistency",
        keys=".*_consistency.*",
        title="Captions in which the head prefers the same mention",
        axis="share of captions",
        null="a head without a preference lies near 0.5",
    ),
    Group(
        key="cosine",
        keys=".*_(cosine|shuffled_mean|shuffled_high)",
        title="Cosine between picture and word of held-out labels",
        axis="cosine",
        null="two directions that have nothing to do with each other lie near 0",
    ),
    Group(
        key="effect",
        keys=".*_z_effect",
        title="Part of the margin that the strongest head restores",
        axis="part of the margin",
        null="0 says that the head carries nothing of it",
    ),
)
"""In the order in which keys are looked up: the first that matches has it."""


def group_of(key: str) -> Group | None:
    """The group of a summary key; None for one that is not drawn, such as a rounding error."""
    return next((group for group in GROUPS if re.fullmatch(group.keys, key)), None)


def quantity_words(key: str) -> str:
    """A summary key as it is shown: `unseen_pair_order` becomes `unseen pair order`."""
    return key.replace("_", " ")


def load_named(folders: Sequence[str | Path], *, tokenizer: Path | None = None) -> list[Checkpoint]:
    """Load checkpoints under names as short as tells them apart. Raises InputError.

    `tokenizer` is for imported CLIPs that were published without.
    """
    names = short_names([Path(folder) for folder in folders])
    return [
        replace(load_checkpoint(folder, tokenizer), name=name)
        for folder, name in zip(folders, names, strict=True)
    ]


def short_names(folders: Sequence[Path]) -> list[str]:
    """The last part of each path, with as many parts before it as tell it from the others.

    One folder given twice has one name twice: see `numbered`.
    """
    paths = [folder.resolve().parts for folder in folders]
    return [_shortest(own, [path for path in paths if path != own]) for own in paths]


def _shortest(own: tuple[str, ...], others: list[tuple[str, ...]]) -> str:
    depth = 1
    while depth < len(own) and any(path[-depth:] == own[-depth:] for path in others):
        depth += 1
    return readable("/".join(own[-depth:]))


def numbered(names: Iterable[str]) -> list[str]:
    """The names with a number behind every repetition.

    >>> numbered(["a", "b", "a"])
    ['a', 'b', 'a (2)']
    """
    found: list[str] = []
    for name in names:
        count, unique = 1, name
        while unique in found:
            count += 1
            unique = f"{name} ({count})"
        found.append(unique)
    return found
