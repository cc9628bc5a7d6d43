"""The numbers by picture behind the summary of an analysis, so that models can be paired.

A summary holds a mean with its interval. To compare two models on the same pictures the values of
each picture are needed: here they are taken from a recording and its results, with a fingerprint
that says which pictures they belong to. What depends on weights alone has none.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lrinterp.analysis.ablation.bench import Bench
from lrinterp.analysis.ablation.rows import text_row
from lrinterp.analysis.ablation.term_ablation import LABELS, SUMMARISED, TEXT, TermAblation
from lrinterp.analysis.accuracy import Accuracy, key_of
from lrinterp.analysis.geometry.relation_geometry import KEYS, RelationGeometry
from lrinterp.analysis.geometry.rows import SCALES
from lrinterp.analysis.gradient.attention_gain import gains_of
from lrinterp.analysis.gradient.positional_gradient import PositionalGradient
from lrinterp.analysis.order_parts import WORD, word_credits
from lrinterp.analysis.patching.activation_patching import ActivationPatching, pairs_of
from lrinterp.analysis.subject import focus
from lrinterp.analysis.terms.attention_terms import AttentionTerms
from lrinterp.analysis.terms.shares import SPLIT, Part
from lrinterp.decomposition import TERMS
from lrinterp.result import Result, records
from lrinterp.run import Edit, Run, margins
from lrinterp.scenes import Examples
from lrinterp.scoring import credits, order_credit
from lrinterp.stats import COSINE, GAP, LINEAR, SHARE, Sample, Scale, Units
from lrinterp.store import sha256

__all__ = ["OnPictures", "fingerprint_of", "samples"]


@dataclass(frozen=True, kw_only=True, eq=False)
class OnPictures:
    """A sample, and which pictures its examples are."""

    sample: Sample
    pictures: str
    """A fingerprint of what the image tower reads, labels, places and set."""

    def pairs_with(self, other: "OnPictures") -> bool:
        """Are both measured on the same pictures, in the same order, with as many draws?"""
        same_draws = len(self.sample.top) == len(other.sample.top)
        same_units = self.sample.units.same(other.sample.units)
        return self.pictures == other.pictures and same_draws and same_units


Found = Iterator[tuple[str, OnPictures]]


def samples(recording: Run, results: Mapping[str, Result]) -> dict[str, OnPictures]:
    """By summary key: the values by picture of every mean or ratio in some results.

    Each has the value and the interval that stand in the summary. Cost: one forward pass for the
    label sets of `term_ablation`, two cells for `activation_patching`.
    """
    makers = [
        (MAKERS[type(result)], result) for result in results.values() if type(result) in MAKERS
    ]
    return {key: found for maker, result in makers for key, found in maker(recording, result)}


def fingerprint_of(examples: Examples) -> str:
    """A hash of the pictures: equal for the same pictures of the same set in the same order."""
    arrays = (
        examples.image.values.cpu().numpy(),
        examples.image_labels.astype(np.int64),
        examples.image_pixels.astype(np.int64),
    )
    words = (*examples.image_set, *examples.label_words)
    shapes = repr([array.shape for array in arrays])
    raw = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return sha256("\n".join([shapes, *words]).encode() + raw)


def _focused(recording: Run) -> Examples:
    return recording.examples.of(focus(recording.examples))


def _of_accuracy(recording: Run, result: Accuracy) -> Found:
    shown = result.summary
    for row in records(result.table):
        if row["value"] is None or key_of(row) not in shown:
            continue
        index = recording.examples.where(row["set"])
        part = recording.examples.at(index)
        scores = recording.scores[torch.from_numpy(index).to(recording.scores.device)]
        if row["candidates"] == WORD:
            values = word_credits(recording)
        else:
            values = credits(scores, part, row["metric"], row["candidates"])
        sample = Sample.mean(values[None], part.image_units)
        yield key_of(row), OnPictures(sample=sample, pictures=fingerprint_of(part))
    index = recording.examples.where(result.focus)
    part = recording.examples.at(index)
    for template in result.by_template:
        scores = recording.scores[torch.from_numpy(index).to(recording.scores.device)]
        sample = Sample.mean(order_credit(scores, part, template)[None], part.image_units)
        key = f"{result.focus}_order_{template}"
        yield key, OnPictures(sample=sample, pictures=fingerprint_of(part))


def _of_terms(recording: Run, result: AttentionTerms) -> Found:
    if not {"image_key_content_share"} <= set(result.summary):
        return
    part = Part.of(recording, "image")
    terms = part.terms("canonical").cpu().double().numpy()
    seen = np.broadcast_to(part.groups.seen[:, None].cpu().numpy(), terms.shape[1:])
    mean = terms.mean(-1, keepdims=True, where=seen[None])
    centred = np.where(seen, terms - mean, 0.0)
    covariance = (centred * centred.sum(0)).sum((-1, -2, -3))
    pictures = fingerprint_of(_focused(recording))
    for name, group in zip(("key_content", "key_position"), SPLIT.values(), strict=True):
        top = covariance[[TERMS.index(term) for term in group]].sum(0)
        sample = Sample(top=top[None], bottom=covariance.sum(0), units=part.units)
        if sample.bottom.sum() > 0:
            yield f"image_{name}_share", OnPictures(sample=sample, pictures=pictures)


def _of_gradient(recording: Run, result: PositionalGradient) -> Found:
    part = _focused(recording)
    gain = gains_of(recording, result.headline_layer)[result.headline]
    sample = Sample.mean(gain[None], part.image_units, COSINE)
    key = "right_object_attention_gain"
    yield key, OnPictures(sample=sample, pictures=fingerprint_of(part))


def _of_ablation(recording: Run, result: TermAblation) -> Found:
    if result.focus not in SUMMARISED:
        return
    examples = _focused(recording)
    pictures = fingerprint_of(examples)

    def on(values: np.ndarray, scale: Scale = SHARE) -> OnPictures:
        return OnPictures(sample=Sample.mean(values, result.units, scale), pictures=pictures)

    for key, (row, minus) in result.main.named.items():
        values = result.runs(row)
        if not len(values):
            continue  # left out, because these pictures do not allow it
        gap = None if minus is None else values - result.runs(minus).mean(0)
        yield key, on(values) if gap is None else on(gap, GAP)
    yield TEXT, on(result.runs(text_row(result.text_layers)))
    measured = Bench(recording.model, examples).measure(result.main.without)
    yield LABELS, on(measured["label_set", "closed"])


def _of_patching(recording: Run, result: ActivationPatching) -> Found:
    """Gained over whole margin of the strongest head, by picture, as `patch` makes them."""
    pictures = fingerprint_of(_focused(recording))
    known = set(result.table["encoder"])
    for contrast in pairs_of(recording, result.asked, seed=0):
        if contrast.tower not in known:
            continue
        row = result.strongest(contrast.tower)
        base, source = contrast.pair("denoising")
        place = {"layers": (row["layer"],), "heads": (row["head"],), "role": row["role"]}
        cell = Edit(what="z", how="patch", tower=contrast.tower, source=source, **place)
        start, end = contrast.margin_of(base), contrast.margin_of(source)
        gained = margins(base, [cell], contrast.direction) - start
        sample = Sample(
            top=gained.cpu().numpy(), bottom=(end - start).cpu().numpy(), units=contrast.units
        )
        yield f"{contrast.tower}_z_effect", OnPictures(sample=sample, pictures=pictures)


def _of_geometry(_: Run, result: RelationGeometry) -> Found:
    """Sums by object pair, each a ratio over captions; the captions are what must be the same."""
    for axis in result.axes:
        for key, measure in KEYS.items():
            here = (result.sums["relation"] == axis) & (result.sums["measure"] == measure)
            part = result.sums[here]
            top, bottom = (part[name].to_numpy(float) for name in ("top", "bottom"))
            if bottom.sum() > 0:
                units = Units.of_labels(part[["object", "other"]].to_numpy(int))
                scale = SCALES.get(measure, LINEAR)
                sample = Sample(top=top[None], bottom=bottom, units=units, scale=scale)
                yield f"{axis}_{key}", OnPictures(sample=sample, pictures=result.captions)


MAKERS: dict[type[Result], Callable[[Run, Any], Found]] = {
    Accuracy: _of_accuracy,
    AttentionTerms: _of_terms,
    PositionalGradient: _of_gradient,
    TermAblation: _of_ablation,
    ActivationPatching: _of_patching,
    RelationGeometry: _of_geometry,
}
