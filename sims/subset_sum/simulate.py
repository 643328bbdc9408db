"""One setting of random subset sum: P(miss) measured, every law and bound beside it."""

import math

from sims import montecarlo
from sims.subset_sum.sampling import estimate, every_target_sampler
from sims.support.row import Row
from theory.integer_sums import Law


def stated_accuracy(
    form: str, n: int, max_value: int, target: int, law: Law = "nonzero", delta: int = 0
) -> str:
    """What is known about the error of a form of the miss probability at one setting, in words.

    Examples
    --------
    >>> stated_accuracy("exact", 20, 3, 1), stated_accuracy("cox", 20, 3, 1)
    ('exact', 'within a factor of 4.51, as measured')
    >>> stated_accuracy("cox", 12, 1023, 1)
    'about 1 % for M >= 1000, 5 % for M >= 100'
    >>> stated_accuracy("cox", 20, 127, 1)
    'outside its range: use the saddlepoint law'
    """
    from theory import subset_sum as theory

    if form == "exact" or abs(target) <= delta:  # the empty set: all forms are 0
        return "exact"
    error = theory.miss_error(n, max_value, target, law, form) if delta == 0 else math.nan
    if not math.isnan(error):
        return f"within a factor of {1.0 + error:.2f}, as measured"
    best, words = theory.miss_form(n, max_value, law, delta)
    return words if form == best else f"outside its range: use the {best} law"


def simulate(
    n: int,
    max_value: int,
    target: int,
    trials: int,
    seed: int,
    law: Law = "nonzero",
    delta: int = 0,
    *,
    rare: bool = False,
    every_target: bool = False,
    **options,
) -> list[Row]:
    """Rows for `snapcut simulate subset-sum`: P(miss) measured, and every law and bound beside it.

    Parameters
    ----------
    n, max_value, target, trials, seed, law, delta, options
        As in `estimate`.
    rare
        Measure by splitting (`sims.subset_sum.rare`) instead; `trials` is then the population size.
    every_target
        Add P(some target of {-M..M} is missed by one draw), measured on `trials` instances.
    """
    from theory import subset_sum as theory

    name = "P(miss), measured"
    if rare:
        from sims.subset_sum.rare import estimate_rare

        found = estimate_rare(n, max_value, target, seed, law, delta, particles=trials, **options)
        runs, values = len(found.replicates), (found.values[n], found.low[n], found.high[n])
        source = f"splitting, {runs} x {trials} particles"
        rows = [Row(name, *values, source=source, trials=runs * trials)]
    else:
        plain = estimate(n, max_value, target, trials, seed, law, delta, **options)
        rows = [Row.of(name, plain, f"{plain.trials} trials, exact decisions")]
    rows += law_rows(n, max_value, target, law, delta)
    if every_target:
        sample, key = every_target_sampler(n, max_value, law), ("every_target", n, max_value, law)
        every = montecarlo.probability(sample, trials, seed=seed, key=key, level=options.get("level", 0.99))
        rows.append(Row.of("P(some |t| <= M missed), measured", every, f"{trials} trials"))
        if law != "product":
            some = theory.every_target_miss(n, max_value, law)
            rows.append(Row.law("P(some |t| <= M missed), Cox law", some, "law"))
    return rows


def law_rows(
    n: int, max_value: int, target: int, law: Law = "nonzero", delta: int = 0, *, quick: bool = False
) -> list[Row]:
    """Every law and bound of one setting.

    Parameters
    ----------
    quick
        Leave out what takes longer than a slider may wait: the saddlepoint law and the bounds.

    Examples
    --------
    >>> [row.quantity for row in law_rows(12, 127, 1)][:3]
    ['P(miss), best law', 'P(miss), cox law', 'P(miss), saddlepoint law']
    """
    from theory import subset_sum as theory
    from theory.subset_sum.cox import cox_mean

    rows = []

    def add(quantity: str, value: float, source: str) -> None:
        rows.append(Row.law(quantity, value, source))

    cell = n, max_value, target, law
    form, _ = theory.miss_form(n, max_value, law, delta, target)
    if not (quick and form == "saddlepoint"):
        words = "exact" if form == "exact" else f"{form}; accuracy {stated_accuracy(form, *cell, delta)}"
        add("P(miss), best law", theory.miss_probability(*cell, delta=delta), words)
    forms: tuple = ("saddlepoint",) if law == "product" else ("cox", "saddlepoint")
    for name in forms[:-1] if quick else forms:
        accuracy = stated_accuracy(name, *cell, delta)
        add(f"P(miss), {name} law", theory.miss_probability(*cell, name, delta), accuracy)
    if delta == 0 and not quick:
        lower, upper = theory.miss_probability_bounds(n, max_value, target, law)
        add("P(miss), lower bound", lower, "rigorous: reach and divisibility")
        add("P(miss), upper bound", upper, "rigorous: moments in blocks, trivial event")
        add("P(no sample equals the target)", theory.trivial_miss(n, max_value, target, law), "exact")
        add("E solutions", theory.expected_solutions(n, max_value, target, law), "exact")
        add("failure exponent, bits per sample", theory.failure_exponent(max_value, target, law), "theorem")
        if law == "nonzero" and n >= 2:
            lemma = theory.lemma4_failure(n, max_value, target)
            add("P(miss), Lemma 4", lemma, "KN Lemma 4; above 1: vacuous")
    add("E solutions at the most favourable sum", cox_mean(n, max_value, law, delta), "mu of the cox law")
    values = max_value**2 if law == "product" else max_value
    add(
        "window position n - log2 M" + ("^2" if law == "product" else ""), n - math.log2(values), "definition"
    )
    return rows
