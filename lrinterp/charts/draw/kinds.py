"""Heatmap, lines, bars and scatter, drawn; what each shows stands at its builder."""

from collections.abc import Hashable
from typing import Any

import pandas as pd

from lrinterp.charts.chart import Chart
from lrinterp.charts.draw.canvas import END, HOVER, canvas, spread, titled
from lrinterp.charts.draw.drawing import Drawing
from lrinterp.charts.table import column, groups, largest, order, value_range
from lrinterp.charts.theme import COLORS, RISING
from lrinterp.charts.words import digits, number, printed, shown, text, wrapped

__all__ = ["bars", "heatmap", "lines", "scatter"]

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
PRINTED = 12  # columns of a map up to which its cells print their value
NAMED = 24  # points of a panel up to which they carry their label


def heatmap(chart: Chart) -> Drawing:
    """A map a panel, all in the same colours."""
    frame, x, y, z, ends = chart.frame, chart.x, chart.y, str(chart.z), chart.ends
    across, down = order(frame, x), order(frame, y)
    small = len(across) <= PRINTED
    top = ends[1] if ends else largest(column(frame, z))
    least = ends[0] if ends else -top
    decimals = digits(pd.DataFrame({z: [top]}), z)
    cell = 12 + 6 * len(number(least, decimals)) if small else 12
    panel = (len(across) * cell, len(down) * (26 if len(down) <= 40 else 14))
    figure, panels = canvas(
        frame, chart.facet, panel=panel, gap=28, most=len(across) * (72 if small else 44)
    )
    for place, part in panels:
        cells = _cells(part, x=x, y=y, z=z).reindex(index=down, columns=across)
        said = _cells(part, x=x, y=y, z=HOVER).reindex_like(cells)
        figure.add(
            "heatmap",
            z=cells.to_numpy(float),
            x=[text(value) for value in across],
            y=[text(value) for value in down],
            hovertext=said.astype(object).fillna("").to_numpy(),
            hoverinfo="text",
            hoverongaps=False,
            coloraxis="coloraxis",
            xgap=1,
            ygap=1,
            **_cell_texts(cells, decimals) if small else {},
            **place,
        )
    figure.update_axes("x", type="category", showgrid=False, ticks="")
    figure.update_axes("y", type="category", showgrid=False, ticks="", autorange="reversed")
    scale = {"cmin": least, "cmax": top, "colorbar": {"title": {"text": shown(z)}}}
    scale |= {} if least < 0 else {"colorscale": RISING}
    return titled(figure.update_layout(coloraxis=scale), x, y)


def _cells(part: pd.DataFrame, *, x: str, y: str, z: str) -> pd.DataFrame:
    return part.pivot(index=y, columns=x, values=z)


def _cell_texts(cells: pd.DataFrame, decimals: int) -> dict[str, Any]:
    texts = printed(cells.to_numpy(float), decimals)
    font = {"color": COLORS["ink"], "size": 11}
    return {"text": texts, "texttemplate": "%{text}", "textfont": font}


def lines(chart: Chart) -> Drawing:
    """Lines with their bands, named at their right ends."""
    frame, x, y, by = chart.frame, chart.x, chart.y, chart.by
    names: list[Any] = order(frame, by) if by else [None]
    ends = 10 + 7 * max(len(str(name)) for name in names) if by else 8
    figure, panels = canvas(
        frame, chart.facet, panel=(230, 250), gap=44 + ends, most=900, value="y"
    )
    styles = {name: _style(k, name, len(names), chart.highlight) for k, name in enumerate(names)}
    figure.update_axes("y", range=value_range(frame, y), zeroline=False)
    figure.update_axes("x", showgrid=False, zeroline=False, **_steps(column(frame, x)))
    for place, part in panels:
        for name, group in groups(part, by):
            rows, style = group.dropna(subset=[y]), styles[name]
            _band(figure, rows, x, style["color"], place)
            _line(figure, rows, (x, y), style, place)
            if by and len(rows):
                _end(figure, rows[y].iloc[-1], text(name), style["color"], place)
    return spread(titled(figure.update_layout(margin={"r": ends}), x, y))


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
    few = pd.api.types.is_integer_dtype(values) and values.nunique() <= PRINTED
    span = {"range": [float(values.min() - room), float(values.max() + room)]}
    return {**span, "tickvals": values.dropna().unique().tolist()} if few else span


def _along(rows: pd.DataFrame, x: str) -> Any:
    values = column(rows, x)
    numeric = pd.api.types.is_numeric_dtype(values)
    return values.to_numpy() if numeric else [text(value) for value in values]


def _line(
    figure: Drawing,
    rows: pd.DataFrame,
    axes: tuple[str, str],
    style: dict[str, Any],
    place: dict[str, int],
) -> None:
    x, y = axes
    figure.add(
        "scatter",
        x=_along(rows, x),
        y=rows[y].to_numpy(float),
        mode="lines+markers" if len(rows) <= PRINTED else "lines",
        line=style,
        hovertext=rows[HOVER].tolist(),
        hoverinfo="text",
        **place,
    )


