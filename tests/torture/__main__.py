"""The torture: ten minutes of hostile files, ended processes, full disks, damaged caches and many readers.

    python -m tests.torture                    # ten minutes; make torture
    python -m tests.torture --minutes 1        # a minute, as before a commit
    python -m tests.torture --seed 7 readers   # one part, with other draws

Prints what was done and found; ends with 1, and the broken promises, where one is.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.torture import caches, disks, explorer, readers, sweeps
from tests.torture.parts import Part

PARTS = {  # each with its share of the time
    "readers": (readers.run, 0.3),
    "sweeps": (sweeps.run, 0.2),
    "disks": (disks.run, 0.15),
    "caches": (caches.run, 0.1),
    "explorer": (explorer.run, 0.25),
}


def main() -> int:
    """Run the parts one after another."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="all parts unless some are named")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    names = chosen.part or list(PARTS)
    shares = sum(PARTS[name][1] for name in names)
    folder = Path(tempfile.mkdtemp(prefix="snapcut-torture-"))
    broken: list[str] = []
    for name in names:
        function, share = PARTS[name]
        part = Part(name, chosen.seed, 60 * chosen.minutes * share / shares, folder / name)
        start = time.monotonic()
        function(part)
        print(f"{name} ({time.monotonic() - start:.0f} s, seed {chosen.seed})")
        for what, found in part.figures.items():
            print(f"    {what}: {found if isinstance(found, str) else f'{found:,.5g}'}")
        for sentence in part.broken[:20]:
            print(f"    BROKEN {sentence}")
        sys.stdout.flush()
        broken += part.broken
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(broken)} promises broken" if broken else "every promise held")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
