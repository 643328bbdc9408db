"""Claims on linear CKA, the measure of Section 5: its bias, its mean by chance, its invariances."""

import itertools
import math

import numpy as np

from paper_checks.claim import Claim, Constant, Twin, at_least, identity, within
from sims.representation import linear_cka
from theory.representation import chance_cka, effective_rank, expected_cka

PAPER = "kuzmin"
SETTINGS = ((60, 40, 90), (40, 60, 60))  # samples, widths
BATCH = 128  # pairs of representations at a time: their Gram matrices stay in the cache


def over_shifts(x, y):
    """Mean of plain CKA over all cyclic shifts of the samples of one side, pair by pair.

    Entries i, i + d of a Gram matrix meet those of the other side at the same distance, so that n matchings
    take one sum per distance.
    """
    samples = np.arange(x.shape[1])
    along = (samples[:, None] + samples) % samples.size
    sums, norms = [], []
    for v in (x, y):
        v = v - v.mean(axis=1, keepdims=True)
        gram = v @ v.transpose(0, 2, 1)
        sums.append(gram[:, samples[:, None], along].sum(axis=1))
        norms.append(np.sqrt(np.einsum("tij,tij->t", gram, gram)))
    return np.einsum("td,td->t", *sums) / samples.size / norms[0] / norms[1]


def bias_of_independent(run, factor=1.0, decay=0.0, spread=False, tolerance=0.01, trials=2048, reach=0.1):
    """Mean of the plain estimator on independent Gaussian data; `decay` makes the features unequal.

    Drawn is its mean over n matchings of the same data, which lies within `reach` of the law. With `spread`
    the law takes the width where the effective rank belongs.
    """
    for n, *widths in SETTINGS:
        stds = [np.exp(-decay * np.arange(width) / width) for width in widths]
        ranks = [effective_rank(std**2) for std in stds]
        near = float(expected_cka(n, *ranks))
        bounds = ((1 - reach) * near, (1 + reach) * near)

        def sample(rng: np.random.Generator, count: int, n: int = n, stds=stds, bounds=bounds) -> np.ndarray:
            batches = [min(BATCH, count - start) for start in range(0, count, BATCH)]
            drawn = [
                over_shifts(*(rng.standard_normal((size, n, len(std))) * std for std in stds))
                for size in batches
            ]
            return np.clip(np.concatenate(drawn), *bounds)

        names = f"{n} samples, widths {widths[0]} and {widths[1]}"
        estimate = run.mean(names, sample, trials, bounds)
        law = factor * float(expected_cka(n, *(map(float, widths) if spread else ranks)))
        yield within(names, estimate, law, tolerance * law)


def mean_over_matchings(run, divisor=1, factor=1.0):
    """Mean over all 720 orders of six samples of both estimators, between two layers of a drawn network.

    The plain one beside sqrt(r r)/(n - divisor), the unbiased one beside 0; and both symbolically.
    """
    from theory.derivations import representation as derivations

    rng = run_stream(run)
    hidden = [np.maximum(rng.standard_normal((6, 12)), 0.0)]
    hidden.append(np.maximum(hidden[0] @ rng.standard_normal((12, 5)), 0.0))
    grams = [(v - v.mean(axis=0)) @ (v - v.mean(axis=0)).T for v in hidden]
    ranks = [effective_rank(np.linalg.eigvalsh(gram).clip(0.0)) for gram in grams]
    orders = [list(order) for order in itertools.permutations(range(6))]
    for unbiased in (False, True):
        values = [linear_cka(hidden[0], hidden[1][order], unbiased) for order in orders]
        law = 0.0 if unbiased else factor * float(chance_cka(6, *ranks)) * 5 / (6 - divisor)
        name = "unbiased" if unbiased else "plain"
        mean = math.fsum(values) / len(values)
        yield within(f"{name}, mean of 720 orders", mean, law, 1e-10, cases=len(orders))
    averages = run.once("averages", lambda: (derivations.centred_mean(), derivations.unbiased_mean()))
    yield identity("averages over all matchings, any matrix", all(e == 0 for m in averages for e in m))
    yield identity(
        "HSIC_1 is a product of U-centred matrices", run.once("product", derivations.hsic_product) == 0
    )


