"""One photograph of a recording and its mirror image, chosen by where its objects stand."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from lrinterp.analysis.contrast import caption_of, clearest_template, swapped
from lrinterp.analysis.subject import SIDES, as_index, focus, sides_of, typical
from lrinterp.axes import Embeddings
from lrinterp.result import NotApplicable
from lrinterp.run import Run, TowerRun

__all__ = ["Pair"]


@dataclass(frozen=True, eq=False)
class Pair:
    """Which two recorded pictures, and which two captions are true of the one and the other."""

    recording: Run
    pictures: Int[np.ndarray, "image"]
    captions: Int[np.ndarray, "image"]

    @classmethod
    def of(cls, recording: Run) -> "Pair":
        """The photograph whose objects lie nearest to a quarter and three quarters of the width.

        The first such one, whatever the model makes of it; where boxes are unknown, the first of
        all. Raises NotApplicable where no picture and its mirror image were recorded.
        """
        index = recording.examples.where(focus(recording.examples))
        examples = recording.examples.at(index)
        photographs = np.flatnonzero(examples.image_twin > np.arange(len(index)))
        if not len(photographs):
            raise NotApplicable("no picture was recorded together with its mirror image")
        columns = examples.grid[1]
        one = photographs[[typical(examples.image_pixels[photographs] % columns, columns)]]
        other = examples.image_twin[one]
        template = clearest_template(recording)
        stated = (caption_of(examples, one, template), swapped(examples, other, template))
        return cls(recording, index[np.concatenate([one, other])], np.concatenate(stated))

    @property
    def among(self) -> Run:
        """All pictures that they were chosen from."""
        return self.recording.of(focus(self.recording.examples))

    @cached_property
    def run(self) -> TowerRun:
        """The image tower on both pictures; what position is comes from all of them."""
        place = np.searchsorted(
            self.recording.examples.where(focus(self.recording.examples)), self.pictures
        )
        return self.among.towers["image"].at(as_index(place))

    @cached_property
    def direction(self) -> Embeddings:
        """The caption that is true of each picture, minus the one that is true of the other."""
        true = self.recording.embeddings["text"][as_index(self.captions)]
        return (true - true.flip(0)).to(self.recording.model.device)

    @property
    def margins(self) -> Float[np.ndarray, "image"]:
        """cos(true caption) - cos(the other one)."""
        embedded = self.recording.embeddings["image"][as_index(self.pictures)]
        margins = (embedded.double() * self.direction.to(embedded.device).double()).sum(-1)
        return margins.cpu().numpy()

    @property
    def texts(self) -> tuple[str, ...]:
        """The captions in words."""
        return tuple(self.recording.examples.caption_text[i] for i in self.captions)

    @property
    def objects(self) -> tuple[str, ...]:
        """The objects of the photograph from left to right."""
        examples = self.recording.examples
        return tuple(examples.label_words[k] for k in examples.image_labels[self.pictures[0]])

    @property
    def side(self) -> str:
        """What is known of a side: where its `object` is, or no more than its `half`."""
        return sides_of(self.recording.examples)

    @property
    def sides(self) -> Bool[np.ndarray, "side image key"]:
        """Positions of the left and of the right side of each picture."""
        roles: Any = self.recording.examples.roles["image"]
        masks = [roles[role][as_index(self.pictures)] for role in SIDES[self.side]]
        return torch.stack(masks).numpy()

    def attention(self, layer: int) -> Float[np.ndarray, "image head key"]:
        """CLS's row of each head of a layer, as recorded."""
        return self.run.cache["pattern", layer][:, :, 0].cpu().double().numpy()
