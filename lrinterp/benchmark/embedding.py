"""From rows to scores: each picture is read and embedded once a batch, each caption once.

Pictures are opened one at a time and kept, until their batch is scored, as the small square that
the model reads.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from lrinterp.axes import Pixels
from lrinterp.benchmark.scores import Scored
from lrinterp.encoders import DualEncoder, Fit
from lrinterp.scenes.natural import BadRow, Relation, open_picture
from lrinterp.store import InputError

__all__ = ["Embedder"]

Seen: TypeAlias = tuple[Path | None, tuple[int, ...] | None]
"""What tells a picture from others: its file and crop."""


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
        self._captions: dict[str, Tensor] = {}

    def score(self, rows: Sequence[Relation], bad: list[BadRow] | None = None) -> list[Scored]:
        """Each row with the cosine of its picture with each of its captions.

        Raises InputError, naming the row, for a picture that cannot be read and captions that do
        not fit the context, unless there is a list that takes such rows; and where a score is no
        number.
        """
        pixels: dict[Seen, Pixels] = {}
        good = []
        for row in rows:
            try:
                self._read(row, pixels)
                good.append(row)
            except InputError as error:
                found = BadRow(row.where, str(error).removeprefix(f"{row.where}: "))
                if bad is None:
                    raise InputError(str(found)) from error
                bad.append(found)
        return self._scored(good, pixels) if good else []

    def _read(self, row: Relation, pixels: dict[Seen, Pixels]) -> None:
        """Open the picture of a row, and see that its captions fit."""
        if unread := [text for text in row.captions if text not in self._captions]:
            self.processor.tokens(unread)
        if (row.picture, row.crop) not in pixels:
            picture = open_picture(row)
            pixels[row.picture, row.crop] = self.processor.pixels([picture], fit=self.fit)

    def _scored(self, rows: Sequence[Relation], pixels: Mapping[Seen, Pixels]) -> list[Scored]:
        images = dict(zip(pixels, self._images(list(pixels.values())), strict=True))
        self._embed(text for row in rows for text in row.captions)
        found = []
        for row in rows:
            texts = torch.stack([self._captions[text] for text in row.captions])
            scores = texts @ images[row.picture, row.crop]
            if not scores.isfinite().all():
                raise InputError(f"{row.where}: the model gives scores that are no numbers")
            found.append((row, scores))
        return found

    def _images(self, pixels: Sequence[Pixels]) -> Float[Tensor, "image d_embed"]:
        values, pools = zip(*((one.values, one.pool) for one in pixels), strict=True)
        batch = Pixels(torch.cat(values), torch.cat(pools))
        return self.model.embed_all("image", batch.to(self.model.device)).cpu()

    def _embed(self, captions: Iterable[str]) -> None:
        """Embed the captions that have not been met before."""
        if fresh := [text for text in dict.fromkeys(captions) if text not in self._captions]:
            tokens = self.processor.tokens(fresh).to(self.model.device)
            rows = self.model.embed_all("text", tokens).cpu()
            self._captions.update(zip(fresh, rows, strict=True))
