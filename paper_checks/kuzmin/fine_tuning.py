"""Claims on fine-tuning (Section 5), on small networks: directions and mechanisms, no accuracies of ImageNet.

Every number here comes from networks of about 5,000 weights on 8 x 8 images (standard budget: also
convolutional ones, and MNIST). Ten seeds are paired: the same start, the same batches. Differences over
seeds have exact p-values; as a claim on training in general they are simulated evidence, and are marked so.
"""

import dataclasses
import functools
import itertools
from typing import Any

import numpy as np

from paper_checks.claim import Claim, Constant, Skipped, Twin, at_least, at_most, within
from sims.fine_tuning import NEEDED, Cell, Setting, available, compare, sign_flip_p_value
from sims.fine_tuning.methods import best_steps
from theory.fine_tuning import tuning_codes

PAPER = "kuzmin"
QUICK = (Setting(pretraining=15, epochs=10),)
STANDARD = (
    *QUICK,
    Setting(data="mnist", pretraining=15, epochs=10),
    Setting("conv", pretraining=12, epochs=8),
)
BITS = (8, 4, 2)
SIMULATED: dict[str, Any] = {"evidence": "simulated"}


@functools.cache
def _cell(setting: Setting, method: str, bits: int, seed: int, changes: tuple = ()) -> Cell:
    return compare(setting, method, bits, seed, **dict(changes))


def cells(run, method: str, bits: int, **changes: Any) -> list[tuple[str, Cell]]:
    """(name, cell) of every setting of the run's budget; trained once in a process."""
    if not available():
        raise Skipped(NEEDED)
    settings = QUICK if run.budget == "quick" else STANDARD
    return [
        (
            f"{one.network}, {one.data}, {bits} bits",
            _cell(one, method, bits, run.seed, tuple(sorted(changes.items()))),
        )
        for one in settings
    ]


def _images(cell: Cell, other: Cell) -> np.ndarray:
    """How many more test images the first gets right, by seed."""
    return np.rint((cell.accuracy - other.accuracy) * cell.images).astype(np.int64)


def quantization_wins(run, first="qat", second="prune"):
    """Paired differences in accuracy at equal compression; exact test over the seeds, widths added up."""
    total: dict[int, np.ndarray] = {}
    for bits in BITS:
        for index, ((name, one), (_, other)) in enumerate(
            zip(cells(run, first, bits), cells(run, second, bits), strict=True)
        ):
            d = _images(one, other)
            if bits < 8:
                total[index] = total.get(index, 0) + d
            gain = float((one.accuracy - other.accuracy).mean())
            yield at_least(f"mean gain, {name}", gain, -0.005, **SIMULATED)
    for index, d in total.items():
        detail = f"images over ten seeds, 4 and 2 bits: {d.tolist()}"
        p = sign_flip_p_value(d)
        yield at_most(f"p, setting {index + 1}", p, 0.01, detail=detail, **SIMULATED)
        signs = np.array(list(itertools.product((-1, 1), repeat=len(d))))
        counted = float(np.mean(signs @ np.abs(d) >= d.sum()))
        yield within(f"p, setting {index + 1}: beside all {len(signs):,} choices of signs", p, counted, 1e-12)


def pruning_returns(run, weights=False, factor=1.0):
    """Seeds whose pruned outputs come closer to the original by fine-tuning, or the `weights` instead."""
    for bits in (4, 2):
        for (name, after), (_, before) in zip(
            cells(run, "prune", bits), cells(run, "magnitude", bits), strict=True
        ):
            for what, values in _measures(after, before, weights):
                yield at_least(f"{what}, {name}", float(np.mean(values > 0)), 0.8 * factor, **SIMULATED)


