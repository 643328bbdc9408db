"""Claims on rotated weights: kurtosis, formats, pruning, and the format that heavy tails do not hurt."""

import itertools
from functools import partial

import numpy as np
from scipy.linalg import hadamard

from paper_checks.claim import Claim, Constant, Twin, identity, within
from sims.weights.formats import noise
from sims.weights.rotation import rotate
from theory.distributions import Gaussian, Laplace, StudentT
from theory.formats import FORMATS
from theory.formats.laws import format_snr
from theory.rotations import rotated_kurtosis, rotation_gain
from theory.snr import noise_snr, pruning_snr

PAPER = "kuzmin"
HEAVY = StudentT(2, 30)
BY_NAME = {form.name: form for form in FORMATS}


def kurtosis(run, cumulant=2, factor=1.0):
    """Fourth powers of every sign pattern of integer rows, summed: 3 e^2 - `cumulant` f of each entry."""
    for row in ([3, -1, 0, 2], [1, 1, 1, 1], [7, 0, 0, 0, 1, -2, 3, 1]):
        n = len(row)
        signs = np.array(list(itertools.product((-1, 1), repeat=n)))
        fourth = (signs * row @ hadamard(n)) ** 4
        e, f = sum(w**2 for w in row), sum(w**4 for w in row)
        true = bool((fourth.sum(axis=0) == factor * (3 * e**2 - cumulant * f) * 2**n).all())
        yield identity(f"n = {n}, every sign pattern of {row}", true, evidence="exhaustive", cases=2**n)
    for n, values in ((4, (-3, 0, 0, 0, 0, 0, 0, 3)), (8, (-1, 0, 0, 1))):  # kurtosis 4 and 2
        title = f"n = {n}, every row of weights from {set(values)}"

        def counted(n=n, values=values) -> list[float]:
            entries = np.array(list(itertools.product(values, repeat=n))) @ hadamard(n)
            return [float((x**4).mean() / (x**2).mean() ** 2) for x in (np.array(values), entries)]

        before, after = run.once(title, counted)
        same = abs(after - factor * rotated_kurtosis(before, n)) < 1e-12
        yield identity(title, same, evidence="exhaustive", cases=len(values) ** n)


def rotated_formats(run, block=None, factor=1.0):
    """SNR of formats and pruning on a rotated Student-t matrix, beside the law of Gaussian weights."""

    def rotated() -> tuple[np.ndarray, float]:
        w = HEAVY.ppf(np.random.default_rng(run.seed).random((256, 4096)))
        y = rotate(w / np.sqrt(HEAVY.second_moment), run.seed, block)
        return y, float(np.sum(y**2) * HEAVY.second_moment / np.sum(w**2))

    y, energy = run.once(f"rotated by {block}", rotated)
    yield within("energy after over before", energy, 1.0, 1e-9, evidence="simulated")
    for name in ("INT4", "INT4 g128", "NF4 b64", "NVFP4", "MXFP4", "FP8 E4M3", "2:4", "prune 75 %"):
        law = run.once(name, lambda name=name: format_snr(Gaussian(), BY_NAME[name], y.size))
        found = run.once(f"{name}, {block}", lambda name=name: noise_snr(noise(y, BY_NAME[name])))
        yield within(f"{name} (dB)", found, factor * law, 0.1, evidence="simulated")


def short_blocks(run, name="NVFP4", factor=1.0):
    """dB that a rotation adds to a format of short blocks, heavy tails against none."""
    for law, gain in ((Laplace(), -0.2221), (StudentT(5, 1e3), -0.2570), (HEAVY, -0.3277)):
        found = run.once(f"{name}, {law}", partial(rotation_gain, law, BY_NAME[name]))
        yield within(f"{name}, kurtosis {law.kurtosis:.1f} (dB)", found, factor * gain, 1e-3)


