"""Inputs that differ in the order of the objects only, and the direction that tells them apart.

Clean: "A left of B" at (i, j); corrupted: the same layout with the objects in reverse or, of a
photograph, its mirror image, and the caption with the other relation word. The image margin is
cos(image, true caption) - cos(image, its reverse), the text margin likewise cos(caption, picture)
- cos(caption, its swap): each is an embedding along a fixed direction, the difference of two
embeddings of the other tower.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lrinterp.analysis.patching.bench import PatchBench, Roles
from lrinterp.analysis.subject import as_index, focus
from lrinterp.axes import AnyInputs, Embeddings, Tokens
from lrinterp.recording import Recording
from lrinterp.result import NotApplicable
from lrinterp.scenes import Examples
from lrinterp.scenes.natural.patches import BACKGROUND
from lrinterp.scoring import order_credit
from lrinterp.stats import Units
from lrinterp.wording import plain_number

__all__ = [
    "Contrast",
    "caption_of",
    "clearest_template",
    "contrasts",
    "over_templates",
    "swapped",
]

ENOUGH_ERRORS = 10
"""Standard errors that clean and corrupted margins must lie apart."""
ROUNDING = 1e-5
"""A mean difference of margins below which there is none."""


@dataclass(frozen=True)
class Contrast:
    """One tower on clean and corrupted inputs that differ in the order of the objects."""

    recording: Recording
    tower: str
    inputs: tuple[AnyInputs, AnyInputs]
    """Clean and corrupted."""
    embeddings: tuple[Embeddings, Embeddings]
    """Of both, as they were recorded."""
    direction: Embeddings
    roles: Roles
    units: Units
    pictures: Int[np.ndarray, "example"]
    """Which of the recorded pictures gives each example."""
    template: str
    """The relation word of the captions, or of the directions that they make."""

    def margins(self) -> Float[Tensor, "example"]:
        """Of the clean inputs, in double precision."""
        embedded = self.recording.model.embed_all(self.tower, self.inputs[0])
        return (embedded.double() * self.direction.double()).sum(-1)

    def bench(self, direction: str) -> PatchBench:
        """Denoising runs the corrupted input and patches from the clean one; noising reverses."""
        clean, corrupted = self.inputs
        base, source = (corrupted, clean) if direction == "denoising" else (clean, corrupted)
        return PatchBench(self.recording.model, self.tower, (base, source), self.direction)

    def at(self, index: slice | Int[np.ndarray, "some"]) -> "Contrast":
        """Some of the examples, in the order asked for."""
        chosen = index if isinstance(index, slice) else as_index(index)
        clean, corrupted = self.inputs
        one, other = self.embeddings
        return replace(
            self,
            inputs=(clean.at(chosen), corrupted.at(chosen)),
            embeddings=(one[chosen], other[chosen]),
            direction=self.direction[chosen],
            roles={name: mask[chosen] for name, mask in self.roles.items()},
            units=self.units.at(np.arange(len(self.units))[index]),
            pictures=self.pictures[index],
        )

    def why_not(self) -> str | None:
        """Why patching means nothing here, or None."""
        return self.unequal() or self.too_weak()

    def unequal(self) -> str | None:
        """Why no position of one input stands for the same position of the other, or None.

        Only captions can differ in length, where a word and its opposite have not as many tokens.
        """
        clean, corrupted = (inputs.pool for inputs in self.inputs)
        if torch.equal(clean, corrupted):
            return None
        i = int((clean != corrupted).nonzero()[0])
        lengths = " and ".join(str(int(pool[i]) + 1) for pool in (clean, corrupted))
        return (
            f"The {self.tower} tower is left out: a caption and its reverse differ in length "
            f"({lengths} tokens up to the one that is pooled), so their positions do not match."
        )

    def too_weak(self) -> str | None:
        """Why margins lie too close to divide by their difference, or None."""
        clean, corrupted = (
            (embedded.double() * self.direction.double()).sum(-1) for embedded in self.embeddings
        )
        gap = (clean - corrupted).cpu().numpy()
        error = clustered_error(gap, self.recording.examples.image_scene[self.pictures])
        if abs(gap.mean()) >= ENOUGH_ERRORS * error and abs(gap.mean()) > ROUNDING:
            return None
        what = {"image": "a picture", "text": "a caption"}[self.tower]
        return (
            f"The {self.tower} tower does not tell {what} from its swap well enough to divide the "
            f"difference, with captions that say “{self.template}”: margins lie "
            f"{plain_number(gap.mean())} apart with a standard error of {error:.2g}, and "
            f"{ENOUGH_ERRORS} such errors are needed."
        )


def clustered_error(
    values: Float[np.ndarray, "example"], clusters: Int[np.ndarray, "example"]
) -> float:
    """Standard error of a mean whose examples are independent between clusters alone.

    Here a picture and its reverse: what prefers one caption of both moves their gaps apart alike.

    sqrt(C / (C - 1) sum over clusters of (sum of deviations)^2) / n; infinite for one cluster,
    which says nothing of others.
    """
    number = np.unique(clusters, return_inverse=True)[1]
    if number.max() == 0:
        return float("inf")
    sums = np.bincount(number, values - values.mean())
    return float(np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum()) / len(values))


def clearest_template(recording: Recording) -> str:
    """The relation template in which order is best on the focus set; the first of equals."""
    index = recording.examples.where(focus(recording.examples))
    examples, scores = recording.examples.at(index), recording.scores[as_index(index)]
    names = examples.templates
    return max(names, key=lambda name: order_credit(scores, examples, name).mean())


def contrasts(
    recording: Recording, n: int, seed: int, *, template: str | None = None
) -> list[Contrast]:
    """Clean and corrupted pictures of the focus set, and their captions, for both towers.

    At most `n` pictures, drawn with `seed` from those whose swap is recorded too, the same ones
    for every `template`; None takes the clearest one. Raises
    NotApplicable where fewer than two such pictures are recorded.
    """
    place = recording.examples.where(focus(recording.examples))
    examples = recording.examples.at(place)
    twin = examples.image_twin
    paired = np.flatnonzero(twin >= 0)
    chosen = np.random.default_rng(seed).permutation(paired)[:n]
    if len(chosen) < 2:
        raise NotApplicable("too few pictures whose swap is among the recorded ones")
    template = template or clearest_template(recording)
    true = caption_of(examples, chosen, template)
    reverse = swapped(examples, twin[chosen], template)
    rows = {"image": (place[chosen], place[twin[chosen]]), "text": (true, reverse)}
    embedded = {tower: embeddings_of(recording, tower, pair) for tower, pair in rows.items()}
    directions = {
        tower: clean - corrupted
        for tower, (clean, corrupted) in zip(("text", "image"), embedded.values(), strict=True)
    }
    roles = {
        "image": either(examples.roles["image"], as_index(chosen), as_index(twin[chosen])),
        "text": {name: mask[as_index(true)] for name, mask in examples.roles["text"].items()},
    }
    inputs = {
        tower: (recording.inputs[tower].at(as_index(a)), recording.inputs[tower].at(as_index(b)))
        for tower, (a, b) in rows.items()
    }
    return [
        Contrast(
            recording=recording,
            tower=tower,
            inputs=inputs[tower],
            embeddings=embedded[tower],
            direction=directions[tower],
            roles=roles[tower],
            units=examples.image_units.at(chosen),
            pictures=place[chosen],
            template=template,
        )
        for tower in rows
    ]


def over_templates(recording: Recording, n: int, seed: int) -> list[Contrast]:
    """`contrasts` over all relation templates, which count alike.

    Pictures go along the mean of the templates' directions; the captions of each template follow
    one after the other, each with the same pictures.
    """
    templates = recording.examples.templates
    each = [contrasts(recording, n, seed, template=template) for template in templates]
    image, text = zip(*each, strict=True)
    clean, corrupted = (
        Tokens(torch.cat([t.values for t in kind]), torch.cat([t.pool for t in kind]))
        for kind in zip(*(one.inputs for one in text), strict=True)
    )
    return [
        replace(image[0], direction=torch.stack([one.direction for one in image]).mean(0)),
        replace(
            text[0],
            inputs=(clean, corrupted),
            embeddings=(
                torch.cat([one.embeddings[0] for one in text]),
                torch.cat([one.embeddings[1] for one in text]),
            ),
            direction=torch.cat([one.direction for one in text]),
            roles={name: torch.cat([one.roles[name] for one in text]) for name in text[0].roles},
            units=Units(np.concatenate([one.units.member for one in text])),
            pictures=np.concatenate([one.pictures for one in text]),
        ),
    ]


def embeddings_of(
    recording: Recording,
    tower: str,
    rows: tuple[Int[np.ndarray, "example"], Int[np.ndarray, "example"]],
) -> tuple[Embeddings, Embeddings]:
    """Recorded embeddings of some examples of a tower, where the model is."""
    recorded, device = recording.embeddings[tower], recording.model.device
    clean, corrupted = (recorded[as_index(i)].to(device) for i in rows)
    return clean, corrupted


def caption_of(
    examples: Examples, images: Int[np.ndarray, "example"], template: str
) -> Int[np.ndarray, "example"]:
    """The true caption of each picture under a relation template."""
    index = np.flatnonzero(np.array(examples.caption_template, dtype=object) == template)
    stated = dict(zip(examples.caption_meaning[index].tolist(), index.tolist(), strict=True))
    return np.array([stated[m] for m in examples.image_meaning[images].tolist()])


def swapped(
    examples: Examples, images: Int[np.ndarray, "example"], template: str
) -> Int[np.ndarray, "example"]:
    """The captions, true of some pictures, that reverse a caption of a template.

    Where captions are reversed by their objects they are of the same template; where by the
    relation word, of the other one, so that as few tokens as possible differ.
    """
    if examples.caption_swap == "objects":
        return caption_of(examples, images, template)
    [other] = [name for name in examples.templates if name != template]
    return caption_of(examples, images, other)


def either(
    roles: Mapping[str, Bool[Tensor, "batch pos"]],
    clean: Int[Tensor, "example"],
    corrupted: Int[Tensor, "example"],
) -> dict[str, Bool[Tensor, "example pos"]]:
    """Positions that play a role in one picture or the other; background plays it in both."""
    return {
        name: mask[clean] & mask[corrupted] if name == BACKGROUND else mask[clean] | mask[corrupted]
        for name, mask in roles.items()
    }
