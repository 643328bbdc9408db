"""Snap or cut? Theory verification and simulation for neural-network quantization and pruning."""


def main(arguments: list[str] | None = None) -> None:
    """Run the `snapcut` command with these words, by default those typed; it ends in SystemExit."""
    from snapcut.__main__ import main as run

    run(arguments)
