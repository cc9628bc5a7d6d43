"""A chart as plain JSON data and back, for a file, a page or a renderer in another language."""

import base64
import io
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from lrinterp.charts.chart import Chart
from lrinterp.charts.marks import Diagonal, Mark, Picture, Reference, Regions

__all__ = ["chart_of", "plain", "png"]

MARKS: Mapping[str, type[Mark]] = {m.name: m for m in (Reference, Regions, Diagonal)}
ENDS = ("ends", "x_range", "y_range")
START = "data:image/png;base64,"


def plain(chart: Chart) -> dict[str, Any]:
    """All fields of a chart as strict JSON data; numbers that JSON cannot hold become None."""
    found = {f.name: _plain(getattr(chart, f.name)) for f in fields(chart)}
    return found | {"marks": [_mark(mark) for mark in chart.marks]}


def _mark(mark: Mark) -> dict[str, Any]:
    return {"mark": mark.name} | {f.name: _plain(getattr(mark, f.name)) for f in fields(mark)}


def _plain(value: Any) -> Any:
    if isinstance(value, pd.DataFrame):
        return [_column(str(name), values) for name, values in value.items()]
    if isinstance(value, Picture):
        outlines = {name: mask.tolist() for name, mask in value.outlines.items()}
        return {"pixels": png(value.pixels), "outlines": outlines}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return list(value)
    return value.item() if isinstance(value, np.generic) else value


def _column(name: str, values: pd.Series) -> dict[str, Any]:
    known = values.astype(object).where(values.notna(), None).tolist()
    finite = [None if isinstance(v, float) and not np.isfinite(v) else v for v in known]
    return {"name": name, "dtype": str(values.dtype), "values": finite}


def png(pixels: UInt8[np.ndarray, "height width 3"]) -> str:
    """A picture as a data URI; nothing is lost."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return START + base64.b64encode(file.getvalue()).decode()


def chart_of(data: Mapping[str, Any]) -> Chart:
    """The chart that `plain` wrote; ValueError for what no chart can be, see `Chart`."""
    given = {name: tuple(data[name]) for name in ENDS if data.get(name) is not None}
    pictures = {name: _picture(one) for name, one in data.get("pictures", {}).items()}
    marks = tuple(_mark_of(mark) for mark in data.get("marks", ()))
    made = {"frame": _frame(data["frame"]), "pictures": pictures, "marks": marks}
    return Chart(**{**data, **given, **made})


def _mark_of(data: Mapping[str, Any]) -> Mark:
    """One mark by its name."""
    made = {name: value for name, value in data.items() if name != "mark"}
    if data["mark"] not in MARKS:
        raise ValueError(f"chart.marks: expected {', '.join(MARKS)}, got {data['mark']!r}")
    if "frame" in made:
        made["frame"] = _frame(made["frame"])
    if isinstance(at := made.get("at"), list):
        made["at"] = tuple(at)
    return MARKS[data["mark"]](**made)


def _frame(columns: list[dict[str, Any]]) -> pd.DataFrame:
    series = {c["name"]: pd.Series(c["values"], dtype=object) for c in columns}
    return pd.DataFrame(series).astype({c["name"]: c["dtype"] for c in columns})


def _picture(data: Mapping[str, Any]) -> Picture:
    from PIL import Image

    file = io.BytesIO(base64.b64decode(data["pixels"].removeprefix(START)))
    outlines = {name: np.array(mask, dtype=bool) for name, mask in data["outlines"].items()}
    return Picture(pixels=np.asarray(Image.open(file)), outlines=outlines)
