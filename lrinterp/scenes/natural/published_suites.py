"""Three published suites: ARO's VG-Relation, Visual Spatial Reasoning, and pairs of NLVR's shapes.

ARO: is the horse eating the grass, or the grass the horse? Pictures are of Visual Genome, cut to
the box of the two objects; the wrong caption exchanges them. A folder holds
`visual_genome_relation.json` and `images/`. Yuksekgonul et al., arXiv 2210.01936. The published
macro accuracy leaves out relations that the authors call symmetric (and many rare ones with them):
`ARO_SYMMETRIC`. Their rows are read, with `in_macro` False. Rows name no objects: these are read
from the caption where it has the published form "the X is RELATION the Y".

VSR: true and false captions of COCO pictures, in 66 relations. A folder is a published split,
`zeroshot/` or `random/`, of which `test.jsonl` is read; give another file itself. Pictures lie in
`images/`, `train2017/` or `val2017/` in the folder or up to two above it. Liu, Emerson and Collier,
arXiv 2205.00363. The published task is true or false of one caption. Here a true caption stands
against the same caption with the opposite relation, so only true rows whose relation has an
opposite are used; the others are left out, and counted. Objects are read from the caption: the
fields `subj` and `obj` of the published files lack letters. Most test rows of `random` share their
objects with its training rows: for what was trained on them use `zeroshot`.

NLVR: drawn shapes with exact geometry. A folder holds `pairs.jsonl` and `images/`. A line names two
shapes of one box of a picture, the left and the right one, whose widths do not overlap. Pictures:
Suhr et al., ACL 2017. The sentences of NLVR hardly ever say left or right, so captions come from a
template. Each line gives two rows, one about the left object and one about the right: "left" and
"right" are right equally often, and who always says one of them scores a half. The two rows are a
pair. A mirrored crop turns the answer round.
"""

import re
from pathlib import Path
from typing import Literal

from lrinterp.scenes.natural.relation import Box, Relation, axis_of, opposite_of
from lrinterp.scenes.natural.source import (
    CROP,
    NotScored,
    RawRow,
    Suite,
    Whole,
    existing,
    json_array,
    json_lines,
    list_type,
)
from lrinterp.store import InputError

__all__ = ["ARO", "ARO_SYMMETRIC", "NLVR", "VSR", "VSR_RELATIONS"]

ARO_SYMMETRIC = frozenset(
    """adjusting, around, attached to, beside, between, bigger than, biting, boarding, brushing, by,
    chewing, cleaning, climbing, close to, coming from, coming out of, contain, crossing, dragging,
    draped over, drinking, drinking from, driving, driving down, driving on, eating from, eating in,
    enclosing, exiting, facing, filled with, floating in, floating on, flying, flying above,
    flying in, flying over, flying through, full of, going down, going into, going through,
    grazing in, growing in, growing on, guiding, hanging from, hanging in, hanging off,
    hanging over, higher than, holding onto, hugging, in between, jumping off, jumping on,
    jumping over, kept in, larger than, leading, leaning over, leaving, licking, longer than,
    looking in, looking into, looking out, looking over, looking through, lying next to,
    lying on top of, making, mixed with, mounted on, moving, near, next to, of, on the back of,
    on the edge of, on the front of, on the other side of, on the side of, opening, painted on,
    parked at, parked beside, parked by, parked in, parked in front of, parked near,
    parked next to, perched on, petting, piled on, playing, playing in, playing on, playing with,
    pouring, reaching for, reading, reflected on, riding on, running in, running on,
    running through, seen through, sitting behind, sitting beside, sitting by,
    sitting in front of, sitting near, sitting next to, sitting under, skiing down, skiing on,
    sleeping in, sleeping on, smiling at, sniffing, splashing, sprinkled on, stacked on,
    standing against, standing around, standing behind, standing beside, standing in front of,
    standing near, standing next to, staring at, stuck in, surrounding, swimming in, swinging,
    talking to, topped with, touching, traveling down, traveling on, tying, typing on, underneath,
    wading in, waiting for, walking across, walking by, walking down, walking next to,
    walking through, with, working in, working on, worn on, wrapped around, wrapped in""".replace(
        "\n    ", " "
    ).split(", ")
)
"""Relations that the published macro accuracy leaves out."""
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

SIDES = ("left", "right")
NAME = list_type(str, 2, "texts")
SQUARE = list_type(Whole, 3, "whole numbers")


