"""Claims on pruning and rounding: when errors of outputs add, and when the order of the two matters."""

import itertools

import numpy as np

from paper_checks.claim import Claim, Constant, Twin, identity, within
from sims.layer_bounds.problems import problem
from sims.weights.encoding import encode
from sims.weights.formats import noise
from sims.weights.masks import pruned
from theory.codebooks import integer_levels
from theory.distributions import Gaussian, Laplace, StudentT
from theory.formats import FORMATS, Format, family
from theory.formats.laws import format_error
from theory.snr import decibel

PAPER = "kuzmin"
MASKS = (Format("2:4", "", 16, keep=2, group=4), Format("prune 50 %", "", 16, sparsity=0.5))
ROUNDINGS = (
    family("twos-complement", 4),
    family("symmetric", 4, 64),
    family("float", 4, 32, "power-of-two"),
    family("float", 8),
)
BY_NAME = {form.name: form for form in (*MASKS, *FORMATS)}
BLOCKED = ("INT4 g128", "INT4 g128 asym", "Q4_0", "Q8_0", "NF4 b64", "NVFP4", "MXFP4", "MXFP8 E4M3")


def drawn(run, law, size: int = 512) -> np.ndarray:
    """A square tensor of independent weights, the same for a claim and its twins."""
    return law.ppf(np.random.default_rng(run.seed).random((size, size)))


def block_errors_add(run, names=BLOCKED, factor=1.0):
    """Error of pruning and of a block format for dense tensors after it, over the sum of both."""
    for law in (Gaussian(), StudentT(3, 30)):
        w = drawn(run, law, 256)
        for mask, name in itertools.product(MASKS, names):
            kept = encode(w, mask)
            rounded = encode(kept, BY_NAME[name])
            both = np.sum((w - kept) ** 2) + np.sum((kept - rounded)[kept != 0] ** 2)
            ratio = float(np.sum((w - rounded) ** 2) / both)
            title = f"kurtosis {law.kurtosis:.1f}: {mask.name}, then {name}"
            yield within(title, ratio, factor, 1e-12, evidence="evaluated")


def block_order(run, names=("INT4 g128", "NVFP4", "MXFP4", "MXFP8 E4M3"), mask=MASKS[0]):
    """Whether blocks rounded before an n:m mask, and after it, are the same; ties by the weights."""
    for law, name in itertools.product((Gaussian(), Laplace()), names):
        w = drawn(run, law)
        rounded = encode(w, BY_NAME[name])
        told_apart = np.abs(rounded) + 1e-9 * np.abs(w)
        second = np.where(pruned(told_apart, mask) != 0, rounded, 0.0)
        first = encode(encode(w, mask), BY_NAME[name])
        moved = int(np.sum(first != second))
        title = f"{type(law).__name__}: {mask.name} and {name}"
        yield identity(title, moved == 0, f"{moved} of {w.size} weights differ", evidence="evaluated")


# dB lost where zeros are chosen by the rounded values, INT4 in groups of 128
LATE = {("2:4", "Gaussian"): 0.300, ("2:4", "Laplace"): 0.568, ("prune 50 %", "Gaussian"): 0.279,
        ("prune 50 %", "Laplace"): 1.205}  # fmt: skip


def late_masks(run, name="INT4 g128", factor=1.0):
    """dB by which pruning rounded values stays below rounding pruned ones."""

    def compute() -> dict:
        found = {}
        for law, mask in itertools.product((Gaussian(), Laplace()), MASKS):
            w = drawn(run, law, 1024)
            rounded, energy = encode(w, BY_NAME[name]), np.sum(w**2)
            late = np.sum((w - pruned(rounded, mask)) ** 2)
            early = np.sum((w - encode(w, BY_NAME[name].after(mask.keep, mask.group, mask.sparsity))) ** 2)
            found[mask.name, type(law).__name__] = decibel(energy, early) - decibel(energy, late)
        return found

    for (mask, law), lost in run.once(name, compute).items():
        stated = LATE[mask, law]
        yield within(f"{mask}, {law} (dB)", float(lost), factor * stated, 0.03 * stated, evidence="simulated")


