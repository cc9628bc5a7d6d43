"""Colours: contrast as WCAG computes it, and one name for a colour in both themes."""

import numpy as np
import pytest

from lrinterp.charts import THEME


def luminance(color: str) -> float:
    parts = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_contrast_is_aa_for_text_and_for_marks(name: str):
    color = THEME[name]["colors"]
    for text in ("ink", "muted", "accent", "second"):
        assert contrast(color[text], color["paper"]) >= 4.5, text
    for mark in ("faint", "less", "more"):
        assert contrast(color[mark], color["paper"]) >= 3, mark
    for stop in ("less", "little", "zero", "some", "more"):
        assert contrast(color["ink"], color[stop]) >= 4.5, stop


def test_both_themes_name_the_same_colours_and_each_light_one_is_unique():
    light, dark = THEME["light"]["colors"], THEME["dark"]["colors"]
    assert list(light) == list(dark)
    assert len(set(light.values())) == len(light)
