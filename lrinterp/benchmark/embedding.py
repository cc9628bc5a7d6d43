"""From rows to scores: each picture and each caption is read and embedded once a batch.

Pictures are opened one at a time and kept as the small square that the model reads. A bounded
number of caption embeddings is kept, because suites repeat their captions.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lrinterp.axes import Pixels
from lrinterp.encoders import DualEncoder, Fit
from lrinterp.scenes.natural import Relation, open_picture
from lrinterp.store import InputError

__all__ = ["Embedder", "Ready"]

KEPT = 1024
"""Caption embeddings that are kept from one batch to the next."""


@dataclass(frozen=True, eq=False)
class Ready:
    """A row whose picture has been read and whose captions fit the model."""

    relation: Relation
    pixels: Pixels

    @property
    def picture(self) -> tuple[object, ...]:
        """What tells its picture from others."""
        return self.relation.picture, self.relation.crop


class Embedder:
    """Reads and scores rows with one model.

    Raises InputError for a model that reads no pictures.
    """

    def __init__(self, model: DualEncoder, fit: Fit = "crop") -> None:
        if model.processor is None:
            raise InputError(
                "this checkpoint reads no pictures, only rows of the toy world; "
                "use lrinterp evaluate, or give a CLIP checkpoint"
            )
        self.model, self.processor = model, model.processor
        self.fit: Fit = fit
        self._captions: OrderedDict[str, Tensor] = OrderedDict()
        self._last: Ready | None = None

    def read(self, relation: Relation) -> Ready:
        """Open the picture of a row, and see that its captions fit the context.

        Raises InputError that names the row.
        """
        try:
            if unread := [text for text in relation.captions if text not in self._captions]:
                self.processor.tokens(unread)
        except InputError as error:
            raise InputError(f"{relation.where}: {error}") from error
        last = self._last
        if last is None or last.picture != (relation.picture, relation.crop):
            pixels = self.pixels(relation)
        else:
            pixels = last.pixels
        self._last = Ready(relation, pixels)
        return self._last

    def pixels(self, relation: Relation) -> Pixels:
        """The picture of a row as the tower reads it; InputError names the row."""
        picture = open_picture(relation)
        try:
            return self.processor.pixels([picture], fit=self.fit)
        except InputError as error:
            raise InputError(f"{relation.where}: {error}") from error

    def score(self, rows: Sequence[Ready]) -> list[Float[Tensor, "caption"]]:
        """For each row the cosine of its picture with each of its captions.

        Raises InputError where a score is no number.
        """
        pictures = {row.picture: row.pixels for row in rows}
        embedded = dict(zip(pictures, self._pictures(list(pictures.values())), strict=True))
        texts = self._texts([text for row in rows for text in row.relation.captions])
        scores = [
            torch.stack([texts[text] for text in row.relation.captions]) @ embedded[row.picture]
            for row in rows
        ]
        for row, found in zip(rows, scores, strict=True):
            if not found.isfinite().all():
                raise InputError(
                    f"{row.relation.where}: the model gives scores that are no numbers"
                )
        return scores

    def _pictures(self, pixels: Sequence[Pixels]) -> Float[Tensor, "image d_embed"]:
        batch = Pixels(
            torch.cat([one.values for one in pixels]), torch.cat([one.pool for one in pixels])
        )
        return self.model.embed_all("image", batch.to(self.model.device)).cpu()

    def _texts(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """The embedding of each caption; those used last are kept."""
        wanted = dict.fromkeys(captions)
        if fresh := [text for text in wanted if text not in self._captions]:
            tokens = self.processor.tokens(fresh).to(self.model.device)
            rows = self.model.embed_all("text", tokens).cpu()
            self._captions.update((t, row.clone()) for t, row in zip(fresh, rows, strict=True))
        found = {text: self._captions[text] for text in wanted}
        for text in wanted:
            self._captions.move_to_end(text)
        while len(self._captions) > KEPT:
            self._captions.popitem(last=False)
        return found
