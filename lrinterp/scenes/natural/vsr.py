"""Visual Spatial Reasoning: true and false captions of COCO photographs, in 66 relations.

A folder is a published split, `zeroshot/` or `random/`, of which `test.jsonl` is read; give another
file itself. Pictures lie in `images/`, `train2017/` or `val2017/` in the folder or up to two above
it. Liu, Emerson and Collier, arXiv 2205.00363.

The published task is true or false of one caption. Here a true caption stands against the same
caption with the opposite relation, so only true rows whose relation has an opposite are used; the
others are left out, and counted. Objects are read from the caption: the fields `subj` and `obj` of
the published files lack letters. Most test rows of `random` share their objects with its training
rows: for what was trained on them use `zeroshot`.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Literal

from lrinterp.scenes.natural.phrases import axis_of, opposite_of
from lrinterp.scenes.natural.relation import Relation
from lrinterp.scenes.natural.source import LeftOut, Row, Suite, json_lines
from lrinterp.store import InputError

__all__ = ["VSR", "VSR_RELATIONS"]

VSR_RELATIONS = tuple(
    """above, across, across from, adjacent to, against, ahead of, along, alongside, among, around,
    at, at the back of, at the edge of, at the left side of, at the right side of, at the side of,
    attached to, away from, behind, below, beneath, beside, between, beyond, by, close to,
    congruent, connected to, consists of, contains, detached from, down, down from, enclosed by,
    facing, facing away from, far away from, far from, has as a part, in, in front of,
    in the middle of, inside, into, left of, near, next to, off, on, on top of, opposite to,
    out of, outside, over, parallel to, part of, past, perpendicular to, right of, surrounding,
    through, touching, toward, under, with, within""".replace("\n    ", " ").split(", ")
)


def relations(row: Row) -> list[Relation]:
    """A true row whose relation has an opposite: the caption, and the same with the opposite."""
    caption, name, label = (
        row.field("caption"),
        row.field("relation"),
        row.field("label", Literal[0, 1]),
    )
    if name not in VSR_RELATIONS:
        raise InputError(
            f"unknown relation {name!r}; not one of VSR's {len(VSR_RELATIONS)} relations"
        )
    before, subject, object_, after = parts(caption, name)
    opposite = opposite_of(name)
    if label == 0:
        raise LeftOut("its caption is not true of the picture")
    if opposite is None:
        raise LeftOut("its relation has no opposite")
    relation = Relation(
        suite="vsr",
        where=row.where,
        picture=found(row),
        captions=(caption, f"{before}{opposite}{after}"),
        right=0,
        relation=name,
        axis=axis_of(name),
        subject=subject,
        object=object_,
        group=", ".join(sorted((subject.lower(), object_.lower()))),
        foil="word swap",
    )
    return [relation]


def parts(caption: str, relation: str) -> tuple[str, str, str, str]:
    """What stands before the relation, the subject, the object, and what stands after it."""
    match = form(relation).fullmatch(caption.strip())
    if match is None:
        raise InputError(f"the relation {relation!r} does not stand in the caption {caption!r}")
    text = match.string
    return text[: match.start(2)], match[1], match[3], text[match.end(2) :]


@lru_cache(maxsize=len(VSR_RELATIONS))
def form(relation: str) -> re.Pattern[str]:
    """Captions with this relation: subject, relation, object."""
    return re.compile(
        rf"(?:The |the )?(.+?)\s+(?:is|are)?\s*({re.escape(relation)})\s+(?:the )?(.+?)\.?"
    )


def found(row: Row) -> Path:
    """The picture, wherever a published layout puts it."""
    name = row.field("image")
    above = (row.file.parent, *row.file.absolute().parents[1:3])
    places = [
        folder / kind / name for folder in above for kind in ("images", "train2017", "val2017")
    ]
    for place in places:
        if place.is_file():
            return place
    raise InputError(
        f"there is no picture {name}; looked in images, train2017 and val2017 in {above[0]} and "
        "the two folders above it"
    )


VSR = Suite(
    name="vsr", files={"test.jsonl": ""}, rows=json_lines, relations=relations, any_name=True
)
