"""Every ablation of the standard table in words that tell it from all others."""

from lrinterp.analysis.ablation_bench import Row, standard_rows
from lrinterp.analysis.ablation_figures import ablation_words


def words(row: Row, model: str = "trained") -> str:
    return ablation_words({"model": model, **row.cells})


def test_ablations_read_as_phrases():
    position = ("EP", "PP", "bP")
    assert words(Row()) == "intact"
    assert words(Row(), "untrained") == "untrained model, intact"
    assert words(Row(terms=position, kind="keep")) == "key-position alone"
    assert words(Row(terms=position, kind="flatten", encoder="text")) == (
        "text tower, without key-position"
    )
    assert words(Row(terms=("EP", "VP"), kind="zero", gauge="raw")) == "without EP and VP"
    assert words(Row(terms=(*position, "VP"), kind="flatten")) == "without key-position and VP"


def test_no_two_ablations_of_all_heads_in_one_gauge_share_their_words():
    rows = [row for row in standard_rows(2) if row.heads is None]
    named = [(words(row), row.gauge) for row in rows]
    assert len(set(named)) == len(named)
