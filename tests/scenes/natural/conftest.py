"""Pictures to point rows at."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Paint = Callable[..., Path]


@pytest.fixture
def paint() -> Paint:
    """Write a picture whose left half is red and whose right half is blue."""

    def write(path: Path, width: int = 40, height: int = 20) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGB", (width, height), (255, 0, 0))
        picture.paste((0, 0, 255), (width // 2, 0, width, height))
        picture.save(path)
        return path

    return write
