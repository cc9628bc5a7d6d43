"""Scenes: a world and a split brought together; training batches and evaluation examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from lrinterp.axes import Tokens
from lrinterp.scenes.examples import Examples, image_occurrence, text_occurrence
from lrinterp.scenes.splits import (
    SETS,
    Split,
    Training,
    allocate,
    evaluation_set,
    set_of_labels,
)
from lrinterp.scenes.world import (
    MOST_OBJECTS,
    CaptionSet,
    World,
    all_captions,
    draw_pictures,
    nouns_of,
    sizes_of,
)
from lrinterp.store import InputError, from_plain

__all__ = ["Scenes"]


@dataclass(frozen=True)
class Scenes:
    """Everything that can be shown and said in a world, divided into training and the four sets.

    Deterministic in (world, split). Raises ValueError where the split does not fit the world.
    """

    world: World = field(default_factory=World)
    split: Split = field(default_factory=Split)
    training: Training = field(init=False, repr=False, compare=False)
    captions: CaptionSet = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "training", allocate(self.world, self.split))
        object.__setattr__(self, "captions", all_captions(self.world))

    @classmethod
    def from_plain(
        cls,
        world: Mapping[str, Any] | None,
        split: Mapping[str, Any] | None,
        where: str = "scenes",
        *,
        sizes: Mapping[str, tuple[int, int]] | None = None,
    ) -> Self:
        """Scenes from plain data, as a checkpoint or a TOML file holds them.

        Raises InputError for unknown fields, wrong types, a split that does not fit the world, or
        a world whose (vocabulary, context length) is not `sizes`; `where` names the source.
        """
        if world is None or split is None:
            raise InputError(f"{where}: has no world and split; prepare your own Examples for it")
        own = from_plain(World, world, f"{where}: world")
        divided = from_plain(Split, split, f"{where}: split")
        for tower, needed in sizes_of(own).items():
            if sizes is not None and sizes[tower] != needed:
                raise InputError(
                    f"{where}: world: needs {needed[0]} words and {needed[1]} positions in the "
                    f"{tower} tower, which has {sizes[tower][0]} words and {sizes[tower][1]} "
                    "positions; restore the file"
                )
        try:
            return cls(own, divided)
        except ValueError as error:
            raise InputError(f"{where}: split.{error}") from error

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """(vocabulary, context length) that each tower needs."""
        return sizes_of(self.world)

    def batch(self, generator: torch.Generator, size: int | None = None) -> tuple[Tokens, Tokens]:
        """A training batch: each thing a caption can state at most once, in a random layout.

        `size` draws that many of them without replacement; None takes all. With both templates
        one is drawn for each, so no two items mean the same.
        """
        shown = self.training
        items = torch.randperm(len(shown.labels), generator=generator)[:size].numpy()
        draw = torch.rand(2, len(items), generator=generator, dtype=torch.float64).numpy()
        choice = (draw[0] * shown.n_choices[items]).astype(int)
        pictures = draw_pictures(self.world, shown.labels[items], shown.pixels[items, choice])
        options = self._captions_of_items[items]
        caption = options[np.arange(len(items)), (draw[1] * options.shape[1]).astype(int)]
        return pictures, self.captions.tokens.at(torch.from_numpy(caption))

    @cached_property
    def _captions_of_items(self) -> Int[np.ndarray, "item template"]:
        """The first and the last caption that training gives each item; one, but for `both`."""
        stated = list(enumerate(map(tuple, self.captions.labels.tolist())))
        last = {labels: i for i, labels in stated}
        first = {labels: i for i, labels in reversed(stated)}
        said = map(tuple, self.training.labels[self.training.said].tolist())
        return np.array([[first[labels], last[labels]] for labels in said])

    def examples(self, sets: Sequence[str] = SETS) -> Examples:
        """The pictures of some of the four sets with every caption of the world."""
        if unknown := sorted(set(sets) - set(SETS)):
            raise ValueError(f"set: expected one of {', '.join(SETS)}, got {unknown[0]!r}")
        parts = {name: evaluation_set(self.world, self.split, self.training, name) for name in sets}
        labels = np.concatenate([part.labels for part in parts.values()])
        pixels = np.concatenate([part.pixels for part in parts.values()])
        image, stated = draw_pictures(self.world, labels, pixels), self.captions.labels
        return Examples(
            image=image,
            text=self.captions.tokens,
            words={
                "image": ("background", *nouns_of(self.world), "CLS"),
                "text": self.captions.words,
            },
            occurs={
                "image": image_occurrence(self.world.n_labels + 1, *self.sizes["image"]),
                "text": text_occurrence(self.captions.tokens, len(self.captions.words)),
            },
            roles={"image": image_roles(image, pixels), "text": text_roles(self.captions)},
            image_labels=labels,
            image_pixels=pixels,
            image_scene=np.unique(
                np.column_stack([pixels, np.sort(labels, axis=1)]), axis=0, return_inverse=True
            )[1].reshape(-1),
            image_set=tuple(name for name, part in parts.items() for _ in part.labels),
            grid=(1, self.world.n_pixels),
            caption_labels=stated,
            caption_set=tuple(set_of_labels(self.split, tuple(row)) for row in stated.tolist()),
            caption_template=self.captions.templates,
            caption_text=self.captions.texts,
            caption_swap="objects",
            label_words=nouns_of(self.world),
            empty={
                name: self._why_empty(name) for name, part in parts.items() if not len(part.labels)
            },
        )

    def _why_empty(self, name: str) -> str:
        split, n_objects = self.split, self.world.n_objects
        whole = evaluation_set(self.world, replace(split, test_layouts=0), self.training, name)
        if len(whole.labels):
            return f"test_layouts = {split.test_layouts} holds no layout with its mirror image"
        return {
            "single": f"positions_per_label = {split.positions_per_label} leaves no position",
            "seen_pair": f"layouts_per_pair = {split.layouts_per_pair} leaves no layout",
            "unseen_pair": f"n_val = {split.n_val} is fewer labels than the {n_objects} of a pair",
            "mixed_pair": f"n_val = {split.n_val} leaves no label to mix in",
        }[name]


def image_roles(
    image: Tokens, pixels: Int[np.ndarray, "batch object"]
) -> dict[str, Bool[Tensor, "batch pos"]]:
    """CLS, left and right object (middle ones too, with more than two), background."""
    names = ["left", *(f"middle {i}" for i in range(1, pixels.shape[1] - 1)), "right"]
    position = torch.arange(image.ids.shape[1])
    columns = zip(names, torch.from_numpy(pixels.T)[..., None], strict=True)
    objects = {name: (position == column + 1) & (column >= 0) for name, column in columns}
    cls = (position == 0).expand(image.ids.shape)
    return {"CLS": cls, **objects, "background": ~torch.stack([cls, *objects.values()]).any(0)}


def text_roles(captions: CaptionSet) -> dict[str, Bool[Tensor, "batch pos"]]:
    """SOT, the objects in the order of mention, the words between them, EOT; nothing after."""
    ids, pool = captions.tokens.ids, captions.tokens.pool
    position = torch.arange(ids.shape[1])
    nouns = {text.split()[0] for text in captions.texts}
    is_noun = torch.tensor([word in nouns for word in captions.words])[ids]
    mention = is_noun.cumsum(1) * is_noun
    ordinal = ("first", "second", "third", *(f"object {i}" for i in range(4, MOST_OBJECTS + 1)))
    names = ordinal[: captions.labels.shape[1]]
    return {
        "SOT": (position == 0).expand(ids.shape),
        **{name: mention == i for i, name in enumerate(names, start=1)},
        "words": (position > 0) & (position < pool[:, None]) & ~is_noun,
        "EOT": position == pool[:, None],
    }
