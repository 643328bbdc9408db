"""The first use after installation beside the second: what compiling costs, and what a report spends.

    python benchmarks/first_use.py [--write]

Every command runs twice with a cache of its own that is empty at first; both runs must give the same results
before their times are compared. CPU time of all processes, which other programs on the machine change little.
The report's tasks then run one after another in one process, on an empty cache: their sum, over the number of
cores, is the least time a cold report can take. `--write` commits both tables: first_use.json, docs/speed.md.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from compare import FIRST_USE, PAGE, here, page

COMMANDS = {
    "simulate partition": ("simulate", "partition", "--n", "24", "--max-value", "65536"),
    "simulate path-following": ("simulate", "path-following"),
    "layer (digits)": ("layer", "--weights", "digits:layer2", "--data", "digits", "--bits", "3"),
    "weights digits": ("weights", "digits"),
    "check kn.threshold": ("check", "kn.threshold"),
    "report": ("report", "--budget", "quick"),
}


def run(arguments, cache, folder):
    """Results and CPU seconds of one command."""
    target = folder / "results.json"
    out = ("--out", str(folder / "report")) if arguments[0] == "report" else ()
    command = [sys.executable, "-m", "snapcut", *arguments, *out, "--json", str(target)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env={**os.environ, "SNAPCUT_CACHE": str(cache)}, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr.decode()}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return untimed(json.loads(target.read_text(encoding="utf-8"))), cpu


def untimed(content):
    """Results without the seconds that they took."""
    if isinstance(content, dict):
        return {key: untimed(value) for key, value in content.items() if "seconds" not in key}
    return [untimed(one) for one in content] if isinstance(content, list) else content


def commands():
    """Prints a line per command; returns their CPU seconds."""
    rows = []
    for name, arguments in COMMANDS.items():
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder) / "cache"
            (first, cpu), (second, then) = (run(arguments, cache, Path(folder)) for _ in range(2))
        if first != second:
            raise SystemExit(f"{name}: the second run differs from the first")
        print(f"{name:<26} first {cpu:6.1f} s of CPU, second {then:6.1f} s: x {cpu / then:.2f}")
        rows.append({"work": name, "first": round(cpu, 2), "second": round(then, 2)})
    return rows


PARTS = """
import json, os, sys, time
from numba.core import event
from figures import build
from paper_checks import registry
from paper_checks.report import weight_sheets

class Compiling(event.Listener):
    depth, begun, seconds = 0, 0.0, 0.0
    def on_start(self, event):
        self.depth += 1
        if self.depth == 1:
            self.begun = time.process_time()
    def on_end(self, event):
        self.depth -= 1
        if self.depth == 0:
            self.seconds += time.process_time() - self.begun

compiling, spent = Compiling(), {"imports": time.process_time()}
event.register("numba:compile", compiling)

def timed(kind, work, *arguments):
    begun, compiled = time.process_time(), compiling.seconds
    result = work(*arguments)
    seconds = time.process_time() - begun - (compiling.seconds - compiled)
    spent[kind] = spent.get(kind, 0.0) + seconds
    return result

for claim in registry.claims():
    timed("claims, false versions, sharpness", registry.fields, claim.id, "quick", True, True, 0)
for name in build.names():
    table = timed("data of figures", build.module(name).data)
    drawing = timed("drawing", build.drawn, name, table)
    timed("drawing", build._pictures, drawing)
timed("weights of the report", weight_sheets)
json.dump(spent | {"compiling": compiling.seconds}, open(sys.argv[1], "w"))
"""


def parts():
    """Prints and returns the CPU seconds of a report on an empty cache, by kind, in one process."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "parts.json"
        environment = {**os.environ, "SNAPCUT_CACHE": f"{folder}/cache", "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-c", PARTS, str(target)]
        subprocess.run(command, env=environment, check=True, cwd=Path(__file__).parents[1])
        spent = json.loads(target.read_text())
    dearest = dict(sorted(spent.items(), key=lambda one: -one[1]))
    for kind, seconds in dearest.items():
        print(f"{kind:<36} {seconds:6.1f} s of CPU")
    return {kind: round(seconds, 1) for kind, seconds in dearest.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="commit what is measured")
    write = parser.parse_args().write
    measured = {**here(), "commands": commands(), "parts": parts()}
    if write:
        FIRST_USE.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
