"""Snap or cut? Theory verification and simulation for neural-network quantization and pruning.

The library and the command are one: `snapcut.weights(...)` returns what `snapcut weights` prints.

Examples
--------
>>> import snapcut
>>> print(snapcut.simulate("partition", n=8, max_value=20, trials=1000).rows[0]["source"])
1000 trials
"""

from typing import TYPE_CHECKING, Any

from snapcut.shadowing import refuse_shadows

refuse_shadows()

from snapcut.face import check, figure, layer, simulate, weights  # noqa: E402
from snapcut.results import Figure, Table  # noqa: E402

if TYPE_CHECKING:
    from paper_checks import strategies
    from paper_checks.falsify import falsify

    __version__: str

__all__ = [
    "Figure",
    "Table",
    "__version__",
    "check",
    "falsify",
    "figure",
    "layer",
    "main",
    "simulate",
    "strategies",
    "weights",
]


def main(arguments: list[str] | None = None) -> None:
    """Run the `snapcut` command with these words, by default those typed; it ends in SystemExit."""
    from snapcut.__main__ import main as run

    run(arguments)


def __getattr__(name: str) -> Any:
    if name == "falsify":  # these two bring NumPy along
        from paper_checks.falsify import falsify

        return falsify
    if name == "strategies":
        from paper_checks import strategies

        return strategies
    if name == "__version__":  # asks the installation, which takes longer than all of this module
        from importlib.metadata import version

        return version("snapcut")
    raise AttributeError(f"module 'snapcut' has no attribute {name!r}")
