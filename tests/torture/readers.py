"""Fuzz of every reader: damaged, foreign and random files give arrays or one sentence, and run no code."""

import resource
import sys
import tempfile
import time

from sims import checkpoints
from tests.sims.checkpoints.test_boundary import KINDS, mutated, valid
from tests.torture.parts import Part

# What no reader may ever do; NumPy compiles headers as literals, which is no execution.
FORBIDDEN = {
    *("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "pty.spawn", "exec"),
    *("socket.connect", "socket.bind", "pickle.find_class"),
}
REMOVING = {"shutil.rmtree", "os.remove", "os.rename"}  # allowed where a reader unpacks: temporary folders
SLOW, LARGE = 5.0, 600.0  # seconds of CPU for a file of a few hundred bytes; MB that all reading may add


def run(part: Part) -> None:
    """Mutate one valid file per container until the time is spent."""
    whole = {kind: valid(kind) for kind in KINDS}
    path = {kind: part.folder / f"a{kind}" for kind in KINDS}
    for kind in KINDS:  # libraries are imported before anybody listens
        path[kind].write_bytes(whole[kind])
        part.hold(len(checkpoints.read(path[kind]).tensors) > 0, f"a valid {kind} is not read")
    events: list[str] = []
    listening = [True]

    def hear(event: str, details: tuple) -> None:
        if not listening[0]:
            return
        if event in REMOVING:
            path = str(details[0])  # relative where a temporary folder is emptied through its descriptor
            if path.startswith("/") and not path.startswith(tempfile.gettempdir()):
                events.append(f"{event} {path}")
        elif event in FORBIDDEN:
            events.append(event)

    sys.addaudithook(hear)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in part.rounds():
        kind = KINDS[number % len(KINDS)]
        content = _content(part, whole, kind)
        path[kind].write_bytes(content)
        events.clear()
        start = time.process_time()
        try:
            found = checkpoints.read(path[kind])
        except ValueError as error:
            part.count("refused")
            text = str(error)
            fine = text.startswith("cannot read '") and "\n" not in text and len(text) < 600
            part.hold(fine, f"{kind}: no sentence: {text[:200]!r} for {content.hex()[:400]}")
        except BaseException as error:
            part.hold(False, f"{kind}: {type(error).__name__} for {content.hex()[:400]}")
            if isinstance(error, KeyboardInterrupt):
                raise
        else:
            part.count("accepted")
            size = sum(array.nbytes for array in found.tensors.values())
            part.hold(size < 100_000, f"{kind}: {size} bytes of arrays from {content.hex()[:400]}")
        spent = time.process_time() - start
        part.largest("slowest file (CPU ms)", 1000 * spent)
        part.hold(spent < SLOW, f"{kind}: {spent:.1f} s for {content.hex()[:400]}")
        part.hold(not events, f"{kind}: {events[:3]} from {content.hex()[:400]}")
        part.count("contents read")
    listening[0] = False
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    part.figures["memory added (MB)"] = grown
    part.hold(grown < LARGE, f"reading added {grown:.0f} MB")


def _content(part: Part, whole: dict[str, bytes], kind: str) -> bytes:
    """Mostly damage to a good file; now and then another container's bytes, or noise."""
    draw = part.rng.random()
    if draw < 0.9:
        return mutated(whole[kind], part.rng)
    if draw < 0.95:
        return mutated(whole[str(part.rng.choice(KINDS))], part.rng)
    return part.rng.bytes(int(part.rng.integers(1, 400)))
