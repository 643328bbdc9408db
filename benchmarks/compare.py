"""A guard on speed: the ratios of a few engines to their peers beside those committed in ratios.json.

    python benchmarks/compare.py [--write]       (make bench-compare)

Seconds depend on the machine and its load, ratios of one run hardly: every part runs three times, each in a
process of its own. Its best ratio may be 1.5 times smaller than the one committed for this processor, not
more. `--write` commits what was measured: this processor's rows of ratios.json, its table in docs/speed.md
(first_use.py writes two of its own there).
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

PARTS = {
    "subset_sum": [
        "decisions(24, 2000, [MERGE], 3)",
        "decisions(32, 200, [MERGE], 3)",
        "counting(40)",
        "counting(44)",
    ],
    "snr": ["scales()", "channels()"],
    "path_following": ["phase_two()"],
    "weights": ["side_by_side()"],
}
RUNS, FACTOR = 3, 1.5
FOLDER = Path(__file__).parent
RATIOS, FIRST_USE = FOLDER / "ratios.json", FOLDER / "first_use.json"
PAGE = FOLDER.parent / "docs" / "speed.md"


def record(work: str, seconds: float, peer: str, ratio: float, floor: str, above: float) -> None:
    """Print how far `work` is ahead of its peer, and its time over its floor's; keep both for `main`."""
    print(f"  = {work}: x {ratio:,.2f} of {peer}; {above:.2f} x its floor ({floor})")
    if name := os.environ.get("SNAPCUT_RATIOS"):
        numbers = {"seconds": float(f"{seconds:.3g}"), "ratio": round(ratio, 2), "above": round(above, 2)}
        with open(name, "a", encoding="utf-8") as file:
            file.write(json.dumps({"work": work, "peer": peer, "floor": floor, **numbers}) + "\n")


def measured() -> list[dict]:
    """What every part recorded: the run of its best ratio."""
    best: dict[str, dict] = {}
    for script, calls in PARTS.items():
        for call in calls:
            for _ in range(RUNS):
                with tempfile.NamedTemporaryFile("r", encoding="utf-8") as file:
                    environment = {**os.environ, "SNAPCUT_RATIOS": file.name, "OMP_NUM_THREADS": "1"}
                    code = f"from {script} import *; {call}"
                    subprocess.run([sys.executable, "-c", code], cwd=FOLDER, env=environment, check=True)
                    for one in map(json.loads, file):
                        if one["ratio"] > best.get(one["work"], {"ratio": 0})["ratio"]:
                            best[one["work"]] = one
    return list(best.values())


def machine() -> str:
    """The processor's name, its family and model (virtual machines name no more), and the cores."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    said = dict(
        line.replace("\t", "").split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line
    )
    name = said.get("model name", platform.processor()).strip()
    if "cpu family" in said and "model" in said:
        name += f" (family {said['cpu family'].strip()}, model {said['model'].strip()})"
    return f"{name}, {os.cpu_count()} cores"


def table(head: str, lines: list[tuple[str, ...]]) -> str:
    """A table of Markdown; `head` is its first line."""
    rule = "|---" * head.count(" | ") + "|---|"
    return "\n".join([f"| {head} |", rule, *(f"| {' | '.join(one)} |" for one in lines)])


def ahead(rows: list[dict]) -> str:
    """The table of ratios to peers and floors."""
    lines = []
    for one in rows:
        seconds = one["seconds"]
        unit, scale = ("s", 1) if seconds >= 0.1 else ("ms", 1e3) if seconds >= 1e-3 else ("µs", 1e6)
        # a number and its unit stay on one line of a narrow column
        time = f"{scale * seconds:.3g}\N{NO-BREAK SPACE}{unit}"
        cells = (one["work"], time, one["peer"], f"×{one['ratio']:.3g}")
        lines.append((*cells, one["floor"], f"{one['above']:.2f}"))
    return table("work | time | ahead of | ratio | floor | time over floor", lines)


def page() -> str:
    """The text of docs/speed.md: benchmarks/speed.md with what was measured in its places."""
    ratios, first = (json.loads(file.read_text(encoding="utf-8")) for file in (RATIOS, FIRST_USE))
    commands = [(one["work"], f"{one['first']:.1f} s", f"{one['second']:.1f} s") for one in first["commands"]]
    total = sum(first["parts"].values())
    parts = [
        (kind, f"{spent:.0f} s", f"{100 * spent / total:.0f} %") for kind, spent in first["parts"].items()
    ]
    places = {
        "tables": "\n\n".join(f"{one['machine']}, {one['date']}:\n\n{ahead(one['rows'])}" for one in ratios),
        "commands": table("command | first | second", commands),
        "parts": table("part of a report | CPU time | share", [*parts, ("all", f"{total:.0f} s", "")]),
        "half": f"{total / 2:.0f} s",
        "first machine": first["machine"],
        "first date": first["date"],
    }
    text = (FOLDER / "speed.md").read_text(encoding="utf-8")
    for name, value in places.items():
        text = text.replace(f"<!-- {name} -->", value)
    return text


def here() -> dict:
    """The machine and the day, as what is committed states them."""
    return {"machine": machine(), "date": str(datetime.datetime.now(datetime.UTC).date())}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="commit what is measured")
    write = parser.parse_args().write
    rows = measured()
    known = {one["machine"]: one for one in json.loads(RATIOS.read_text(encoding="utf-8"))}
    if write:
        known[machine()] = {**here(), "rows": rows}
        RATIOS.write_text(json.dumps(list(known.values()), indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if machine() not in known:
        print(f"no ratios are committed for {machine()}: nothing to compare with (--write commits these)")
    committed = {one["work"]: one["ratio"] for one in known.get(machine(), {"rows": []})["rows"]}
    slower = 0
    for one in rows:
        before = committed.pop(one["work"], None)
        worse = before is not None and one["ratio"] * FACTOR < before
        slower += worse
        stands = "new" if before is None else f"committed x {before:.3g}{', SLOWER' if worse else ''}"
        print(f"{one['work']:<55} x {one['ratio']:<10.3g} {stands}")
    for work in committed:
        print(f"{work:<55} no longer measured")
    return 1 if slower or committed else 0


if __name__ == "__main__":
    sys.exit(main())