def _band(figure: Drawing, rows: pd.DataFrame, x: str, color: str, place: dict[str, int]) -> None:
    if not {"low", "high"} <= set(rows):
        return
    known = rows.dropna(subset=["low", "high"])
    loop = pd.concat([known.assign(edge=known["low"]), known.assign(edge=known["high"]).iloc[::-1]])
    figure.add(
        "scatter",
        x=_along(loop, x),
        y=loop["edge"].to_numpy(float),
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=color,
        opacity=0.1 if color == COLORS["faint"] else 0.2,
        hoverinfo="skip",
        **place,
    )


def _end(figure: Drawing, y: float, name: str, color: str, place: dict[str, int]) -> None:
    color = COLORS["muted"] if color == COLORS["faint"] else color
    anchor = {"xanchor": "left", "xshift": 6, "showarrow": False, "font": {"color": color}}
    corner = {"xref": "x domain", "x": 1, "y": float(y)}
    figure.lay("annotations", name=END, text=name, **corner, **anchor, **place)


def bars(chart: Chart) -> Drawing:
    """Bars or dots with whiskers, and the values at the right."""
    frame, x, y, mark = chart.frame, chart.x, chart.y, chart.mark
    labels = order(frame, y)
    panel = (190, 32 * len(labels))
    figure, panels = canvas(frame, chart.facet, panel=panel, gap=72, most=560, value="x")
    decimals = digits(frame, x)
    for place, part in panels:
        colors = _accents(column(part, y), chart.highlight, "more" if mark == "bar" else "accent")
        trace: dict[str, Any] = {
            "x": part[x].to_numpy(float),
            "y": [text(label) for label in part[y]],
            "hovertext": part[HOVER].tolist(),
            "hoverinfo": "text",
            "error_x": _whiskers(part, x),
            "orientation": "h",
        }
        if mark == "bar":
            figure.add("bar", marker={"color": colors}, width=0.56, **trace, **place)
        else:
            figure.add(
                "scatter", mode="markers", marker={"color": colors, "size": 9}, **trace, **place
            )
        for label, value in zip(part[y], part[x], strict=True):
            _at_right(figure, labels.index(label), number(value, decimals), place)
    longest = max((len(number(value, decimals)) for value in frame[x]), default=0)
    figure.update_layout(margin={"r": max(56, 16 + 8 * longest)})
    figure.update_axes("x", range=value_range(frame, x, include=(0.0,) if mark == "bar" else ()))
    figure.update_axes("y", type="category", range=[len(labels) - 0.5, -0.5], showgrid=False)
    names = [text(label) for label in labels]
    figure.update_axes("y", categoryarray=names, tickvals=names, ticktext=[*map(wrapped, labels)])
    return titled(figure, x, None)


def _at_right(figure: Drawing, row: int, value: str, place: dict[str, int]) -> None:
    corner = {"xref": "x domain", "x": 1, "y": row, "xanchor": "left", "xshift": 8}
    figure.lay("annotations", text=value, showarrow=False, **corner, **place)


def _accents(names: pd.Series, highlight: Hashable, accent: str) -> list[str]:
    """The accent, or on bars a lighter one that leaves the whiskers visible, and grey."""
    chosen = [highlight is None or name == highlight for name in names]
    return [COLORS[accent if one else "faint"] for one in chosen]


def _whiskers(frame: pd.DataFrame, column: str) -> dict[str, Any] | None:
    if not {"low", "high"} <= set(frame):
        return None
    value, low, high = (frame[name].to_numpy(float) for name in (column, "low", "high"))
    ends = {"type": "data", "symmetric": False, "array": high - value, "arrayminus": value - low}
    return {**ends, "color": COLORS["ink"], "thickness": 1.2, "width": 3}


def scatter(chart: Chart) -> Drawing:
    """Points, few of them with their labels."""
    frame, x, y, label = chart.frame, chart.x, chart.y, chart.label
    figure, panels = canvas(frame, chart.facet, panel=(270, 320), gap=40, most=720, value="y")
    for place, part in panels:
        names = column(part, label) if label else pd.Series([chart.highlight] * len(part))
        figure.add(
            "scatter",
            x=_along(part, x),
            y=part[y].to_numpy(float),
            mode="markers+text" if label and len(part) <= NAMED else "markers",
            text=[text(name) for name in names] if label else None,
            textposition="top center",
            textfont={"color": COLORS["muted"], "size": 11},
            marker={"color": _accents(names, chart.highlight, "accent"), "size": 8},
            error_y=_whiskers(part, y),
            hovertext=part[HOVER].tolist(),
            hoverinfo="text",
            cliponaxis=False,
            **place,
        )
    figure.update_axes("y", range=value_range(frame, y), zeroline=False)
    figure.update_axes("x", zeroline=False)
    return titled(figure, x, y)
