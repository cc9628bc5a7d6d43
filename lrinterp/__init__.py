"""lrinterp: do CLIP-style models know left from right, and by which mechanism?

Names load when they are first used: `import lrinterp as lr` costs nothing, `lr.record` does.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"
