from lrinterp.benchmark.published import published_figures, published_rows, published_words


def test_published_figures_say_that_they_are_and_whose():
    rows = published_rows("aro")
    assert {row["name"]: round(row["value"], 3) for row in rows} == {
        "CLIP ViT-B/32": 0.59, "NegCLIP": 0.805, "BLIP": 0.59,
    }  # fmt: skip
    assert all("not measured here" in row["note"] and "arXiv" in row["note"] for row in rows)
    assert all(row["measure"] == "published macro" for row in rows)


def test_a_range_is_given_as_it_was_published():
    assert published_figures("aro")["NegCLIP"] == "0.80–0.81"
    assert published_words("aro", "macro").endswith("NegCLIP 0.80–0.81, BLIP 0.59")


def test_a_suite_without_published_figures_has_none():
    assert (published_rows("nlvr"), published_words("nlvr", "macro")) == ([], "")
