"""One setting of random subset sum: P(miss) measured, every law and bound beside it."""

from sims import montecarlo
from sims.subset_sum.sampling import estimate, every_target_sampler
from sims.support.row import Row
from theory.integer_sums import Law


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
    n, max_value, target, trials, seed, law, delta, options : as in `estimate`.
    rare : measure by splitting (`sims.subset_sum.rare`) instead; `trials` is then the population size.
    every_target : add P(some target of {-M..M} is missed by one draw), measured on `trials` instances.
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

    def add(quantity: str, value: float, source: str) -> None:
        rows.append(Row.law(quantity, value, source))

    form, accuracy = theory.miss_form(n, max_value, law, delta, target)
    best = theory.miss_probability(n, max_value, target, law, delta=delta)
    add("P(miss), best law", best, f"{form}; accuracy {accuracy}")
    forms: tuple = ("saddlepoint",) if law == "product" else ("cox", "saddlepoint")
    for name in forms:
        add(f"P(miss), {name} law", theory.miss_probability(n, max_value, target, law, name, delta), "law")
    if delta == 0:
        lower, upper = theory.miss_probability_bounds(n, max_value, target, law)
        add("P(miss), lower bound", lower, "rigorous: reach and divisibility")
        add("P(miss), upper bound", upper, "rigorous: moments in blocks, trivial event")
        add("P(no sample equals the target)", theory.trivial_miss(n, max_value, target, law), "exact")
        add("E solutions", theory.expected_solutions(n, max_value, target, law), "exact")
        add("failure exponent, bits per sample", theory.failure_exponent(max_value, target, law), "theorem")
        if law == "nonzero" and n >= 2:
            lemma = theory.lemma4_failure(n, max_value, target)
            add("P(miss), Lemma 4", lemma, "KN Lemma 4; above 1: vacuous")
    if every_target:
        sample = every_target_sampler(n, max_value, law)
        every = montecarlo.probability(sample, trials, seed=seed, key=("every_target", n, max_value, law))
        rows.append(Row.of("P(some |t| <= M missed), measured", every, f"{trials} trials"))
        if law != "product":
            add("P(some |t| <= M missed), Cox law", theory.every_target_miss(n, max_value, law), "law")
    return rows
