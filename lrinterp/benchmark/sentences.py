"""What a benchmark says in words: its finding, what a reader must know, what others published.

In the finding a share has a decimal point and the words "a share of": "1 of 20 rows" would read as
a count.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lrinterp.benchmark.suite_accuracies import Key
from lrinterp.grades import beside
from lrinterp.result import Metric
from lrinterp.wording import counted, signed

if TYPE_CHECKING:
    from lrinterp.benchmark.suite_result import Benchmark

__all__ = ["PUBLISHED", "caveats", "glossary", "published_rows", "sentences"]

PUBLISHED = {"aro": {"CLIP ViT-B/32": "0.59", "NegCLIP": "0.80–0.81", "BLIP": "0.59"}}
"""By suite and model, the mean over relations as it was published; a range where sources differ."""
SOURCES = {"aro": "Yuksekgonul et al., arXiv 2210.01936, VG-Relation, macro accuracy"}

INTERVALS = (
    "Intervals are 95 %: each group of rows that share pictures or objects is left out in turn "
    "(jackknife, on the log odds). Where every row is right or every row wrong the interval is "
    "the one that a single row counted otherwise would give; a single group has none. They do not "
    "cover other checkpoints."
)
OWN = (
    "A pair or set is all rows that share its key, two or more; it is right where every one of "
    "them is. Rows that were skipped or not read are not missed."
)
TIES = (
    "Scoring is strict: k captions that tie for the highest score (within 1e-6) share the credit, "
    "1/k each. In pairs and sets the credits of the rows are multiplied, so a model that scores "
    "all captions equally gets exactly chance everywhere."
)
SUITE_NOTES = {
    "aro": "The mean over relations leaves out those that the authors call symmetric, and the rare "
    "ones with them, as the published figure does; all rows counts them. Published "
    "scoring gives a tie to the wrong caption.",
    "whatsup": "Published scoring gives a tie to the right caption. A pair is two opposite "
    "relations of the same objects, a set all four.",
    "vsr": "The published task is true or false of one caption. Here a true caption is compared "
    "with the same caption with the opposite relation, so the figures differ from published ones.",
    "nlvr": "Captions come from a template; NLVR's sentences hardly say left or right. Each pair "
    "of objects gives a row about the left one and a row about the right one.",
    "jsonl": OWN,
    "csv": OWN,
}
PAIRED = (
    "Differences are paired: both checkpoints scored the same rows, and each group of rows is left "
    "out of both at once. p is that of exchanging the two checkpoints in whole groups; it is not "
    "corrected for the number of differences that are looked at."
)
PADDED = {
    "crop": "Pictures that are not square were fitted as the checkpoint does it, as a rule by "
    "cutting off the sides, where an object may be; --fit pad keeps all of them.",
    "pad": "Pictures that are not square were padded with the mean colour, so that nothing at the "
    "sides is lost; published figures crop them.",
}
OMITTED = {
    "skipped": "Skipped as bad, {rows}: {name}. The first: {note}.",
    "left out": "Left out, {rows}: {name}.",
    "incomplete": "Left out of {name} accuracy for lack of rows, {groups}; the rows that are there "
    "count in everything else.",
}
BIAS = "; a model that always says right scores 0 on these and 1 on right"
"""Added to left recall where the captions of a row differ in the word."""
GLOSSARY = {
    "Row": "a picture with two or more captions, one of which is right; it counts as right where "
    "the right caption has the highest cosine with the picture.",
    "Chance": "what a model scores that gives all captions the same score.",
    "Mean over relations": "accuracy of each relation, averaged without weights (macro accuracy); "
    "all rows weights relations by their rows.",
    "Left recall": "share right of the rows in which the relation is left{bias}.",
    "Says left": "share of rows whose captions offer left in which the model chooses it.",
    "Pairs all right": "share of pairs (two rows, as a rule of opposite relations of the same "
    "objects) of which all rows are right; sets are four rows. In your own data, a pair or set is "
    "all rows that share its key.",
    "Group": "rows that share pictures or objects; intervals leave out whole groups.",
}


def published_rows(suite: str) -> list[dict[str, Any]]:
    """A row of the table for each published figure of a suite; the value is the middle."""
    rows = []
    for model, figure in PUBLISHED.get(suite, {}).items():
        ends = [float(end) for end in figure.split("–")]
        note = f"published, not measured here: {model} {figure}; {SOURCES[suite]}"
        value = sum(ends) / len(ends)
        rows.append({"measure": "published macro", "name": model, "value": value, "note": note})
    return rows


def caveats(result: "Benchmark") -> Iterator[str]:
    """Intervals, ties, what the suite asks, what was left out."""
    yield from (INTERVALS, TIES)
    yield from (SUITE_NOTES[name] for name in result.suite.split(" + ") if name in SUITE_NOTES)
    yield PADDED[result.fit]
    if result.limit:
        yield f"Only the first {result.limit:,} rows were read."
    for kind, said in OMITTED.items():
        for row in result.rows(kind):
            counts = {name: counted(row["n"], name[:-1]) for name in ("rows", "groups")}
            yield said.format(name=row["name"], note=row["note"], **counts)


def glossary(result: "Benchmark") -> Mapping[str, str]:
    """The words of the tiles and figures."""
    bias = BIAS if result.told_by_word else ""
    return {word: said.format(bias=bias) for word, said in GLOSSARY.items()}


def sentences(result: "Benchmark") -> Iterator[str]:
    """Accuracy against chance, left and right apart, what is said, what others published."""
    yield accuracy_sentence(result)
    left, right = (result.metrics.get(f"{side}_recall") for side in ("left", "right"))
    if left and right and result.told_by_word:
        yield (
            f"Recall is {share(left)} for left ({counted(left.n, 'row')}) and {share(right)} for "
            f"right ({counted(right.n, 'row')})."
        )
    if says := result.metrics.get("says_right"):
        true = result.numbers[Key("truth", name="right")]
        yield (
            f"The model chooses right at a rate of {share(says)} ({counted(says.n, 'row')} offer "
            f"it); the true rate is {share(Metric(value=true.value))}."
        )
    if figures := PUBLISHED.get(result.suite):
        known = ", ".join(f"{model} {figure}" for model, figure in figures.items())
        yield f"Published, not measured here: {known}."


def accuracy_sentence(result: "Benchmark") -> str:
    """How often the right caption scores highest."""
    counts = sum(bool(row["in_macro"]) for row in result.rows("relation"))
    rows, best = result.metrics["accuracy"], result.metrics[result.primary]
    over = counted(counts, "relation") if counts else "all rows"
    assert best.chance is not None
    return (
        f"On {counted(rows.n, 'row')} of {counted(rows.n_units, 'group')} of {result.suite}, "
        f"accuracy averaged over {over} is {share(best)}: {beside(best, best.chance)}."
    )


def share(scalar: Metric) -> str:
    """A share with its interval, or with all its decimals where there is none.

    >>> share(Metric(value=1.0)), share(Metric(value=0.75, low=0.5, high=1.0))
    ('1.000', '0.75 [0.50, 1.00]')
    """
    assert isinstance(scalar.value, float)
    return scalar.phrase if scalar.interval else signed(scalar.value, scalar.digits)
