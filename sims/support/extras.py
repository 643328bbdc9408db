"""Optional packages: how to get them."""

import shlex
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def to_install(extra: str) -> str:
    """The command that adds an extra to this environment: it takes a checkout, and names the one that runs.

    Examples
    --------
    >>> to_install("onnx").startswith("install it with ") and "[onnx]" in to_install("onnx")
    True
    """
    here = (_ROOT / "pyproject.toml").is_file()
    source = str(_ROOT) if here else "."
    command = [sys.executable, "-m", "pip", "install", "--editable", f"{source}[{extra}]"]
    return f"install it with {shlex.join(command)}{'' if here else ' in a clone of snapcut'}"