def aro_relations(row: RawRow) -> list[Relation]:
    """One row of ARO: the captions are ordered [false, true], as published."""
    name, right = row.field("relation_name"), row.field("true_caption")
    if f" {name} " not in right:
        raise InputError(f"the relation {name!r} is not in the true caption {right!r}")
    form = rf"the (.+?) (?:is|are) {re.escape(name)} the (.+?)\.?"
    named = re.fullmatch(form, right.strip(), re.IGNORECASE)
    picture = row.field("image_path")
    x, y, width, height = (row.field(f"bbox_{side}", Whole) for side in "xywh")
    return [
        Relation(
            suite="aro",
            where=row.where,
            picture=existing(row.file.parent / "images" / picture),
            crop=(x, y, x + width, y + height),
            captions=(row.field("false_caption"), right),
            right=1,
            relation=name,
            axis=axis_of(name),
            subject=named[1] if named else "",
            object=named[2] if named else "",
            group=picture,
            foil="object swap",
            in_macro=name not in ARO_SYMMETRIC,
        )
    ]


def vsr_relations(row: RawRow) -> list[Relation]:
    """A true row of VSR whose relation has an opposite: the caption, and the same with that."""
    caption, name = row.field("caption"), row.field("relation")
    if name not in VSR_RELATIONS:
        raise InputError(
            f"unknown relation {name!r}; not one of VSR's {len(VSR_RELATIONS)} relations"
        )
    before, subject, object_, after = parts(caption, name)
    if row.field("label", Literal[0, 1]) == 0:
        raise NotScored("its caption is not true of the picture")
    if (opposite := opposite_of(name)) is None:
        raise NotScored("its relation has no opposite")
    return [
        Relation(
            suite="vsr",
            where=row.where,
            picture=published_picture(row),
            captions=(caption, f"{before}{opposite}{after}"),
            right=0,
            relation=name,
            axis=axis_of(name),
            subject=subject,
            object=object_,
            group=", ".join(sorted((subject.lower(), object_.lower()))),
            foil="word swap",
        )
    ]


def parts(caption: str, relation: str) -> tuple[str, str, str, str]:
    """What stands before the relation, the subject, the object, and what stands after it."""
    form = rf"(?:The |the )?(.+?)\s+(?:is|are)?\s*({re.escape(relation)})\s+(?:the )?(.+?)\.?"
    if (match := re.fullmatch(form, caption.strip())) is None:
        raise InputError(f"the relation {relation!r} is not in the caption {caption!r}")
    return match.string[: match.start(2)], match[1], match[3], match.string[match.end(2) :]


def published_picture(row: RawRow) -> Path:
    """The picture of a row of VSR, wherever a published layout puts it."""
    name = row.field("image")
    above = (row.file.parent, *row.file.absolute().parents[1:3])
    kinds = ("images", "train2017", "val2017")
    places = [folder / kind / name for folder in above for kind in kinds]
    if (found := next(filter(Path.is_file, places), None)) is None:
        raise InputError(
            f"there is no picture {name}; looked in images, train2017 and val2017 in {above[0]} "
            "and the two folders above it"
        )
    return found


def nlvr_relations(row: RawRow) -> list[Relation]:
    """The row about the left object, then the row about the right; captions are [left, right]."""
    names = {side: " ".join(row.field(side, NAME)) for side in SIDES}
    image = row.field("image")
    crop = x0, y0, x1, y1 = row.field("crop", CROP)
    boxes = {
        side: fractions(row.field(f"{side}_xysize", SQUARE), x1 - x0, y1 - y0) for side in SIDES
    }
    if names["left"] == names["right"]:
        raise InputError(f"two objects of one name, {names['left']!r}: both captions are right")
    if boxes["left"][2] > boxes["right"][0]:
        raise InputError("the left object reaches under or over the right one")
    both = ", ".join(sorted(names.values()))
    return [
        Relation(
            suite="nlvr",
            where=row.where,
            picture=existing(row.file.parent / image),
            crop=(x0, y0, x1, y1),
            captions=tuple(f"a {names[one]} to the {side} of a {names[other]}" for side in SIDES),
            right=SIDES.index(one),
            relation=f"{one} of",
            axis="horizontal",
            subject=names[one],
            object=names[other],
            group=both,
            pair=f"{image} {list(crop)}: {both}",
            foil="word swap",
            boxes={"subject": boxes[one], "object": boxes[other]},
        )
        for one, other in (SIDES, SIDES[::-1])
    ]


def fractions(xysize: tuple[int, ...], width: int, height: int) -> Box:
    """A square, by its top left corner and side in pixels, as fractions of the crop."""
    x, y, size = xysize
    width, height = max(1, width), max(1, height)  # a relation refuses an empty crop
    return x / width, y / height, (x + size) / width, (y + size) / height


ARO = Suite(
    name="aro",
    files={"visual_genome_relation.json": "images"},
    rows=json_array,
    read=aro_relations,
)
VSR = Suite(name="vsr", files={"test.jsonl": ""}, rows=json_lines, read=vsr_relations)
NLVR = Suite(name="nlvr", files={"pairs.jsonl": "images"}, rows=json_lines, read=nlvr_relations)
