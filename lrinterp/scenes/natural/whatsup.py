"""What'sUp: is the mug on the table, under it, to its left or to its right?

A folder holds any of six files, each with its pictures beside it: `controlled_images_dataset.json`
(A, real pictures) and `controlled_clevr_dataset.json` (B), rows with image_path and four
caption_options; `coco_qa_*_obj.json` and `vg_qa_*_obj.json` (COCO- and GQA-spatial, one and two
objects), rows [image id, right caption, wrong caption]. The first caption is always the right one.
Kamath, Hessel and Chang, arXiv 2310.19785.

In A and B the file name says what is shown, `mug_left_of_table.jpeg`, and the keys are those of the
published scorer: a pair is two opposite relations of the same objects, a set all four.

`triples.jsonl` holds what all six show without the pictures, (subject, object, relation), for
captions made from a template over objects that people did photograph together.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from lrinterp.scenes.natural.relation import Axis, Relation, axis_of, opposite_of
from lrinterp.scenes.natural.source import (
    RawRow,
    Suite,
    Whole,
    existing,
    json_array,
    json_lines,
    list_type,
)
from lrinterp.store import InputError, taken

__all__ = ["TRIPLES", "WHATSUP", "Triple"]

FILES = {
    "controlled_images_dataset.json": ("controlled_images", "controlled A"),
    "controlled_clevr_dataset.json": ("controlled_clevr", "controlled B"),
    "coco_qa_one_obj.json": ("val2017", "COCO one object"),
    "coco_qa_two_obj.json": ("val2017", "COCO two objects"),
    "vg_qa_one_obj.json": ("vg_images", "GQA one object"),
    "vg_qa_two_obj.json": ("vg_images", "GQA two objects"),
}
"""Of each file the folder of its pictures, and the subset that has a published figure."""
CONTROLLED: dict[str, tuple[str, Axis]] = {
    "left": ("left of", "horizontal"),
    "right": ("right of", "horizontal"),
    "on": ("on", "vertical"),
    "under": ("under", "vertical"),
    "in-front": ("in front of", "depth"),
    "behind": ("behind", "depth"),
}
"""The second word of a file name: the relation, and the axis its pair is on. `on` is here the
opposite of `under`.
"""
OPTIONS = list_type(str, 4, "texts")
ASKED = Annotated[
    tuple[int | str, str, str],
    Meta(description="a list of image id, right caption, wrong caption"),
]
ONE_OBJECT = re.compile(
    r"(?:a photo of )?(?:an? |the )?(?P<subject>.+?)"
    r"(?: on| at| in| to)?(?: the)? (?P<relation>left|right|top|bottom|above|below|front|behind)",
    re.IGNORECASE,
)
TWO_OBJECTS = re.compile(
    r"(?:a photo of )?(?:an? |the )?(?P<subject>.+?)(?: is| are)? (?:to the |on the |in )?"
    r"(?P<relation>left of|right of|front of|above|below|behind|on top of|beneath|under|over|on)"
    r" (?:an? |the )?(?P<object>.+)",
    re.IGNORECASE,
)


def relations(row: RawRow) -> list[Relation]:
    """One row of any of the six files."""
    folder, subset = FILES[row.file.name]
    read = controlled if subset.startswith("controlled") else asked
    return [read(row, row.file.parent / folder, subset)]


def controlled(row: RawRow, pictures: Path, subset: str) -> Relation:
    """A row of A or B: four captions, and keys from the file name."""
    picture = pictures / row.field("image_path").split("/")[-1]
    subject, word, object_ = of_file(picture.stem)
    relation, axis = CONTROLLED[word]
    both = f"{subset}: {subject}, {object_}"
    return Relation(
        suite="whatsup",
        where=row.where,
        picture=existing(picture),
        captions=row.field("caption_options", OPTIONS),
        right=0,
        relation=relation,
        axis=axis,
        subject=subject,
        object=object_,
        group=both,
        pair=f"{both}, {axis}",
        set=both,
        foil="relation",
        subset=subset,
    )


def of_file(stem: str) -> tuple[str, str, str]:
    """Subject, relation word and object of `beer-bottle_left_of_armchair`."""
    words = stem.split("_")
    if len(words) < 3 or words[1] not in CONTROLLED:
        found = words[1] if len(words) > 1 else stem
        raise InputError(
            f"unknown relation {found!r} in the file name {stem!r}; expected "
            f"SUBJECT_RELATION_OBJECT with one of {', '.join(CONTROLLED)}"
        )
    return words[0].replace("-", " "), words[1], words[-1].replace("-", " ")


def asked(row: RawRow, pictures: Path, subset: str) -> Relation:
    """A row of COCO- or GQA-spatial: the right caption and a wrong one."""
    image, *captions = taken(row.value, ASKED, "row")
    subject, relation, object_ = stated(captions[0], subset)
    swapped = captions[0].replace(relation, opposite_of(relation) or relation)
    name = str(image).zfill(12 if subset.startswith("COCO") else 0) + ".jpg"
    return Relation(
        suite="whatsup",
        where=row.where,
        picture=existing(pictures / name),
        captions=tuple(captions),
        right=0,
        relation=relation,
        axis=axis_of(relation),
        subject=subject,
        object=object_,
        group=f"{subset.split()[0]} picture {image}",
        foil="word swap" if captions[1] == swapped else "relation",
        subset=subset,
    )


def stated(caption: str, subset: str) -> tuple[str, str, str]:
    """Subject, relation and object of a caption; a caption of one object has none."""
    form = ONE_OBJECT if subset.endswith("one object") else TWO_OBJECTS
    if (found := form.fullmatch(caption.strip().rstrip("."))) is None:
        raise InputError(f"unknown relation in the caption {caption!r}")
    words = found.groupdict()
    relation = words["relation"].lower().replace("front of", "in front of")
    return words["subject"], relation, words.get("object", "")


WHATSUP = Suite(
    name="whatsup",
    files={name: folder for name, (folder, _) in FILES.items()},
    rows=json_array,
    read=relations,
)


@dataclass(frozen=True, kw_only=True)
class Triple:
    """What one picture of a set shows."""

    dataset: str
    """`controlled_images_A` or `_B`, `coco_one`, `coco_two`, `gqa_one` or `gqa_two`."""
    id: int
    """The row in that set, from 0."""
    subject: str
    object: str
    """Empty in the sets of one object."""
    relation: str
    """One word, such as `left`, `on` or `front`."""


def triples(row: RawRow) -> list[Triple]:
    """One line, with fields dataset, id, subject, object (null for none) and relation."""
    return [
        Triple(
            dataset=row.field("dataset"),
            id=row.field("id", Whole),
            subject=row.field("subject"),
            object="" if row.field("object", Any) is None else row.field("object"),
            relation=row.field("relation"),
        )
    ]


TRIPLES = Suite(name="triples", files={"triples.jsonl": ""}, rows=json_lines, read=triples)
