"""`snapcut check`."""

from sims.support.output import emit, print_table, say
from snapcut import face
from snapcut.options import Budget, Json, Listed, check_targets, seed_of
from snapcut.verdicts import rows


def check(
    *claim: str,
    list_: Listed = False,
    paper: str | None = None,
    budget: Budget = "quick",
    power: bool = False,
    sharpness: bool = False,
    verbose: bool = False,
    seed: str = "0",
    json: Json = None,
) -> int:
    """Check claims of the papers and print a verdict for each.

    Parameters
    ----------
    claim
        Ids of claims, or the beginnings of ids; all when none is named.
    list_
        Only say which claims there are, of which paper and place.
    paper
        Only claims of this paper: kumar-natale, zhang-saab or kuzmin.
    budget
        Number of trials: standard has 10 times those of quick, deep 100 times.
    power
        Also run every false version of each claim; all of them must be refuted.
    sharpness
        Also find, for every claim, the nearest factors on its stated constant that it refutes.
    verbose
        Show every measurement behind a verdict, not only the one that decided.
    seed
        A number, or "random" for a fresh one (it is printed with the verdicts).
    json
        Also write the verdicts to this file ("-" for stdout instead of the table).
    """
    check_targets(json)
    from paper_checks import registry

    if list_:
        listed = registry.listing(registry.claims(claim, paper))
        emit(json, {"claims": listed}, lambda: print_table(listed))
        return 0
    table = face.check(
        *claim, paper=paper, budget=budget, power=power, sharpness=sharpness, seed=seed_of(seed)
    )

    def show() -> None:
        options = {"power": power, "sharpness": sharpness, "verbose": verbose, "coloured": True}
        print_table(rows(table.source, **options), marked=("verdict",))
        say(*table.notes)

    emit(json, table.to_dict(), show)
    return registry.exit_code(table.source)