def quantization_moves(run, outputs_at=8, factor=1.0):
    """Seeds whose quantized weights are farther from the original by fine-tuning; outputs, at one width."""
    for bits in BITS:
        for (name, after), (_, before) in zip(
            cells(run, "qat", bits), cells(run, "nearest", bits), strict=True
        ):
            for what, values in _measures(after, before, True):
                yield at_least(f"{what}, {name}", float(np.mean(values < 0)), 0.8 * factor, **SIMULATED)
            if bits == outputs_at:
                for what, values in _measures(after, before, False):
                    yield at_least(f"{what}, {name}", float(np.mean(values < 0)), 0.8 * factor, **SIMULATED)


def _measures(after: Cell, before: Cell, weights: bool) -> list[tuple[str, np.ndarray]]:
    """Changes by fine-tuning, a number per seed."""
    if weights:
        return [("SNR of the weights", after.weights_snr["network"] - before.weights_snr["network"])]
    last = list(after.cka)[-1]
    return [
        ("SNR of the logits", after.outputs_snr[last] - before.outputs_snr[last]),
        ("CKA of the logits", after.cka[last] - before.cka[last]),
    ]


def quantization_stays_closer(run, first="qat", second="prune", factor=1.0):
    """CKA with the original network, at equal compression: of every layer, at 2 bits of the logits alone."""
    for bits in BITS:
        for (name, one), (_, other) in zip(cells(run, first, bits), cells(run, second, bits), strict=True):
            layers = list(one.cka) if bits > 2 else list(one.cka)[-1:]
            gaps = {layer: float(np.median(one.cka[layer] - factor * other.cka[layer])) for layer in layers}
            layer = min(gaps, key=lambda key: gaps[key])
            yield at_least(f"least median gap ({layer}), {name}", gaps[layer], 0.0, **SIMULATED)


def positive_steps(run, parameter="log", factor=1.0):
    """Least of all learned steps over its start: 2 bits, ten times the usual rate, no gradient scale."""
    if not available():
        raise Skipped(NEEDED)
    setting = dataclasses.replace(QUICK[0], tuning_rate=0.5, epochs=3)
    cell = _cell(setting, "qat", 2, run.seed, (("parameter", parameter), ("scaled", False)))
    starts = best_steps(cell.original.latent, tuning_codes(2))
    assert cell.trained.steps is not None
    ratios = np.concatenate([(a / b).ravel() for a, b in zip(cell.trained.steps, starts, strict=True)])
    yield at_least("least step over its start", float(ratios.min()), float(np.exp(-4.001 * factor)))
    yield at_most("largest step over its start", float(ratios.max()), float(np.exp(4.001 * factor)))


def masks_hold(run, held=True, factor=1.0):
    """Share of zeros after fine-tuning with momentum and weight decay, beside the wanted one."""
    for name, cell in cells(run, "prune", 2, **({} if held else {"held": False})):
        yield within(f"sparsity, {name}", cell.trained.sparsity(), 0.875 * factor, 0.001)


def published_details(run, changed="clipped", least=0.05, factor=1.0):
    """Points of accuracy at 2 bits that two details of the published method are worth."""
    changes = {changed: False} if changed else {}
    for (name, whole), (_, without) in zip(
        cells(run, "qat", 2), cells(run, "qat", 2, **changes), strict=True
    ):
        gain = float((whole.accuracy - without.accuracy).mean())
        yield at_least(f"accuracy lost without it, {name}", gain, least * factor, **SIMULATED)


def learned_above_best(run, method="qat", factor=1.0):
    """Median learned step over the step of least error of the final latent weights, layer by layer."""
    for bits in (4, 2):
        for name, cell in cells(run, method, bits):
            for layer, values in cell.steps.items():
                yield at_least(f"{layer}, {name}", float(np.median(values)), 1.05 * factor, **SIMULATED)


