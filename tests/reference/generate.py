"""Write tests/reference/*.json, the right value of every public formula of theory/.

By mpmath's integrals at 40 digits, exact rationals and exhaustive enumeration; nothing of theory/ is
imported. ``python tests/reference/generate.py`` takes half a minute; a module's name writes its rows alone.
"""

import importlib
import sys
from pathlib import Path

from rows import write

if __name__ == "__main__":
    here = Path(__file__).parent
    for room in sys.argv[1:] or ("layers", "paths", "subset_sums", "sums", "weights"):
        write(importlib.import_module(room).tables(), here / f"{room}.json")
