"""One self-contained page from results and their provenance.

A pure function of its input: equal results give equal bytes. The page makes no request; a content
security policy admits only its own scripts, by hash. Whatever comes from results is escaped:
HTML by the template, data by `embedded`. For a single figure in a notebook use the figure itself.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lrinterp.charts import THEME, Attention, Chart, Figure, lines
from lrinterp.charts.draw import drawn
from lrinterp.result import Metric, Provenance, Result, document, finite_or_none
from lrinterp.store import write_atomically

__all__ = ["page", "write_report"]

HOOD = "under-the-hood"
SCRIPTS = {
    Chart: ("plotly", "package_data/plotly.min.js"),
    Attention: ("circuitsvis", "dist/cdn/iife.js"),
}
"""Package and file that draw a kind of plot; neither package is imported."""


def write_report(results: Mapping[str, Result], provenance: Provenance, path: str | Path) -> Path:
    """Write the page to a file, whole or not at all, and return its path."""
    write_atomically(Path(path), page(results, provenance).encode())
    return Path(path)


def page(results: Mapping[str, Result], provenance: Provenance) -> str:
    """The page as text: a section a result in the order given, then what lies under the hood.

    Cost: 4.8 MB for plotly and 1.3 MB for CircuitsVis, each once and only where a figure needs it.
    """
    figures = {name: result.figures() for name, result in results.items()}
    curves = _curves(provenance.curves)
    plots = [figure.plot for some in (*figures.values(), curves) for figure in some]
    scripts = _scripts(plots)
    return (
        _environment()
        .get_template("template.html")
        .render(
            provenance=provenance,
            results=results,
            figures=figures,
            curves=curves,
            hero=next((name for name, result in results.items() if result.tiles()), None),
            hood=HOOD,
            theme=THEME,
            style=Markup(_text("lrinterp.report", "style.css")),
            scripts=[Markup(script) for script in scripts],
            policy=_policy(scripts),
            blocks=dict(_blocks(results, figures, curves, provenance)),
        )
    )


def _environment() -> Environment:
    loader = PackageLoader("lrinterp.report", package_path="")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"words": _words, "sample": _sample, "setting": _setting}
    return environment


def _words(name: str) -> str:
    """A name as it is shown: `term_ablation` becomes `Term ablation`."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def _sample(scalar: Metric) -> str:
    """What a scalar is a mean of, such as `n = 1,200 · 60 units`."""
    n = [f"n = {scalar.n:,}"] if scalar.n is not None else []
    units = [f"{scalar.n_units:,} units"] if scalar.n_units is not None else []
    return " · ".join(n + units)


def _setting(value: Any) -> str:
    """A field of a configuration in one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


# Scripts and policy


def _scripts(plots: Sequence[Chart | Attention]) -> list[str]:
    """What the plots need, then the page's own."""
    needed = [place for kind, place in SCRIPTS.items() if any(isinstance(p, kind) for p in plots)]
    return [_inline(_text(*place)) for place in (*needed, ("lrinterp.report", "page.js"))]


def _inline(script: str) -> str:
    """A script that ends where it should, and whose text an HTML parser leaves as it is."""
    return script.replace("\r\n", "\n").replace("</script", "<\\/script")


def _text(package: str, name: str) -> str:
    """A file of a package, which is found but not imported."""
    spec = find_spec(package)
    assert spec is not None
    return (Path(str(spec.origin)).parent / name).read_text("utf-8")


def _policy(scripts: Sequence[str]) -> str:
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {hashes}",
            "style-src 'unsafe-inline'",  # plotly and CircuitsVis write style elements
            "img-src data: blob:",  # plotly's camera saves a picture by way of these
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


# Data


def _blocks(
    results: Mapping[str, Result],
    figures: Mapping[str, Sequence[Figure]],
    curves: Sequence[Figure],
    provenance: Provenance,
) -> Iterator[tuple[str, Markup]]:
    """The data of the page by element id: one block a section, parsed when it is needed.

    The document lacks its main tables, which the page puts back on download.
    """
    readable = json.dumps(provenance.plain(), indent=1, allow_nan=False, ensure_ascii=False)
    whole = document(results, provenance, main_tables=False)
    about = {"theme": THEME, "configuration": f"{readable}\n", "document": whole}
    yield "page-data", _embedded(about)
    for name, result in results.items():
        table = None if result.reason else _columns(result.frame())
        yield f"{name}--data", _embedded({"figures": _plain(figures[name]), "table": table})
    yield f"{HOOD}--data", _embedded({"figures": _plain(curves), "table": None})


def _plain(figures: Sequence[Figure]) -> dict[str, Any]:
    plots = {f.key: drawn(f.plot) if isinstance(f.plot, Chart) else vars(f.plot) for f in figures}
    return {f.key: {**plots[f.key], "table": _columns(f.table)} for f in figures}


def _columns(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A table by column: floats as bytes, little-endian and exact, other values as they are."""
    return [{"name": str(name), **_column(values)} for name, values in frame.items()]


def _column(values: pd.Series) -> dict[str, Any]:
    if pd.api.types.is_float_dtype(values):
        floats = values.to_numpy("<f8", na_value=np.nan)
        return {"f8": base64.b64encode(floats.tobytes()).decode()}
    return {"values": [finite_or_none(value) for value in values.tolist()]}


def _embedded(data: Any) -> Markup:
    """Strict JSON that cannot close the script element it stands in; null for what is no number."""
    text = msgspec.json.encode(data, enc_hook=_listed).decode()
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028"))


def _listed(value: Any) -> Any:
    """Arrays as lists, and numbers of numpy as those of Python."""
    return None if value is pd.NA else value.tolist()


def _curves(history: pd.DataFrame | None) -> tuple[Figure, ...]:
    """A small panel for every column of the training history, over its step."""
    if history is None or history.empty:
        return ()
    step = "step" if "step" in history else str(history.columns[0])
    names = [str(name) for name in history.select_dtypes("number").columns if name != step]
    return tuple(_curve(history.filter([step, name]), step, name) for name in names)


def _curve(history: pd.DataFrame, step: str, name: str) -> Figure:
    plot = lines(history, x=step, y=name, height=240)
    reading = f"Across: {_words(step).lower()} of training; up: {_words(name).lower()}."
    return Figure(key=name, title=_words(name), how_to_read=reading, plot=plot, table=history)
