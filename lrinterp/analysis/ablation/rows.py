"""The ablations of a table, as data: a tower, terms, heads, layers, query rows and a kind.

In a tower of one layer the pooled row of the first layer is all that reaches the embedding. Above
it information moves between positions, so what a tower needs is asked of all layers and all rows.
Large towers get a shorter list: there every row is seconds of work.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lrinterp.decomposition import KEY_CONTENT, KEY_POSITION, Ablation, Gauge

__all__ = [
    "KEEP_OBJECTS",
    "RANDOM",
    "Main",
    "Row",
    "head_row",
    "is_large",
    "main_rows",
    "standard_rows",
    "text_row",
]

KEEP_OBJECTS = "keep_objects"
"""Keep, with all other terms flattened over the objects and over the empty pixels apart: what
stands there is forgotten, that something stands there is not."""
RANDOM = ("placebo", "permute", "resample")
"""Kinds that draw at random: their numbers are means over draws."""
LARGE = 48
"""Heads of a tower above which the list is short and heads are ranked by an estimate."""
SIDES = (KEY_POSITION, KEY_CONTENT)
DEEP_KINDS = ("flatten", "keep", KEEP_OBJECTS, "placebo", "permute", "zero")
SEEDS_APART = 1000
"""Between the seeds of two layers: a placebo of all layers draws a row of its own in each."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One ablation of a table: a tower, terms (VP: of its values), a kind, and where.

    The nine terms exist in the pooled row of the first layer. Elsewhere key-position or
    key-content as a whole are edited, in the split of each layer; other terms, gauges and kinds
    are a ValueError there.
    """

    terms: tuple[str, ...] = ()
    kind: str = "none"
    gauge: Gauge = "canonical"
    heads: tuple[int, ...] | None = None
    encoder: str = "image"
    layers: tuple[int, ...] | None = (0,)
    """None: all layers."""
    queries: str = "pooled"
    """`pooled`, the row of the pooled position alone, or `all` query rows."""

    def __post_init__(self) -> None:
        if self.queries not in ("pooled", "all"):
            raise ValueError(f"queries: expected 'pooled' or 'all', got {self.queries!r}")
        if self.is_first or self.kind == "none":
            return
        where = f"layers {self.cells['layers']}, {self.queries} rows"
        if self.terms not in SIDES or self.gauge != "canonical":
            known = " or ".join("+".join(side) for side in SIDES)
            got = f"{'+'.join(self.terms)} ({self.gauge})"
            raise ValueError(f"{where}: expected {known} (canonical), got {got}")
        if self.kind not in DEEP_KINDS:
            raise ValueError(f"{where}: expected one of {', '.join(DEEP_KINDS)}, got {self.kind}")

    @property
    def is_first(self) -> bool:
        """Does it edit the pooled row of the first layer alone?"""
        return self.layers == (0,) and self.queries == "pooled"

    @property
    def cells(self) -> dict[str, str]:
        """The identifying columns of a table row."""
        return {
            "encoder": self.encoder,
            "terms": "+".join(self.terms) or "none",
            "heads": _listed(self.heads),
            "kind": self.kind,
            "gauge": self.gauge,
            "layers": _listed(self.layers),
            "queries": self.queries,
        }

    @property
    def label(self) -> str:
        """The cells as one string, layers and queries only where they are not the first ones."""
        cells = list(self.cells.values())
        return "/".join(cells[:-2] if self.is_first else cells)

    def edit(self, seed: int, layer: int = 0) -> Ablation | None:
        """The edit of a layer's scores; None where only values or nothing changes."""
        terms = tuple(term for term in self.terms if term != "VP")
        if not terms:
            return None
        kind = "keep" if self.kind == KEEP_OBJECTS else self.kind
        drawn = seed + SEEDS_APART * layer
        return Ablation(terms=terms, kind=kind, heads=self.heads, seed=drawn)  # type: ignore[arg-type]

    def edits(self, seed: int, n_layers: int) -> dict[int, Ablation]:
        """The edits of all its layers; ValueError for a layer that is not there."""
        layers = range(n_layers) if self.layers is None else self.layers
        if bad := [layer for layer in layers if not 0 <= layer < n_layers]:
            raise ValueError(f"layer: expected 0 to {n_layers - 1}, got {bad[0]}")
        found = {layer: self.edit(seed, layer) for layer in layers}
        return {layer: edit for layer, edit in found.items() if edit is not None}