def invariances(run, linear="orthogonal", factor=1.0):
    """Change of CKA under a linear map of the features; under an invertible one it must show."""
    rng = run_stream(run)
    x, y = rng.standard_normal((200, 12)), rng.standard_normal((200, 12))
    y[:, :4] += x[:, :4]
    rotation = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    stretch = np.diag(np.linspace(1.0, 4.0, 12))
    mapped = x @ (rotation if linear == "orthogonal" else stretch)
    for unbiased in (True, False):
        name = "unbiased" if unbiased else "plain"
        value = linear_cka(x, y, unbiased)
        for how, other in (("a linear map", mapped), ("scale and shift", 7.0 * x + 3.0)):
            yield within(f"{name}, {how}", linear_cka(other, y, unbiased), value, 1e-10)
        itself = linear_cka(7.0 * mapped + 3.0, x, unbiased)
        yield within(f"{name}, a map of the features beside themselves", itself, factor, 1e-10)
        moved = abs(linear_cka(x @ stretch, y, unbiased) - value)
        yield at_least(f"{name}, moved by stretching features up to 4 times", moved, 0.01)


def run_stream(run) -> np.random.Generator:
    """Random numbers of a claim that draws one example."""
    from sims.montecarlo.estimate import stream

    return stream(run.seed, (run.claim, "example"))


CLAIMS = (
    Claim(
        id="ku.cka_bias",
        title="Plain CKA of unrelated representations is r/(n + r), not 0",
        paper=PAPER,
        place="Section 5, the measure",
        statement=r"\mathbb{E}\,\mathrm{CKA} = \sqrt{\frac{r_x r_y}{(n + r_x)(n + r_y)}},\quad"
        r" r = \frac{(\mathrm{tr}\,\Sigma)^2}{\mathrm{tr}\,\Sigma^2}",
        hypotheses="Independent Gaussian features; 60 samples of widths 40 and 90, 40 of widths 60 and 60. "
        "The law is the ratio of expectations; tolerance 1 % for the mean of the ratio.",
        mark="derived",
        check=bias_of_independent,
        twins=(Twin("2 % more", {"factor": 1.02}), Twin("2 % less", {"factor": 0.98})),
        figure="representation_bias",
        constant=Constant("the law"),
    ),
    Claim(
        id="ku.cka_effective_rank",
        title="With unequal features it is the effective rank that counts",
        paper=PAPER,
        place="Section 5, the measure",
        statement=r"r = \frac{(\sum_j \sigma_j^2)^2}{\sum_j \sigma_j^4}",
        hypotheses="Standard deviations falling from 1 to exp(-2) across the features, which lowers the "
        "ranks; tolerance 1.5 %.",
        mark="derived",
        check=bias_of_independent,
        parameters={"decay": 2.0, "tolerance": 0.015, "trials": 4096, "reach": 0.2},
        twins=(Twin("the width in its place", {"spread": True}), Twin("3 % more", {"factor": 1.03})),
        figure="representation_bias",
        constant=Constant("the law"),
    ),
    Claim(
        id="ku.cka_matchings",
        title="Mean over all matchings of the samples: exact for plain CKA, 0 for unbiased",
        paper=PAPER,
        place="Section 5, the measure",
        statement=r"\frac1{n!}\sum_\pi \mathrm{CKA}(K, \pi L\pi^\top) = \frac{\sqrt{r(K)\,r(L)}}{n - 1},"
        r"\quad \frac1{n!}\sum_\pi \mathrm{CKA}_u(K, \pi L\pi^\top) = 0",
        hypotheses="Any representations; here six samples in two layers of a drawn network, all 720 orders, "
        "and symbolically with four samples.",
        mark="derived",
        check=mean_over_matchings,
        twins=(Twin("n in place of n - 1", {"divisor": 0}), Twin("0.1 % more", {"factor": 1.001})),
        constant=Constant("the mean by chance"),
    ),
    Claim(
        id="ku.cka_invariances",
        title="CKA does not see rotations and scale, and sees other invertible maps",
        paper=PAPER,
        place="Section 5, the measure; Kornblith et al., Section 2",
        statement=r"\mathrm{CKA}(aXQ + 1b^\top, Y) = \mathrm{CKA}(X, Y),\quad Q^\top Q = I",
        hypotheses="One drawn example of 200 samples and 12 features, both estimators; 1 beside $X$ itself.",
        mark="paper",
        check=invariances,
        twins=(Twin("any invertible map", {"linear": "invertible"}), Twin("0.1 % more", {"factor": 1.001})),
        constant=Constant("1, of features beside themselves"),
    ),
)
