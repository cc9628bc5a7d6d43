"""Lines, bars and scatter, drawn; what each shows stands at its builder."""

from collections.abc import Hashable
from typing import Any

import pandas as pd

from lrinterp.charts.chart import Bars, Lines, Scatter
from lrinterp.charts.columns import (
    column,
    digits,
    groups,
    has_interval,
    number,
    order,
    padded,
    text,
    value_range,
    wrapped,
)
from lrinterp.charts.draw.marks import END
from lrinterp.charts.draw.panels import HOVER, Panels
from lrinterp.charts.theme import COLORS

__all__ = ["bars", "lines", "scatter"]

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
MARKED = 12  # points of a line up to which they carry a marker, and ticks up to which all are shown
NAMED = 24  # points of a panel up to which they carry their label


def _values(chart: Bars | Lines | Scatter, *, include: tuple[float, ...] = ()) -> list[float]:
    """The ends of the axis of values: as given or as the table needs, wide enough for all marks."""
    name, given = (getattr(chart, chart.axis + end) for end in ("", "_range"))
    low, high = given or value_range(chart.frame, name, include=include)
    for mark in filter(None, (*chart.references, getattr(chart, "regions", None))):
        if mark.ends and not low <= min(mark.ends) <= max(mark.ends) <= high:
            low, high = padded(min(low, *mark.ends), max(high, *mark.ends))
    return [low, high]


def lines(chart: Lines) -> Panels:
    """Lines with their bands, named at their right ends."""
    frame, x, y, by = chart.frame, chart.x, chart.y, chart.by
    names: list[Any] = order(frame, by) if by else [None]
    ends = 10 + 7 * max(len(str(name)) for name in names) if by else 8
    gap = 44 + ends
    figure = Panels(frame, chart.facet, panel=(230, 250), gap=gap, most=900)
    styles = {name: _style(k, name, len(names), chart.highlight) for k, name in enumerate(names)}
    figure.axes("y", range=_values(chart), zeroline=False)
    figure.axes("x", showgrid=False, zeroline=False, **_steps(column(frame, x)))
    for own, part in figure.parts.items():
        for name, group in groups(part, by):
            rows, style = group.dropna(subset=[y]), styles[name]
            if has_interval(rows):
                _add_band(figure, own, rows, x, style["color"])
            mode = "lines+markers" if len(rows) <= MARKED else "lines"
            drawn = {"mode": mode, "line": style, **_hover(rows)}
            figure.add("scatter", own, x=_along(rows, x), y=rows[y].to_numpy(float), **drawn)
            if by and len(rows):
                _add_name(figure, own, float(rows[y].iloc[-1]), text(name), style["color"])
    figure.title(x, y)
    figure.layout["margin"]["r"] = ends
    return figure


def _style(place: int, name: Hashable, count: int, highlight: Hashable) -> dict[str, Any]:
    if highlight is None and count <= 2:
        color = ("accent", "second")[place]
    else:
        color = "accent" if name == highlight else "faint"
    dash = "solid" if color == "accent" else DASHES[place % len(DASHES)]
    return {"color": COLORS[color], "dash": dash, "width": 1.5 if color == "faint" else 2.2}


def _steps(values: pd.Series) -> dict[str, Any]:
    """An axis that ends just behind the last point, where the names of the lines stand."""
    if not pd.api.types.is_numeric_dtype(values):
        names = [text(value) for value in values.dropna().unique().tolist()]
        return {"type": "category", "categoryarray": names, "range": [-0.3, len(names) - 0.9]}
    room = 0.02 * (values.max() - values.min()) or 1
    few = pd.api.types.is_integer_dtype(values) and values.nunique() <= MARKED
    span = {"range": [float(values.min() - room), float(values.max() + room)]}
    return {**span, "tickvals": values.dropna().unique().tolist()} if few else span


def _along(rows: pd.DataFrame, x: str) -> Any:
    values = column(rows, x)
    numeric = pd.api.types.is_numeric_dtype(values)
    return values.to_numpy() if numeric else [text(value) for value in values]


def _hover(rows: pd.DataFrame) -> dict[str, Any]:
    return {"hovertext": rows[HOVER].tolist(), "hoverinfo": "text"}


