"""The notebook that walks through the shipped checkpoint runs from top to bottom."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of jupyter_client's own event loop
def test_the_tour_runs_and_shows_its_figures():
    notebook = nbformat.read(ROOT / "analyses/tour/left_right.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}})
    client.execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = [set(o.get("data", {})) for cell in cells for o in cell.outputs]
    assert sum("application/vnd.plotly.v1+json" in kinds for kinds in shown) == 4
    assert sum("text/html" in kinds for kinds in shown) >= 3
    assert all(o.output_type != "error" for cell in cells for o in cell.outputs)
