"""`snapcut warm`."""

from collections.abc import Callable

from snapcut import face
from snapcut.options import Json, check_targets


def _formats() -> None:
    import numpy as np

    w = np.random.default_rng(0).standard_normal((4, 2560))
    face.weights({"long rows": w, "short rows": w.reshape(40, 256)}, within=8)


def _weights() -> None:
    import numpy as np

    face.weights({"w": np.random.default_rng(0).standard_normal((8, 64)).astype(np.float32)})


def _layer() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((4, 12)), rng.standard_normal((32, 12))
    for what in ({"bits": 2}, {"sparsity": 0.5}):
        face.layer(w, x, **what)
        face.layer(w, x, bounds=True, rows=[0], **what)


def _ticket() -> None:
    from sims.lottery.real import ticket_rows

    for construction in ("two_layer", "depth_plus_one"):
        ticket_rows("digits", [2], construction=construction)


def _sums() -> None:
    for n in (8, 12, 24, 32):
        face.simulate("partition", n=n, max_value=2**n, trials=8)
    face.simulate("subset-sum", trials=8, every_target=True)
    face.simulate("subset-sum", trials=8, rare=True)


def _simulations() -> None:
    face.simulate("lottery", trials=8)
    for operator in ("rounding", "one-bit", "pruning", "prune-then-round"):
        face.simulate("path-following", operator=operator, trials=8)
    face.simulate("layer-bounds", trials=2)
    face.simulate("snr", trials=8, size=256, rotate=True, group=32)


WORK: dict[str, Callable[[], None]] = {
    "every number format": _formats,
    "partitions and subset sums": _sums,
    "one layer": _layer,
    "simulations": _simulations,
    "lottery tickets": _ticket,
    "weights": _weights,
}


def warm(*, json: Json = None) -> int:
    """Compile the kernels of every command now, rather than at their first use.

    They are kept in ~/.cache/snapcut (or $SNAPCUT_CACHE), so this is worth doing once after an installation,
    or when an image is built.

    Parameters
    ----------
    json
        Also write what was compiled to this file ("-" for stdout).
    """
    check_targets(json)
    from sims.support import processes as workers
    from sims.support import progress
    from sims.support.output import emit, print_table
    from sims.support.threads import default_threads

    rows = []
    with progress.bar(len(WORK), "kernels") as advance:
        for row in workers.run(_compile, ((name,) for name in WORK), min(default_threads(), len(WORK))):
            rows.append(row)
            advance(1)
    emit(json, {"compiled": rows}, lambda: print_table(rows))
    return 0


def _compile(name: str) -> dict:
    """Do one kind of work; which kernels that compiled, and the seconds it took."""
    from sims.kernels import compiling

    before = dict(compiling.seconds)
    WORK[name]()
    spent = {module: seconds - before.get(module, 0.0) for module, seconds in compiling.seconds.items()}
    new = {module: seconds for module, seconds in spent.items() if seconds > 0}
    return {"for": name, "compiled": ", ".join(new) or "nothing new", "seconds": round(sum(new.values()), 1)}