def pruned_blocks(run, share=False, factor=1.0):
    """Error of rounding what a mask keeps, drawn, over its law; or over the kept share of the dense error."""
    for law, mask in itertools.product((Gaussian(), Laplace()), MASKS):
        w = run.once(type(law).__name__, lambda law=law: drawn(run, law, 1024))
        for name in ("NF4 b64", "MXFP4", "NVFP4"):
            form = BY_NAME[f"{mask.name} + {name}"]

            def ratio(w=w, law=law, form=form, mask=mask, name=name) -> float:
                lost = run.once(f"lost {law} {form.name}", lambda: noise(w, form) - noise(w, mask))
                stated = format_error(law, form) - format_error(law, mask)
                if share:
                    stated = format_error(law, BY_NAME[name]) / 2
                return lost * law.second_moment / stated

            found = run.once(f"{law} {form.name} {share}", ratio)
            title = f"{type(law).__name__}, {form.name}: rounding error over its law"
            yield within(title, found, factor, 0.01, evidence="simulated")


def output_errors_add(run, correlation=0.0, factor=1.0):
    """Output error of pruning then rounding over the sum of both output errors, on one Gram matrix."""
    if correlation:
        inputs, _ = problem("autoregressive", 128, run.seed, correlation=correlation)
        gram = inputs.T @ inputs
    else:
        gram = np.diag(np.random.default_rng(run.seed).chisquare(3, size=128))

    def energy(error: np.ndarray) -> float:
        return float(np.sum(error @ gram * error))

    for law in (Gaussian(), StudentT(3, 30)):
        w = law.ppf(np.random.default_rng(run.seed + 1).random((32, 128)))
        for mask, form in itertools.product(MASKS, ROUNDINGS):
            kept = encode(w, mask)
            rounded = encode(kept, form)
            ratio = energy(w - rounded) / (energy(w - kept) + energy(kept - rounded))
            name = f"kurtosis {law.kurtosis:.1f}: {mask.name}, then {form.name}"
            yield within(name, ratio, factor, 1e-12, evidence="evaluated")


def orders(run, grid="symmetric"):
    """Every vector of 4 from 8 magnitudes with every sign, 2 kept, on a grid of 3 bits and step 1."""
    levels = integer_levels(3, grid)

    def rounded(x: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(x), levels[0], levels[-1])

    sizes = (0.3, 0.7, 1.2, 1.9, 2.6, 3.6, 4.1, 5.3)
    same, vectors = True, 0
    for chosen in itertools.combinations(sizes, 4):
        for signs in itertools.product((-1.0, 1.0), repeat=4):
            w = np.array(chosen) * signs
            first = np.sort(np.argsort(np.abs(w))[2:])
            codes = rounded(w)  # codes of equal size are told apart by the weights they came from
            second = np.sort(np.lexsort((np.abs(w), np.abs(codes)))[2:])
            same &= bool((first == second).all())
            vectors += 1
    yield identity(f"{grid}: the same weights are kept", same, evidence="exhaustive", cases=vectors)


