"""Optional packages: how to get them."""

import shlex
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def to_install(extra: str) -> str:
    """The command that adds an extra to this environment: from the checkout that runs, or else by name.

    Examples
    --------
    >>> to_install("onnx").startswith("install it with ") and "[onnx]" in to_install("onnx")
    True
    """
    source = str(_ROOT) if (_ROOT / "pyproject.toml").is_file() else "snapcut"
    options = ["--editable"] if source != "snapcut" else []
    command = [sys.executable, "-m", "pip", "install", *options, f"{source}[{extra}]"]
    return f"install it with {shlex.join(command)}"
