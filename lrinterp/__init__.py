"""lrinterp: do CLIP-style models know left from right, and by which mechanism?

Names load when they are first used: `import lrinterp as lr` costs nothing, `lr.record` does.
"""

import gc
from typing import Any

import lazy_loader

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """A name, loaded now; nothing of an import is garbage, and looking for it takes a fifth."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _load(name)
    finally:
        if collecting:
            gc.enable()