CLAIMS = (
    Claim(
        id="ku.errors_add_in_blocks",
        title="Squared errors add where blocks are rounded after pruning, if their grids hold zero",
        paper=PAPER,
        place="Section 4.2, both methods together",
        statement=r"\left\lVert W - Q(PW)\right\rVert^2 = \left\lVert W - PW\right\rVert^2 +"
        r" \left\lVert PW - Q(PW)\right\rVert^2_{\mathrm{kept}}",
        hypotheses="2:4 and 50 % unstructured; eight block formats as they are for dense tensors, no mask "
        "stored; Gaussian and Student-t weights. Q4_1 and Q5_1 have no level at zero: they need the mask.",
        mark="derived",
        check=block_errors_add,
        twins=(Twin("Q4_1, which has no zero", {"names": ("Q4_1",)}),),
        figure="formats_blocks",
        constant=Constant("the sum of both errors"),
    ),
    Claim(
        id="ku.block_order",
        title="n:m pruning and rounding in symmetric blocks may be done in either order",
        paper=PAPER,
        place="Section 2, beyond the paper",
        statement=r"P_{n:m}(Q(W)) = Q(P_{n:m}(W))",
        hypotheses="The largest magnitude of a block is kept, so its scale stays; symmetric levels keep the "
        "order of magnitudes; ties between codes are decided by the weights. Tensors of 262,144 weights.",
        mark="derived",
        check=block_order,
        twins=(
            Twin("NF4, whose sides differ", {"names": ("NF4 b64",)}),
            Twin("an unstructured mask, across blocks", {"mask": MASKS[1]}),
        ),
        figure="formats_blocks",
        constant="a proposition: the same values are stored",
    ),
    Claim(
        id="ku.late_masks",
        title="Choosing zeros after rounding costs 0.3 to 1.2 dB",
        paper=PAPER,
        place="Section 2, beyond the paper",
        statement=r"\mathrm{SNR}(Q \circ P) - \mathrm{SNR}(P \circ Q) = 0.300, 0.279, 0.568, 1.205"
        r"\ \mathrm{dB}",
        hypotheses="INT4 in groups of 128, 2:4 and 50 % unstructured, Gaussian and Laplace weights: codes "
        "tie, and their mask cuts whichever comes first. Drawn, to 3 %.",
        mark="heuristic",
        check=late_masks,
        twins=(Twin("5 % more", {"factor": 1.05}), Twin("with MXFP8", {"name": "MXFP8 E4M3"})),
        figure="formats_blocks",
        constant=Constant("losses in dB"),
    ),
    Claim(
        id="ku.pruned_blocks",
        title="Laws of blocks after a mask: a truncated law with a hole",
        paper=PAPER,
        place="Section 2, beyond the paper",
        statement=r"\mathbb{E}\,e^2_{\mathrm{kept}} = \mathbb{E}_m\left[e_s^2; G^{-1}(C\,G(m)) < |W| \le m"
        r"\right],\quad C \sim \mathrm{Beta}(m - n, n)",
        hypotheses="Independent weights, 2:4 and 50 % unstructured, three block formats, a million weights "
        "drawn, to 1 %. What is kept is large: it loses more than its share in floating-point codes.",
        mark="derived",
        check=pruned_blocks,
        twins=(Twin("half of the dense error", {"share": True}), Twin("2 % more", {"factor": 1.02})),
        figure="formats_blocks",
        constant=Constant("the law"),
    ),
    Claim(
        id="ku.output_errors_add",
        title="In the outputs, too, errors of pruning and of rounding add where inputs are uncorrelated",
        paper=PAPER,
        place="Section 4.2, both methods together",
        statement=r"\lVert X(W - Q(PW))\rVert^2 = \lVert X(W - PW)\rVert^2 + \lVert X(PW - Q(PW))\rVert^2"
        r" \text{ where } X^\top X \text{ is diagonal}",
        hypotheses="2:4 and 50 % unstructured; integers, groups, MXFP4, FP8; Gaussian and Student-t weights; "
        "128 inputs of unequal power.",
        mark="derived",
        check=output_errors_add,
        twins=(Twin("neighbouring inputs correlated by 0.8", {"correlation": 0.8}),),
        figure="formats_blocks",
        constant=Constant("the sum of both errors"),
    ),
    Claim(
        id="ku.pruning_rounding_order",
        title="On a symmetric grid of fixed step pruning and rounding may be done in either order",
        paper=PAPER,
        place="Section 2, beyond the paper",
        statement=r"P(Q(W)) = Q(P(W)) \text{ on } s\{-M..M\}",
        hypotheses="Ties between codes are decided by the weights. Two's complement, which saturates "
        "at different magnitudes on either side, keeps others.",
        mark="derived",
        check=orders,
        twins=(Twin("two's complement", {"grid": "twos-complement"}),),
        figure="formats_blocks",
        constant="a proposition: the same weights are kept",
    ),
)
