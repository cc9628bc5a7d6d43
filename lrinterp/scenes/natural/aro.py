"""ARO's VG-Relation: is the horse eating the grass, or the grass the horse?

Pictures are of Visual Genome, cut to the box of the two objects; the wrong caption exchanges them.
A folder holds `visual_genome_relation.json` and `images/`. Yuksekgonul et al., arXiv 2210.01936.

The published macro accuracy leaves out relations that the authors call symmetric (and many rare
ones with them): `ARO_SYMMETRIC`. Their rows are read, with `in_macro` False. Rows name no objects:
these are read from the caption where it has the published form "the X is RELATION the Y".
"""

import re

from lrinterp.scenes.natural.phrases import axis_of
from lrinterp.scenes.natural.relation import Relation
from lrinterp.scenes.natural.source import Row, Suite, Whole, existing, json_array
from lrinterp.store import InputError

__all__ = ["ARO", "ARO_SYMMETRIC"]

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


def relations(row: Row) -> list[Relation]:
    """One row: the captions are ordered [false, true], as published."""
    name, right = row.field("relation_name"), row.field("true_caption")
    if f" {name} " not in right:
        raise InputError(f"the relation {name!r} does not stand in the true caption {right!r}")
    subject, object_ = named(right, name)
    picture = row.field("image_path")
    x, y, width, height = (row.field(f"bbox_{side}", Whole) for side in "xywh")
    relation = Relation(
        suite="aro",
        where=row.where,
        picture=existing(row.file.parent / "images" / picture),
        crop=(x, y, x + width, y + height),
        captions=(row.field("false_caption"), right),
        right=1,
        relation=name,
        axis=axis_of(name),
        subject=subject,
        object=object_,
        group=picture,
        foil="object swap",
        in_macro=name not in ARO_SYMMETRIC,
    )
    return [relation]


def named(caption: str, relation: str) -> tuple[str, str]:
    """The two objects of a caption; empty where it has another form."""
    form = rf"the (.+?) (?:is|are) {re.escape(relation)} the (.+?)\.?"
    found = re.fullmatch(form, caption.strip(), re.IGNORECASE)
    return (found[1], found[2]) if found else ("", "")


ARO = Suite(
    name="aro",
    files={"visual_genome_relation.json": "images"},
    rows=json_array,
    relations=relations,
)
