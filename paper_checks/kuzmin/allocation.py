"""Claims on bits per layer: the best choice of formats within a budget, and the limit of any code."""

import math

import numpy as np

from paper_checks.claim import Claim, Constant, Twin, at_least, at_most, identity, within
from sims.networks import digits
from sims.weights import formats
from sims.weights.allocation import Allocation, allocate_stored
from sims.weights.formats import Stored
from sims.weights.knapsack import choose
from theory.allocation import water_filling_snr

PAPER = "kuzmin"


def brute_force(run, spare=1.0, factor=1.0):
    """Error found over the least of every choice, 60 problems of 5 items; `spare` shrinks the budget."""

    def compute() -> list[float]:
        rng = np.random.default_rng(run.seed)
        ratios = []
        every = np.indices((6,) * 5).reshape(5, -1)  # options of the five items, choice by choice
        for _ in range(60):
            costs = [np.sort(rng.integers(1, 60, 6)) for _ in range(5)]
            errors = [np.sort(rng.random(6))[::-1] for _ in range(5)]
            low, high = sum(int(c.min()) for c in costs), sum(int(c.max()) for c in costs)
            budget = int(rng.integers(low, high + 1))
            cost, error = (
                np.sum([x[k] for x, k in zip(options, every, strict=True)], axis=0)
                for options in (costs, errors)
            )
            best = error[cost <= budget].min()
            found = choose(costs, errors, max(low, round(spare * budget)))
            ratios += [found.error / best, found.bound / best]
        return ratios

    ratios = run.once(f"spare {spare}", compute)
    yield within("largest ratio, of error and bound", max(ratios), factor, 1e-12)
    yield within("least ratio, of error and bound", min(ratios), factor, 1e-12)


def _digits(run) -> tuple[dict, dict, dict]:
    def compute() -> tuple[dict, dict, dict]:
        arrays = {f"digits {i}": w for i, w in enumerate(digits.weights())}
        rng = np.random.default_rng(1)  # and tensors of other sizes, energies and tails
        for i, df in enumerate((2.5, 4, 30)):
            arrays[f"t {df}"] = 4.0**-i * rng.standard_t(df, size=(48, 64))
        found = {name: formats.compare(w) for name, w in arrays.items()}
        sizes = {name: w.size for name, w in arrays.items()}
        return found, sizes, {name: float(np.sum(w**2)) for name, w in arrays.items()}

    return run.once("formats of tensors", compute)


def _at(run, budget: float) -> Allocation:
    return allocate_stored(*_digits(run), budget)


def _stored(run, chosen: dict[str, str]) -> tuple[float, float]:
    """Error over energy, and bits per weight, of the tensors in these formats: added up one by one."""
    found, sizes, energies = _digits(run)
    error = bits = 0.0
    for name, form in chosen.items():
        one = next(one for one in (*found[name], Stored("as it is", 16, math.inf)) if one.name == form)
        error += energies[name] * 10 ** (-one.snr / 10)
        bits += one.bits * sizes[name]
    return error / sum(energies.values()), bits / sum(sizes.values())


def never_worse(run, weighed=True, factor=1.0):
    """dB above the best single format, at seven budgets; or of a choice for the wrong weights."""
    found, sizes, energies = _digits(run)
    alone = [_stored(run, dict.fromkeys(found, one.name)) for one in found["digits 0"]]
    for budget in (2.25, 3.0, 3.5, 4.0, 4.5, 6.0, 8.0):
        chosen = _at(run, budget)
        error, bits = _stored(run, chosen.formats)
        single = min(error for error, bits in alone if bits <= budget)
        title = f"{budget:g} bits: the code's error over that of its formats"
        yield within(title, chosen.error / error, factor, 1e-9)
        title = f"{budget:g} bits: the code's bits per weight over theirs"
        yield within(title, chosen.bits_per_weight / bits, 1.0, 1e-9)
        title = f"{budget:g} bits: the code's single format over the best"
        yield within(title, chosen.uniform_error / single, factor, 1e-9)
        if not weighed:
            wrong = {name: 1 / energy for name, energy in energies.items()}
            error, bits = _stored(run, allocate_stored(found, sizes, wrong, budget).formats)
        gain = 10 * math.log10(single / error)
        yield at_least(f"gain at {budget:g} bits (dB)", gain, 0.0, detail=chosen.sentence())
        detail = f"{bits:g} bits per weight"
        yield identity(f"no more than {budget:g} bits spent", bits <= budget, detail, evidence="evaluated")


# the Lagrangian's lower limit of the error, as a share of it: no other price comes as close
LIMITS = {3.0: 0.965, 4.0: 0.995, 6.0: 0.988}


