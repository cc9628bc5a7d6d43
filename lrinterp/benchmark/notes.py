"""What a reader of a benchmark must know, in words."""

__all__ = ["BIAS", "GLOSSARY", "INTERVALS", "OMITTED", "PADDED", "PAIRED", "SUITE_NOTES", "TIES"]

INTERVALS = (
    "Intervals are 95 %: each group of rows that share pictures or objects is left out in turn "
    "(jackknife, on the log odds). Where every row is right or every row wrong the interval is the "
    "one that a single row counted otherwise would give; a single group has none. They say nothing "
    "about other checkpoints."
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
    "vsr": "The published task is true or false of one caption. Here a true caption stands against "
    "the same caption with the opposite relation, so the figures are not those of papers.",
    "nlvr": "Captions come from a template; NLVR's own sentences hardly say left or right. Each "
    "pair of objects gives a row about the left one and a row about the right one.",
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
    "objects) of which all rows are right; sets are four rows. In data of one's own, a pair or set "
    "is all rows that share its key.",
    "Group": "rows that share pictures or objects; intervals leave out whole groups.",
}