def _add_band(figure: Panels, own: str, rows: pd.DataFrame, x: str, color: str) -> None:
    known = rows.dropna(subset=["low", "high"])
    loop = pd.concat([known.assign(edge=known["low"]), known.assign(edge=known["high"]).iloc[::-1]])
    opacity = 0.1 if color == COLORS["faint"] else 0.2
    looks = {"mode": "lines", "line": {"width": 0}, "fill": "toself", "fillcolor": color}
    places = {"x": _along(loop, x), "y": loop["edge"].to_numpy(float)}
    figure.add("scatter", own, opacity=opacity, hoverinfo="skip", **looks, **places)


def _add_name(figure: Panels, own: str, y: float, name: str, color: str) -> None:
    """The name of a line at its right end."""
    color = COLORS["muted"] if color == COLORS["faint"] else color
    looks = {"xanchor": "left", "xshift": 6, "showarrow": False, "font": {"color": color}}
    figure.lay("annotations", own, "x", name=END, text=name, x=1, y=y, **looks)


def bars(chart: Bars) -> Panels:
    """Bars or dots with whiskers, and the values at the right."""
    frame, x, y, is_bar = chart.frame, chart.x, chart.y, chart.mark == "bar"
    labels = order(frame, y)
    panel, decimals = (190, 32 * len(labels)), digits(frame, x)
    figure = Panels(frame, chart.facet, panel=panel, gap=72, most=560)
    for own, part in figure.parts.items():
        colors = _accents(column(part, y), chart.highlight, "more" if is_bar else "accent")
        dot = {"mode": "markers", "marker": {"color": colors, "size": 9}}
        figure.add(
            "bar" if is_bar else "scatter",
            own,
            x=part[x].to_numpy(float),
            y=[text(label) for label in part[y]],
            error_x=_whiskers(part, x),
            orientation="h",
            **({"marker": {"color": colors}, "width": 0.56} if is_bar else dot),
            **_hover(part),
        )
        for label, value in zip(part[y], part[x], strict=True):
            place = {"x": 1, "y": labels.index(label), "xanchor": "left", "xshift": 8}
            said = number(value, decimals)
            figure.lay("annotations", own, "x", text=said, showarrow=False, **place)
    longest = max((len(number(value, decimals)) for value in frame[x]), default=0)
    figure.layout["margin"]["r"] = max(56, 16 + 8 * longest)
    figure.axes("x", range=_values(chart, include=(0.0,) if is_bar else ()))
    figure.axes("y", type="category", range=[len(labels) - 0.5, -0.5], showgrid=False)
    names = [text(label) for label in labels]
    figure.axes("y", categoryarray=names, tickvals=names, ticktext=[*map(wrapped, labels)])
    figure.title(x, None)
    return figure


def _accents(names: pd.Series, highlight: Hashable, accent: str) -> list[str]:
    """The accent, or on bars a lighter one that leaves the whiskers visible, and grey."""
    chosen = [highlight is None or name == highlight for name in names]
    return [COLORS[accent if one else "faint"] for one in chosen]


def _whiskers(frame: pd.DataFrame, column: str) -> dict[str, Any] | None:
    if not has_interval(frame):
        return None
    value, low, high = (frame[name].to_numpy(float) for name in (column, "low", "high"))
    ends = {"type": "data", "symmetric": False, "array": high - value, "arrayminus": value - low}
    return {**ends, "color": COLORS["ink"], "thickness": 1.2, "width": 3}


def scatter(chart: Scatter) -> Panels:
    """Points, few of them with their labels."""
    frame, x, y, label = chart.frame, chart.x, chart.y, chart.label
    figure = Panels(frame, chart.facet, panel=(270, 320), gap=40, most=720)
    size = {"size": 6, "opacity": 0.6} if chart.small else {"size": 8}
    for own, part in figure.parts.items():
        names = column(part, label) if label else pd.Series([chart.highlight] * len(part))
        figure.add(
            "scatter",
            own,
            x=_along(part, x),
            y=part[y].to_numpy(float),
            mode="markers+text" if label and len(part) <= NAMED else "markers",
            text=[text(name) for name in names] if label else None,
            textposition="top center",
            textfont={"color": COLORS["muted"], "size": 11},
            marker={"color": _accents(names, chart.highlight, "accent"), **size},
            error_y=_whiskers(part, y),
            cliponaxis=False,
            **_hover(part),
        )
    figure.axes("y", range=_values(chart), zeroline=False)
    figure.axes("x", zeroline=False, **({"range": chart.x_range} if chart.x_range else {}))
    figure.title(x, y)
    return figure
