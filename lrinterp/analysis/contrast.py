"""Inputs that differ in the order of the objects only, and the direction that tells them apart.

Clean: "A left of B" at (i, j); corrupted: the same layout with the objects in reverse or, of a
picture, its mirror image, and the caption with the other relation word. The image margin is
cos(image, true caption) - cos(image, its reverse), the text margin likewise cos(caption, picture)
- cos(caption, its swap): each is an embedding along a fixed direction, the difference of two
embeddings of the other tower.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lrinterp.analysis.subject import as_index, focus
from lrinterp.axes import AnyInputs, Embeddings
from lrinterp.result import NotApplicable
from lrinterp.run import Run, TowerRun
from lrinterp.scenes import Examples
from lrinterp.scenes.natural.roles import BACKGROUND
from lrinterp.scoring import order_credit
from lrinterp.stats import Units
from lrinterp.wording import plain_number

__all__ = [
    "Contrast",
    "caption_of",
    "clearest_template",
    "contrasts",
    "over_templates",
    "stating",
    "swapped",
]

ENOUGH_ERRORS = 10
"""Standard errors that clean and corrupted margins must lie apart."""
ROUNDING = 1e-5
"""A mean difference of margins below which there is none."""


@dataclass(frozen=True, eq=False)
class Contrast:
    """One tower on clean and corrupted inputs that differ in the order of the objects."""

    recording: Run
    tower: str
    clean: TowerRun
    corrupted: TowerRun
    direction: Embeddings
    units: Units
    pictures: Int[np.ndarray, "example"]
    """Which of the recorded pictures gives each example."""
    template: str
    """The relation word of the captions, or of the directions that they make."""

    @property
    def inputs(self) -> tuple[AnyInputs, AnyInputs]:
        """Clean and corrupted."""
        return self.clean.inputs, self.corrupted.inputs

    @property
    def roles(self) -> Mapping[str, Bool[Tensor, "example pos"]]:
        """Positions that play a role in either run."""
        return self.clean.places.roles

    def margins(self) -> Float[Tensor, "example"]:
        """Of the clean inputs, in double precision."""
        return self.margin_of(self.clean)

    def margin_of(self, run: TowerRun) -> Float[Tensor, "example"]:
        """Embedding . direction of a run of these examples, in double precision."""
        return (run.embeddings.double() * self.direction.double()).sum(-1)

    def pair(self, direction: str) -> tuple[TowerRun, TowerRun]:
        """Base and source: denoising patches the corrupted run from the clean one."""
        if direction == "denoising":
            return self.corrupted, self.clean
        return self.clean, self.corrupted

    def at(self, index: slice | Int[np.ndarray, "some"]) -> "Contrast":
        """Some of the examples, in the order asked for."""
        chosen = index if isinstance(index, slice) else as_index(index)
        return replace(
            self,
            clean=self.clean.at(chosen),
            corrupted=self.corrupted.at(chosen),
            direction=self.direction[chosen],
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
        gap = (self.margins() - self.margin_of(self.corrupted)).cpu().numpy()
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


def clearest_template(recording: Run) -> str:
    """The relation template with the best swap accuracy on the focus set; the first of equals."""
    index = recording.examples.where(focus(recording.examples))
    examples, scores = recording.examples.at(index), recording.scores[as_index(index)]
    return max(examples.templates, key=lambda name: order_credit(scores, examples, name).mean())


def contrasts(recording: Run, n: int, seed: int, *, template: str | None = None) -> list[Contrast]:
    """Clean and corrupted pictures of the focus set, and their captions, for both towers.

    At most `n` pictures, drawn with `seed` from those whose swap is recorded too, the same ones
    for every `template`; None takes the clearest one. Raises
    NotApplicable where fewer than two such pictures are recorded.
    """
    return over([template or clearest_template(recording)], recording, n, seed)


def over_templates(recording: Run, n: int, seed: int) -> list[Contrast]:
    """`contrasts` over all relation templates, which count alike.

    Pictures go along the mean of the templates' directions; the captions of each template follow
    one after the other, each with the same pictures.
    """
    return over(recording.examples.templates, recording, n, seed)


def over(templates: Sequence[str], recording: Run, n: int, seed: int) -> list[Contrast]:
    """The contrasts of both towers with the captions of some templates."""
    run, copies = recording.of(focus(recording.examples)), len(templates)
    examples, twin = run.examples, run.examples.image_twin
    chosen = np.random.default_rng(seed).permutation(np.flatnonzero(twin >= 0))[:n]
    if len(chosen) < 2:
        raise NotApplicable("too few pictures whose swap is among the recorded ones")
    image = pair_of(run.towers["image"], chosen, twin[chosen])
    text = pair_of(
        run.towers["text"],
        np.concatenate([caption_of(examples, chosen, template) for template in templates]),
        np.concatenate([swapped(examples, twin[chosen], template) for template in templates]),
    )
    shown, stated = (clean.embeddings - other.embeddings for clean, other in (image, text))
    pictures = recording.examples.where(examples.image_set[0])[chosen]
    along_captions = Contrast(
        recording=recording,
        tower="image",
        clean=image[0],
        corrupted=image[1],
        direction=stated.unflatten(0, (copies, -1)).mean(0),
        units=examples.image_units.at(chosen),
        pictures=pictures,
        template=templates[0],
    )
    return [
        along_captions,
        replace(
            along_captions,
            tower="text",
            clean=text[0],
            corrupted=text[1],
            direction=shown.repeat(copies, 1),
            units=Units(np.tile(along_captions.units.member, (copies, 1))),
            pictures=np.tile(pictures, copies),
        ),
    ]


def pair_of(
    run: TowerRun, clean: Int[np.ndarray, "example"], corrupted: Int[np.ndarray, "example"]
) -> tuple[TowerRun, TowerRun]:
    """Two narrowed runs of a tower, with roles that both share.

    A word and its swap stand at the same positions, so captions have the roles of the clean ones.
    A patch plays a role that it has in one picture or the other; background it is in both.
    """
    pair = run.at(as_index(clean)), run.at(as_index(corrupted))
    roles, other = (dict(narrowed.places.roles) for narrowed in pair)
    if run.name == "image":
        roles = {
            k: mask & other[k] if k == BACKGROUND else mask | other[k] for k, mask in roles.items()
        }
    for narrowed in pair:
        narrowed.places = replace(narrowed.places, roles=roles)
    return pair


def caption_of(
    examples: Examples, images: Int[np.ndarray, "example"], template: str
) -> Int[np.ndarray, "example"]:
    """The true caption of each picture under a relation template."""
    return stating(examples, examples.image_labels[images], template)


def stating(
    examples: Examples, labels: Int[np.ndarray, "example object"], template: str
) -> Int[np.ndarray, "example"]:
    """The captions of a template that state some labels, from left to right."""
    keys = zip(examples.caption_template, *examples.caption_labels.T.tolist(), strict=True)
    place = {key: i for i, key in enumerate(keys)}
    return np.array([place[template, *row] for row in labels.tolist()])


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
