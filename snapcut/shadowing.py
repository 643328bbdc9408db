"""Files and folders of the user's that stand where snapcut looks for its own packages."""

import importlib.util
import os
import sys
from pathlib import Path

from snapcut.startup import IS_COMMAND

PACKAGES = ("theory", "sims", "figures", "paper_checks")  # their names were fixed before the first line
_ROOT = Path(__file__).parents[1]


def refuse_shadows() -> None:
    """Make sure that the packages below are snapcut's own, before an import fails for an odd reason.

    A plain folder of such a name (pictures in `figures/`, say) does no harm; a module or a package does.

    Raises
    ------
    ImportError
        One sentence that names the file; as a command, that sentence on standard error and exit code 2.
    """
    for name in PACKAGES:
        own = _ROOT / name / "__init__.py"
        try:
            spec = importlib.util.find_spec(name)
        except ValueError:  # loaded, and nothing is known of where it came from
            continue
        if spec is None or (
            spec.origin and os.path.exists(spec.origin) and os.path.samefile(spec.origin, own)
        ):
            continue
        if spec.origin is None and name not in sys.modules:
            _load(name, own)
            continue
        place = spec.origin or next(iter(spec.submodule_search_locations or ()), name)
        _refuse(f"{place} stands in the way of snapcut's own package {name!r}: rename it, or run elsewhere")


def _load(name: str, own: Path) -> None:
    """Import a package from its file, whatever folder of its name comes first on the path."""
    spec = importlib.util.spec_from_file_location(name, own)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def _refuse(message: str) -> None:
    if IS_COMMAND:
        print(f"snapcut: {message}" if message.isprintable() else f"snapcut: {message!a}", file=sys.stderr)
        raise SystemExit(2)
    raise ImportError(message)
