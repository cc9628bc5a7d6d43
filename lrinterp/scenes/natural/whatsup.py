"""What'sUp: is the mug on the table, under it, to its left or to its right?

A folder holds any of six files, each with its pictures beside it: `controlled_images_dataset.json`
(A, photographs) and `controlled_clevr_dataset.json` (B), rows with image_path and four
caption_options; `coco_qa_*_obj.json` and `vg_qa_*_obj.json` (COCO- and GQA-spatial, one and two
objects), rows [image id, right caption, wrong caption]. The first caption is always the right one.
Kamath, Hessel and Chang, arXiv 2310.19785.

In A and B the file name says what is shown, `mug_left_of_table.jpeg`, and the keys are those of the
published scorer: a pair is two opposite relations of the same objects, a set all four.
"""

import re
from typing import Annotated

from msgspec import Meta

from lrinterp.scenes.natural.phrases import axis_of, opposite_of
from lrinterp.scenes.natural.relation import Axis, Relation
from lrinterp.scenes.natural.source import Row, Suite, existing, json_array, listed
from lrinterp.store import InputError, taken

__all__ = ["WHATSUP"]

SUBSETS = {
    "controlled_images_dataset.json": "controlled A",
    "controlled_clevr_dataset.json": "controlled B",
    "coco_qa_one_obj.json": "COCO one object",
    "coco_qa_two_obj.json": "COCO two objects",
    "vg_qa_one_obj.json": "GQA one object",
    "vg_qa_two_obj.json": "GQA two objects",
}
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
OPTIONS = listed(str, 4, "texts")
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


def relations(row: Row) -> list[Relation]:
    """One row of any of the six files."""
    subset = SUBSETS[row.file.name]
    return [controlled(row, subset) if subset.startswith("controlled") else asked(row, subset)]


def controlled(row: Row, subset: str) -> Relation:
    """A row of A or B: four captions, and keys from the file name."""
    folder = WHATSUP.files[row.file.name]
    picture = row.file.parent / folder / row.field("image_path").split("/")[-1]
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


def asked(row: Row, subset: str) -> Relation:
    """A row of COCO- or GQA-spatial: the right caption and a wrong one."""
    image, *captions = taken(row.value, ASKED, "row")
    subject, relation, object_ = stated(captions[0], subset)
    name = str(image).zfill(12 if subset.startswith("COCO") else 0) + ".jpg"
    return Relation(
        suite="whatsup",
        where=row.where,
        picture=existing(row.file.parent / WHATSUP.files[row.file.name] / name),
        captions=tuple(captions),
        right=0,
        relation=relation,
        axis=axis_of(relation),
        subject=subject,
        object=object_,
        group=f"{subset.split()[0]} picture {image}",
        foil="word swap" if swaps(captions[0], captions[1], relation) else "relation",
        subset=subset,
    )


def stated(caption: str, subset: str) -> tuple[str, str, str]:
    """Subject, relation and object of a caption; a caption of one object has none."""
    form = ONE_OBJECT if subset.endswith("one object") else TWO_OBJECTS
    found = form.fullmatch(caption.strip().rstrip("."))
    if found is None:
        raise InputError(f"unknown relation in the caption {caption!r}")
    words = found.groupdict()
    relation = words["relation"].lower().replace("front of", "in front of")
    return words["subject"], relation, words.get("object", "")


def swaps(right: str, wrong: str, relation: str) -> bool:
    """Is the wrong caption the right one with the relation's word turned round?"""
    opposite = opposite_of(relation)
    return opposite is not None and wrong == right.replace(relation, opposite)


WHATSUP = Suite(
    name="whatsup",
    files={
        "controlled_images_dataset.json": "controlled_images",
        "controlled_clevr_dataset.json": "controlled_clevr",
        "coco_qa_one_obj.json": "val2017",
        "coco_qa_two_obj.json": "val2017",
        "vg_qa_one_obj.json": "vg_images",
        "vg_qa_two_obj.json": "vg_images",
    },
    rows=json_array,
    relations=relations,
)