def equal_slopes(run, factor=1.0):
    """Of how many tensors the chosen format minimises error + price * bits, `factor` times the price."""
    found, sizes, energies = _digits(run)
    total = sum(energies.values())
    for budget in (3.0, 4.0, 6.0):
        chosen = _at(run, budget)
        price = factor * chosen.price / sum(sizes.values())
        off, least = 0, -price * budget * sum(sizes.values())
        for name, stored in found.items():
            options = {one.name: one for one in [*stored, Stored("as it is", 16, math.inf)]}
            lagrangian = {
                key: energies[name] / total * 10 ** (-one.snr / 10) + price * one.bits * sizes[name]
                for key, one in options.items()
            }
            off += lagrangian[chosen.formats[name]] > min(lagrangian.values()) * (1 + 1e-9)
            least += min(lagrangian.values())
        yield at_most(f"tensors off their tangent, {budget:g} bits", off, 3)
        title = f"{budget:g} bits: limit at that price over the error"
        yield at_least(title, float(least / chosen.error), LIMITS[budget])


def ideal_codes(run, decibels=6.0206, factor=1.0):
    """With codes of 6.02 dB per bit in steps of 1/32 bit, the choice comes to reverse water-filling."""
    rng = np.random.default_rng(run.seed)
    sizes = {str(i): int(n) for i, n in enumerate(rng.integers(1, 40, 24) * 320)}
    variances = {name: float(np.exp(2 * rng.normal())) for name in sizes}
    energies = {name: sizes[name] * variances[name] for name in sizes}
    ladder = [Stored(f"{b / 32:g} bits", b / 32, decibels * b / 32) for b in range(16 * 32)]
    for bits in (1.0, 2.5, 4.0):
        found = run.once(
            f"{decibels} {bits}",
            lambda bits=bits: allocate_stored(dict.fromkeys(sizes, ladder), sizes, energies, bits).snr,
        )
        limit = factor * water_filling_snr(list(variances.values()), bits, list(sizes.values()))
        yield within(f"{bits:g} bits: SNR minus the limit (dB)", found - limit, 0.0, 0.02)


CLAIMS = (
    Claim(
        id="ku.allocation_exact",
        title="The format of every tensor is chosen as well as by trying every choice",
        paper=PAPER,
        place="beyond the paper; Sinha & Zoltners 1979",
        statement=r"\min_{j}\ \sum_i e_{i j_i} \text{ subject to } \sum_i c_{i j_i} \le B",
        hypotheses="60 random problems of 5 items with 6 options each, all 7,776 choices tried.",
        mark="derived",
        check=brute_force,
        twins=(Twin("a budget 4 % smaller", {"spare": 0.96}),),
        figure="weights_allocation",
        constant=Constant("the least error"),
    ),
    Claim(
        id="ku.allocation_gains",
        title="A format per tensor never loses to one format for all",
        paper=PAPER,
        place="beyond the paper",
        statement=r"\min_{(F_i)} \sum_i \left\lVert W_i - F_i(W_i)\right\rVert^2 \le"
        r" \min_F \sum_i \left\lVert W_i - F(W_i)\right\rVert^2",
        hypotheses="Digits network and three tensors of Student-t weights of other energies, 2.25-8 bits; "
        "errors and bits of both added up tensor by tensor.",
        mark="derived",
        check=never_worse,
        twins=(
            Twin("chosen as if quiet tensors weighed most", {"weighed": False}),
            Twin("0.1 % more error", {"factor": 1.001}),
        ),
        figure="weights_allocation",
        constant=Constant("both errors"),
    ),
    Claim(
        id="ku.allocation_slopes",
        title="At the optimum all tensors but a few sit where their hulls have one common slope",
        paper=PAPER,
        place="beyond the paper",
        statement=r"e_i(j_i) + p\,c_i(j_i) = \min_j\left(e_i(j) + p\,c_i(j)\right),\quad"
        r" \sum_i \min_j\left(e_i(j) + p\,c_i(j)\right) - pB \ge 0.965, 0.995, 0.988\, \sum_i e_i(j_i)",
        hypotheses="Six tensors, 3, 4 and 6 bits; the budget is filled by at most three exceptions.",
        mark="derived",
        check=equal_slopes,
        twins=(Twin("a price 2 % higher", {"factor": 1.02}), Twin("a price 2 % lower", {"factor": 0.98})),
        figure="weights_allocation",
        constant=Constant("the price"),
    ),
    Claim(
        id="ku.water_filling",
        title="With ideal codes the choice is reverse water-filling",
        paper=PAPER,
        place="beyond the paper; Cover & Thomas Th. 10.3.3",
        statement=r"D = \sum_i n_i \min(\theta, \sigma_i^2),\quad"
        r" \sum_i \tfrac{n_i}{2} \log_2 \frac{\sigma_i^2}{\min(\theta, \sigma_i^2)} = R \sum_i n_i",
        hypotheses="24 tensors, variances over four orders of magnitude, codes of 6.02 dB per bit in "
        "steps of 1/32 bit.",
        mark="derived",
        check=ideal_codes,
        twins=(Twin("codes of 5.9 dB per bit", {"decibels": 5.9}),),
        figure="weights_allocation",
        constant=Constant("the limit in dB"),
    ),
)