def training_pays(run, bits=2, factor=1.0):
    """Accuracy that fine-tuning adds to the best of the methods without training, at `bits` bits."""
    groups = (("qat", ("nearest", "gpfq", "optq")), ("prune", ("magnitude", "obs")))
    for tuned, others in groups:
        best = [cells(run, method, bits) for method in others]
        for index, (name, cell) in enumerate(cells(run, tuned, bits)):
            rival = max(float(np.median(found[index][1].accuracy)) for found in best)
            gain = float(np.median(cell.accuracy)) - rival
            yield at_least(f"{tuned}, {name}", gain, 0.02 * factor, **SIMULATED)


SMALL = "Networks of 4,928 weights on 8 x 8 digits, ten paired seeds; standard budget: MNIST, convolutions. "
CLAIMS = (
    Claim(
        id="ku.tuning_quantization_wins",
        title="After fine-tuning quantization beats pruning at equal compression",
        paper=PAPER,
        place="Section 5, Table 1: a direction, not its accuracies",
        statement=r"\mathrm{acc}(\mathrm{QAT}, b) > \mathrm{acc}(\mathrm{pruned}, 1 - b/16),\quad b = 2, 4;"
        r"\quad \ge\ \text{up to half a point},\ b = 8",
        hypotheses=SMALL + "Paired sign-flip test, $p \\le 0.01$.",
        mark="paper",
        check=quantization_wins,
        shares="trained networks",
        twins=(Twin("pruning beats quantization", {"first": "prune", "second": "qat"}),),
        figure="fine_tuning_accuracy",
        constant="signs of differences over seeds",
    ),
    Claim(
        id="ku.tuning_pruning_returns",
        title="Fine-tuning brings the outputs of pruned networks back towards the original",
        paper=PAPER,
        place="Section 5, representations",
        statement=r"\mathrm{CKA}, \mathrm{SNR}\ \text{of the logits rise from magnitude pruning to tuned},"
        r"\ b = 4, 2",
        hypotheses=SMALL + "In at least eight of ten seeds.",
        mark="paper",
        check=pruning_returns,
        shares="trained networks",
        twins=(Twin("the weights come back too", {"weights": True}),),
        figure="fine_tuning_representation",
        constant=Constant("eight of ten seeds", "lower", "a share of ten seeds"),
    ),
    Claim(
        id="ku.tuning_quantization_moves",
        title="Fine-tuning moves quantized weights away from the original; their outputs only at 8 bits",
        paper=PAPER,
        place="Section 5, representations",
        statement=r"\mathrm{SNR}(W)\ \text{falls at } b = 8, 4, 2;\quad"
        r" \mathrm{SNR}, \mathrm{CKA}\ \text{of the logits fall at } b = 8",
        hypotheses=SMALL
        + "In at least eight of ten seeds. At 2 bits the outputs return instead: rounding has "
        "destroyed them, and training repairs them.",
        mark="paper",
        check=quantization_moves,
        shares="trained networks",
        twins=(Twin("the outputs move away at 2 bits as well", {"outputs_at": 2}),),
        figure="fine_tuning_representation",
        constant=Constant("eight of ten seeds", "lower", "a share of ten seeds"),
    ),
    Claim(
        id="ku.tuning_stays_closer",
        title="After fine-tuning quantized networks represent more of the original than pruned ones",
        paper=PAPER,
        place="Section 5, representations",
        statement=r"\mathrm{CKA}(\mathrm{QAT}, b) \ge \mathrm{CKA}(\mathrm{pruned}, 1 - b/16)"
        r"\ \text{in every layer},\ b = 8, 4;\ \text{of the logits},\ b = 2",
        hypotheses=SMALL
        + "Medians over seeds, unbiased CKA on the test images. Not in every layer at 2 bits: in "
        "the first layer on MNIST pruned networks are ahead by 0.002.",
        mark="derived",
        check=quantization_stays_closer,
        shares="trained networks",
        twins=(Twin("pruned ones represent more", {"first": "prune", "second": "qat"}),),
        figure="fine_tuning_representation",
        constant=Constant("CKA of the pruned networks", "lower"),
    ),
    Claim(
        id="ku.positive_steps",
        title="Steps learned as s_0 exp(c tanh(p/c)) stay positive at any rate",
        paper=PAPER,
        place="Section 5, quantization-aware training: a public error",
        statement=r"e^{-4} \le s/s_0 \le e^{4}",
        hypotheses="Two bits, a rate of 0.5, no gradient scale, ten seeds. The published parameter, s "
        "itself, turns negative there.",
        mark="derived",
        check=positive_steps,
        shares="trained networks",
        twins=(Twin("s itself as the parameter", {"parameter": "raw"}),),
        constant=Constant("the reach c = 4", "upper"),
    ),
    Claim(
        id="ku.masks_hold",
        title="Masks that only grow survive momentum and weight decay",
        paper=PAPER,
        place="Section 5, pruning: a public error",
        statement=r"\text{share of zeros} = 1 - 2/16",
        hypotheses="Weights are multiplied by their mask, not only their gradients.",
        mark="derived",
        check=masks_hold,
        shares="trained networks",
        twins=(Twin("the gradients alone are masked", {"held": False}),),
        constant=Constant("the sparsity"),
    ),
    Claim(
        id="ku.gradient_mask",
        title="Without the gradient mask outside the range learned steps lose points",
        paper=PAPER,
        place="Section 5, quantization-aware training: a public error",
        statement=r"\mathrm{acc}(\text{with}) - \mathrm{acc}(\text{without}) \ge 5\ \text{points},\ b = 2",
        hypotheses=SMALL,
        mark="paper",
        check=published_details,
        shares="trained networks",
        twins=(Twin("the same with the mask in both", {"changed": ""}),),
        constant=Constant("5 points", "lower", "24 points here: 5 hold in every setting"),
    ),
    Claim(
        id="ku.gradient_scale",
        title="Without its gradient scale the step runs away",
        paper=PAPER,
        place="Section 5, quantization-aware training; Esser et al. 2020, Section 2.2",
        statement=r"g = 1/\sqrt{N h}:\quad \mathrm{acc}(g) - \mathrm{acc}(1) \ge 20\ \text{points},\ b = 2",
        hypotheses=SMALL + "Stochastic gradient descent at one rate for weights and steps.",
        mark="paper",
        check=published_details,
        shares="trained networks",
        parameters={"changed": "scaled", "least": 0.2},
        twins=(Twin("the scale in both", {"changed": ""}),),
        constant=Constant("20 points", "lower", "86 points here: 20 hold in every setting"),
    ),
    Claim(
        id="ku.learned_steps",
        title="Learned steps lie above the steps of least error",
        paper=PAPER,
        place="Section 5, beyond the paper",
        statement=r"s_{\mathrm{LSQ}} \ge 1.05\, s^*(w),\quad b = 4, 2",
        hypotheses=SMALL + "Medians over seeds, every layer, the final latent weights.",
        mark="derived",
        check=learned_above_best,
        shares="trained networks",
        twins=(Twin("steps that are not learned", {"method": "ste"}),),
        figure="fine_tuning_steps",
        constant=Constant("1.05", "lower"),
    ),
    Claim(
        id="ku.training_pays",
        title="At 2 bits fine-tuning beats every method without training by 2 points",
        paper=PAPER,
        place="Sections 4 and 5",
        statement=r"\mathrm{acc}(\text{tuned}) - \max \mathrm{acc}(\text{untrained}) \ge 2\ \text{points}",
        hypotheses=SMALL + "Nearest, GPFQ, OPTQ; magnitude, OBS.",
        mark="derived",
        check=training_pays,
        shares="trained networks",
        twins=(Twin("at 8 bits already", {"bits": 8}),),
        figure="fine_tuning_accuracy",
        constant=Constant("2 points", "lower", "13 and 8 points here: 2 hold in every setting"),
    ),
)