class Main(NamedTuple):
    """The ablations that the summary speaks of."""

    intact: Row
    without: Row
    placebo: Row
    only: Row
    objects: Row

    @property
    def named(self) -> Mapping[str, tuple[Row, Row | None]]:
        """By summary key: an ablation's mean order, or its paired difference from another's."""
        return {
            "order_intact": (self.intact, None),
            "order_without_key_position": (self.without, None),
            "order_placebo": (self.placebo, None),
            "order_placebo_minus_without": (self.placebo, self.without),
            "order_key_position_only": (self.only, None),
            "order_intact_minus_key_position_only": (self.intact, self.only),
            "order_key_position_and_objects": (self.objects, None),
        }


def main_rows(n_layers: int) -> Main:
    """Intact, and four edits of key-position: of one layer's pooled row, or of all layers' rows."""
    kinds = ("flatten", "placebo", "keep", KEEP_OBJECTS)
    return Main(Row(), *(_whole(kind, n_layers) for kind in kinds))


def text_row(n_layers: int) -> Row:
    """Key-position of the text tower flattened, as far as `main_rows` takes it in the other one."""
    return _whole("flatten", n_layers, "text")


def head_row(layer: int, head: int, n_layers: int) -> Row:
    """Key-position flattened in one head; in every query row where the tower is deep."""
    rows = "pooled" if n_layers == 1 else "all"
    return Row(terms=KEY_POSITION, kind="flatten", heads=(head,), layers=(layer,), queries=rows)


def is_large(n_heads: int, n_layers: int) -> bool:
    """Is a tower too large to measure each of its heads?"""
    return n_heads * n_layers > LARGE


def standard_rows(n_heads: int, *, image_layers: int = 1, text_layers: int = 1) -> tuple[Row, ...]:
    """The ablations of the standard table, in the order in which they are shown.

    `n_heads` of each layer of the image tower. Large towers get no rows of heads.
    """
    large, kinds = is_large(n_heads, image_layers), ("flatten", "keep")
    first = (_whole("flatten", 1),) if large else _first_rows()
    text = () if large else tuple(_whole(kind, 1, "text") for kind in kinds)
    deep_text = (_whole(kind, text_layers, "text") for kind in kinds)
    heads = range(0 if large else n_heads)
    ones = (head_row(layer, head, image_layers) for layer in range(image_layers) for head in heads)
    deep = _deep_rows(image_layers) if image_layers > 1 else ()
    return tuple(dict.fromkeys((Row(), *deep, *first, *ones, *text, *deep_text)))


UNIONS = (
    ("EP",),
    ("PP",),
    ("bP",),
    ("EP", "PP"),
    ("EP", "bP"),
    ("PP", "bP"),
    KEY_POSITION,
)


def _first_rows() -> tuple[Row, ...]:
    """Of the pooled row of the first layer, all heads."""
    return (
        *main_rows(1),
        Row(terms=KEY_POSITION, kind="permute"),
        Row(terms=KEY_CONTENT, kind="resample"),
        *(Row(terms=union, kind="flatten") for union in UNIONS[:-1]),
        *(Row(terms=union, kind="zero", gauge="raw") for union in UNIONS),
        *(Row(terms=(term,), kind="zero", gauge="raw") for term in KEY_CONTENT),
        Row(terms=("VP",), kind="zero"),
        Row(terms=("EP", "VP"), kind="zero", gauge="raw"),
        Row(terms=(*KEY_POSITION, "VP"), kind="flatten"),
    )


def _deep_rows(n_layers: int) -> tuple[Row, ...]:
    """Of all layers together, then of each layer alone."""
    alone = ((layer,) for layer in range(n_layers))
    return (
        *main_rows(n_layers)[1:],
        Row(terms=KEY_POSITION, kind="flatten", layers=None),
        *(Row(terms=KEY_POSITION, kind="flatten", layers=own, queries="all") for own in alone),
    )


def _whole(kind: str, n_layers: int, encoder: str = "image") -> Row:
    if n_layers == 1:
        return Row(terms=KEY_POSITION, kind=kind, encoder=encoder)
    return Row(terms=KEY_POSITION, kind=kind, encoder=encoder, layers=None, queries="all")


def _listed(numbers: tuple[int, ...] | None) -> str:
    return "all" if numbers is None else ",".join(map(str, numbers))
