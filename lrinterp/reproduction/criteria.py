"""The claims of arXiv 2601.12809, and four of our own, each with its criterion.

Written before the run they are held against; `lrinterp.reproduction.statistics` says how each
statistic is computed. A claim holds where all its parts hold, does not hold where one does not,
and is undecided otherwise. A premise says what kind of models a claim speaks of: where they are not
of that kind, nothing is decided.
"""

from dataclasses import dataclass

from lrinterp.bounds import Bound

__all__ = ["CLAIMS", "Claim", "Part"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One statistic of a claim, and where it must lie."""

    statistic: str
    """Its name in `lrinterp.reproduction.statistics`."""
    words: str
    bound: Bound | None
    """None where there is nothing to hold it against."""
    premise: bool = False


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence that may be wrong."""

    id: str
    sentence: str
    paper: str
    """The figure of the paper, or who claims it."""
    parts: tuple[Part, ...]


def part(
    statistic: str,
    words: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    premise: bool = False,
) -> Part:
    """A part with a bound."""
    bound = Bound(at_least=at_least, at_most=at_most)
    return Part(statistic=statistic, words=words, bound=bound, premise=premise)


METRICS = {
    "order": "order",
    "retrieval_closed": "closed retrieval",
    "retrieval_open": "open retrieval",
}


def diversity() -> tuple[Claim, ...]:
    """c2 and c3, for each metric; bounds as in `analyses/label_vs_layout`."""
    labels = tuple(
        Claim(
            id=f"c2-{metric.replace('_', '-')}",
            sentence=f"Label diversity drives the generalisation of {words}.",
            paper="accuracy on held-out pairs rises with the number of labels in pairs",
            parts=(
                part(f"labels_{metric}", f"{words}: most labels minus fewest", at_least=0.05),
                part(
                    f"shares_{metric}",
                    f"share of the variance of {words}: labels minus layouts",
                    at_least=0.1,
                ),
            ),
        )
        for metric, words in METRICS.items()
    )
    layouts = tuple(
        Claim(
            id=f"c3-{metric.replace('_', '-')}",
            sentence=f"Layout diversity does not drive the generalisation of {words}.",
            paper="accuracy on held-out pairs does not rise with the number of layouts",
            parts=(part(f"layouts_{metric}", f"{words}: most layouts minus fewest", at_most=0.05),),
        )
        for metric, words in METRICS.items()
    )
    return labels + layouts


CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="c1",
        sentence="Contrastive training learns left and right, also of labels it never paired.",
        paper="order on held-out pairs about 0.9 with 15 labels in pairs",
        parts=(
            part("order", "order", at_least=0.9),
            part("order_gained", "order, trained minus untrained", at_least=0.3),
        ),
    ),
    *diversity(),
    Claim(
        id="c4",
        sentence="The weight terms (EE, EP, PE, PP) carry 76 to 91 % of the attention scores.",
        paper="76-91 %, of what is not known",
        parts=(
            Part(
                statistic="weight_share",
                words="share of EE+EP+PE+PP in the variance of the CLS row, raw gauge, all heads",
                bound=None,
            ),
        ),
    ),
    Claim(
        id="c5",
        sentence="Among raw terms EP alone has a monotone gradient on the CLS row.",
        paper="only EP is monotone from left to right; PP is symmetric",
        parts=(
            part("spearman_EP", "|Spearman| of EP along the row, headline head", at_least=0.9),
            part("spearman_PP", "|Spearman| of PP", at_most=0.7),
            part("spearman_bP", "|Spearman| of bP", at_most=0.7),
        ),
    ),
    Claim(
        id="c6",
        sentence="EP removed leaves order near chance; PE or PP removed, near baseline; bP removed "
        "costs a moderate part.",
        paper="EP: 0.9 to 0.5; PE, PP: near baseline; bP: moderate",
        parts=(
            part("without_EP", "order, EP set to zero (raw)", at_most=0.6),
            part("lost_PE", "order lost, PE set to zero", at_most=0.05),
            part("lost_PP", "order lost, PP set to zero", at_most=0.05),
            part("lost_bP", "order lost, bP set to zero", at_least=0.05, at_most=0.3),
        ),
    ),
    Claim(
        id="c7",
        sentence="Without the gradient the label set is still recognised.",
        paper="label sets still recognised without EP",
        parts=(
            part("label_set_EP", "closed label set, EP set to zero (raw)", at_least=0.9),
            part("label_set_key_position", "closed label set without key-position", at_least=0.9),
        ),
    ),
    Claim(
        id="c8a",
        sentence="Models that never learn order have no gradient.",
        paper="no gradient where order stays at chance",
        parts=(
            part(
                "order_both_1",
                "order, both templates, one-layer text tower",
                at_least=0.4,
                at_most=0.6,
                premise=True,
            ),
            part("span_both_1", "widest key-position span of any head, logits", at_most=0.1),
        ),
    ),
    Claim(
        id="c8b",
        sentence="Models that learn order only partly have no gradient.",
        paper="no gradient where order is learnt partly",
        parts=(
            part(
                "order_few",
                "order, 5 labels in pairs, 2 layouts per pair",
                at_least=0.6,
                at_most=0.9,
                premise=True,
            ),
            part("span_few", "widest key-position span of any head, logits", at_most=0.1),
        ),
    ),
    Claim(
        id="c9",
        sentence="A text head sends [EOT]'s attention to the object named first, whatever it is.",
        paper="one text head does, for all labels",
        parts=(
            part(
                "first_consistency",
                "share of captions of held-out labels in which it prefers the first",
                at_least=0.95,
            ),
            part(
                "first_difference",
                "attention to first minus second mention, captions of held-out labels",
                at_least=0.2,
            ),
        ),
    ),
    Claim(
        id="c10",
        sentence="A rotation fitted on trained labels aligns the token embeddings of held-out "
        "labels; without it they do not agree.",
        paper="low raw cosine; aligned after a rotation fitted on labels 1-15",
        parts=(
            part("rotation_raw", "cosine of W_E rows of held-out labels, raw", at_most=0.2),
            part("rotation_aligned", "the same after the rotation", at_least=0.3),
            part(
                "rotation_gained",
                "after the rotation minus after one fitted on shuffled labels",
                at_least=0.2,
            ),
        ),
    ),
    Claim(
        id="c11",
        sentence="Captions of both templates defeat a text tower of one layer and not one of two.",
        paper="two text layers restore generalisation",
        parts=(
            part("order_both_1", "order, both templates, one layer", at_most=0.6),
            part("order_both_2", "order, both templates, two layers", at_least=0.85),
        ),
    ),
    Claim(
        id="c15",
        sentence="EP and the value-position term VP removed together leave order at chance.",
        paper="EP+VP: 0.5",
        parts=(
            part("without_EP_VP", "order, EP set to zero (raw) and VP removed", at_most=0.6),
            part("lost_VP", "order lost, VP alone removed", at_most=0.05),
        ),
    ),
    Claim(
        id="o1",
        sentence="Without key-position a model that knows order is at chance, whatever the scale "
        "of its first weights; what removing EP alone leaves depends on that scale.",
        paper="ours: how key-position splits into EP, PP, bP is a matter of initialisation",
        parts=(
            part(
                "deviation_key_position",
                "order without key-position: mean |deviation from 0.5| of the models of the grid "
                "that know order",
                at_most=0.02,
            ),
            part(
                "outside_key_position",
                "share of these models outside 0.45 to 0.55 without key-position",
                at_most=0.05,
            ),
            part(
                "contrast_EP",
                "order without EP (raw): smallest minus largest scale of token embeddings",
                at_least=0.3,
            ),
        ),
    ),
    Claim(
        id="o2",
        sentence="The gradient appears in training when order does.",
        paper="ours",
        parts=(
            part(
                "lag",
                "steps from half the final |slope| of the headline head to order 0.75",
                at_least=-100.0,
                at_most=100.0,
            ),
        ),
    ),
    Claim(
        id="o3",
        sentence="Key-position alone, all other terms flattened, suffices.",
        paper="ours",
        parts=(part("lost_only", "order lost with key-position alone", at_most=0.1),),
    ),
    Claim(
        id="o4",
        sentence="The attention that the right object gains predicts the margin, picture by "
        "picture.",
        paper="ours",
        parts=(
            part(
                "margin_gain",
                "Spearman of gain and margin, pictures of held-out pairs",
                at_least=0.5,
            ),
            part("margin_gain_within", "the same within ordered label pairs", at_least=0.5),
        ),
    ),
)
"""Every claim, in the order in which they are shown."""
