"""Two accents and one diverging scale, in a light and a dark version of the same names.

Text keeps a contrast of 4.5 against paper and against every colour of the scale; marks keep 3.
Traces carry the light colours; a dark page swaps each for its namesake in `THEME["dark"]`.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["COLORS", "MARGIN", "RISING", "THEME"]

COLORS = {
    "paper": "#ffffff",
    "ink": "#1b1f24",
    "muted": "#59636e",
    "faint": "#848e98",
    "rule": "#dfe3e7",
    "accent": "#0b62b0",
    "second": "#a8480a",
    "less": "#d17d2d",
    "little": "#eec79f",
    "zero": "#f4f4f2",
    "some": "#a9caeb",
    "more": "#4e94da",
}
DARK = {
    "paper": "#14171a",
    "ink": "#e8eaed",
    "muted": "#a3adb7",
    "faint": "#75808b",
    "rule": "#2e343a",
    "accent": "#74b4f7",
    "second": "#f0a066",
    "less": "#a3510e",
    "little": "#653e1e",
    "zero": "#23282d",
    "some": "#21476e",
    "more": "#2068ac",
}
SCALE = ("less", "little", "zero", "some", "more")
RISING = [[k / 2, COLORS[name]] for k, name in enumerate(SCALE[2:])]
"""The upper half of the scale, for what cannot be negative; light colours, as in traces."""
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
MARGIN = {"l": 8, "r": 8, "t": 28, "b": 48}


def _layout(color: Mapping[str, str]) -> dict[str, Any]:
    axis = {
        "automargin": True,
        "ticklabelstandoff": 4,
        "gridcolor": color["rule"],
        "linecolor": color["faint"],
        "zerolinecolor": color["faint"],
        "zerolinewidth": 1,
        "tickfont": {"color": color["muted"]},
        "title": {"standoff": 10, "font": {"size": 12}},
    }
    hover = {
        "bgcolor": color["paper"],
        "bordercolor": color["faint"],
        "font": {"color": color["ink"], "family": FONT},
        "align": "left",
    }
    scale = {
        "colorscale": [[k / 4, color[name]] for k, name in enumerate(SCALE)],
        "colorbar": {
            "thickness": 10,
            "outlinewidth": 0,
            "title": {"side": "right", "font": {"size": 12}},
            "xpad": 12,
            "ypad": 0,
            "tickfont": {"color": color["muted"]},
        },
    }
    return {
        "font": {"family": FONT, "size": 12, "color": color["ink"]},
        "title": {"automargin": True, "yref": "container", "x": 0, "font": {"size": 15}},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": MARGIN,
        "showlegend": False,
        "hoverlabel": hover,
        "colorway": [color["accent"], color["second"], color["faint"]],
        "xaxis": axis,
        "yaxis": axis,
        "coloraxis": scale,
    }


THEME: dict[str, dict[str, Any]] = {
    "light": {"colors": COLORS, "layout": _layout(COLORS)},
    "dark": {"colors": DARK, "layout": _layout(DARK)},
}
