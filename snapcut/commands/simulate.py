"""`snapcut simulate`: a command for every simulation, made of its signature and docstring."""

import functools
import inspect
from collections.abc import Callable

from cyclopts import App

from sims.support.output import emit, print_table
from snapcut import face
from snapcut.options import Json, check_targets

simulate = App(name="simulate", help="Simulate one setting: the estimate, its interval, theory beside it.")


@functools.cache  # once: a program may call `main` again, and a command is registered only once
def offer_simulations() -> None:
    """Make each simulation a command: its signature and docstring are the options and their help."""
    from sims.simulations import SIMULATIONS

    for name, function in SIMULATIONS.items():
        simulate.command(_simulation(name, function), name=name)


def _simulation(name: str, function: Callable) -> Callable:
    """The command that runs `function` and prints its rows."""

    @functools.wraps(function)
    def command(*, json: Json = None, **parameters) -> int:
        check_targets(json)
        table = face.simulate(name, **parameters)
        emit(json, table.to_dict(), lambda: print_table(table.rows))
        return 0

    signature = inspect.signature(function)
    named = [p.replace(kind=p.KEYWORD_ONLY) for p in signature.parameters.values()]
    json = inspect.Parameter("json", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Json)
    command.__signature__ = signature.replace(parameters=[*named, json])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in (*named, json)} | {"return": int}
    options = inspect.cleandoc(function.__doc__ or "")
    command.__doc__ = f'{options}\njson\n    Also write the rows to this file ("-" for stdout).\n'
    return command