def pruning(run, rotations=1, factor=1.0):
    """SNR of 75 % pruning before and after: the tails are what pruning lives on."""
    for law, stated in ((Laplace(), 7.9), (HEAVY, 10.9)):

        def pruned(law=law) -> float:
            w = law.ppf(np.random.default_rng(run.seed).random((256, 4096)))
            for turn in range(rotations):
                w = rotate(w, run.seed + turn)
            return noise_snr(noise(w, BY_NAME["prune 75 %"]))

        yield within(f"kurtosis {law.kurtosis:.1f}: before (dB)", pruning_snr(law, 0.75), stated, 0.05)
        found = run.once(f"{law}, {rotations}", pruned)
        yield within(f"kurtosis {law.kurtosis:.1f} (dB)", found, 5.5847 * factor, 0.03, evidence="simulated")


CLAIMS = (
    Claim(
        id="ku.rotation_kurtosis",
        title="A randomized Hadamard rotation leaves 3 (sum of squares)^2 - 2 (sum of fourth powers)",
        paper=PAPER,
        place="Section 2.3, beyond the paper",
        statement=r"\mathbb{E}\,y_j^4 = \frac{3\left(\sum_i w_i^2\right)^2 - 2\sum_i w_i^4}{n^2},\quad"
        r" \kappa(WH) = 3 + \frac{\kappa(W) - 3}{n} \text{ for independent weights}",
        hypotheses="Signs independent and fair; rows of 4 and 8 integers, every pattern. Independent "
        "weights: every row of a three-point law of kurtosis 4 (n = 4) and 2 (n = 8).",
        mark="derived",
        check=kurtosis,
        twins=(Twin("2.1 times the fourth powers", {"cumulant": 2.1}),),
        figure="formats_rotation",
        constant=Constant("the fourth moment"),
    ),
    Claim(
        id="ku.rotation_formats",
        title="Rotated weights are stored as well as Gaussian ones, whatever they were",
        paper=PAPER,
        place="Section 2.3, beyond the paper",
        statement=r"\mathrm{SNR}_F(WH) \to \mathrm{SNR}_F\left(N(0, \mathbb{E}W^2)\right)",
        hypotheses="Student-t weights with 2 degrees of freedom truncated at 30, 256 rows of 4,096; "
        "integers, block formats, FP8, 2:4 and pruning, within 0.1 dB.",
        mark="derived",
        check=rotated_formats,
        twins=(Twin("blocks of 8 rotated", {"block": 8}), Twin("0.5 % more", {"factor": 1.005})),
        figure="formats_rotation",
        constant=Constant("every ratio in dB"),
    ),
    Claim(
        id="ku.rotation_nvfp4",
        title="Rotation cannot help NVFP4: heavy tails cost it nothing",
        paper=PAPER,
        place="Section 2.3, beyond the paper",
        statement=r"\mathrm{SNR}_{\mathrm{NVFP4}}(N(0,1)) \le \mathrm{SNR}_{\mathrm{NVFP4}}(W)",
        hypotheses="Laplace and Student-t laws (kurtosis 6 to 29), nearest rounding, $2^{20}$ weights: "
        "20.436 dB against 20.658, 20.693 and 20.764 dB.",
        mark="derived",
        check=short_blocks,
        twins=(Twin("MXFP4 likewise", {"name": "MXFP4"}), Twin("2 % less lost", {"factor": 0.98})),
        figure="formats_rotation",
        constant=Constant("losses in dB"),
    ),
    Claim(
        id="ku.rotation_kills_pruning",
        title="After a rotation pruning is left with the Gaussian 5.6 dB",
        paper=PAPER,
        place="Section 2.3, beyond the paper",
        statement=r"\mathrm{SNR}_{\mathrm{prune}}(WH;\ 75\,\%) = 5.58\ \mathrm{dB}",
        hypotheses="Laplace (7.9 dB before) and Student-t weights (10.9 dB before), 256 rows of 4,096; to "
        "0.03 dB.",
        mark="derived",
        check=pruning,
        twins=(Twin("without the rotation", {"rotations": 0}), Twin("2 % more", {"factor": 1.02})),
        figure="formats_rotation",
        constant=Constant("5.58 dB"),
    ),
)
