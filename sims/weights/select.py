"""Which arrays of a file are the network's weights: no copies, no state of an optimizer, no biases."""

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sims.checkpoints import Contents, Tensor, is_float, reasons
from sims.checkpoints.elements import is_narrow_float
from sims.checkpoints.keras_names import bare, parts_of
from sims.weights import quantized
from sims.weights.axes import with_axes

MIN_SIZE = 256  # a smaller tensor costs nothing to keep, and its ratios are mostly chance
LARGE_VECTOR = (
    2**16
)  # no layer has so many channels: a longer vector is a flattened matrix, unless named a bias

_CONTAINERS = {  # what training scripts put around a network
    *(
        "state_dict",
        "model",
        "model_state_dict",
        "model_state",
        "module",
        "net",
        "network",
        "params",
        "weights",
    ),
    *("_orig_mod", "_fsdp_wrapped_module", "student", "online_model"),
}
# Other moments of one training beside it: before, at its best, rewound.
_MOMENT = re.compile(r"(best|last|init|initial|rewind|old|prev|previous|original)_(.+)")
_AVERAGED = re.compile(r"(^|.*_)(ema|swa|averaged|shadow)($|_.*)")
_FOLLOWERS = [  # parts of names of networks that follow another one as its average, and that one's
    (re.compile(pattern), original)
    for pattern, original in (
        (r"(model)?teacher(_.+)?", r"\1student\2"),
        (r"momentum_encoder", "base_encoder"),
        (r"target_(network|encoder)", r"online_\1"),
        # an attention has its keys and queries, too
        (r"(.*(encoder|backbone|neck|head))_k", r"\1_q"),
        (r"(.*(encoder|decoder|proj|model|net))_m", r"\1"),  # ALBEF
        (r"(.+)_momentum", r"\1"),
        # of reinforcement learning; in translation both languages have words of their own
        (r"(?!.*(embed|token|word|vocab))(.+)_target", r"\2"),
        (r"(?!.*(embed|token|word|vocab))target_(.+)", r"\2"),
    )
]
_OPTIMIZER = re.compile(r"optim(izer)?s?([_:].*)?|.*_optim(izer)?s?(_states?)?|opt_states?")
_TRAINING = {
    "grads",
    "gradients",
    "lr_schedulers",
    "lr_scheduler",
    "scheduler",
    "grad_scaler",
    "loss_scaler",
    "rng_state",
    "callbacks",
    *("master_params", "master_weights"),  # of mixed precision: the same weights in float32
}
_QUEUE = re.compile(r"(.*_)?queue\d*")  # of features that a training compares with (MoCo, ALBEF)
# Of torch.optim under whatever key: ["state"][number of a parameter][name of a sum].
_STATE = re.compile(r"(.*\.)?state\.\d+\.(?!\w*(weight|bias|kernel|scale|gamma|embed))\w+")
# Of TensorFlow, below the name of the variable whose state they are.
_SLOTS = re.compile(r"(adam|rmsprop|momentum|adagrad|adadelta|ftrl|lamb|exponentialmovingaverage).*")
_MOMENTS = {
    *("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "exp_avg_sq_row", "exp_avg_sq_col", "exp_inf", "square_avg"),
    *("momentum_buffer", "momentum", "acc_delta", "grad_avg", "grad", "sum_sq", "prev_update"),
    *("embed_avg", "ema_w"),  # running sums of VQ-VAE
}
_TABLES = {"cos_cached", "sin_cached", "cos", "sin", "freqs_cos", "freqs_sin", "freqs_cis", "inv_freq"}
_TABLES |= {"cos_cache", "sin_cache", "relative_coords_table", "alibi"}
_TABLES |= {"anchors", "anchor_grid", "priors", "prior_boxes"}  # of detectors
_FIXED = {
    "mel_basis",
    "mel_filters",
    "mel_fb",
    "melw",
    "dct_mat",
    "forward_basis",
    "inverse_basis",
    "noise_const",
}
_FIXED_BELOW = re.compile(r"(.*\.)?(mel_scale\.fb|noises\.noise_\d+)")
_BIASES = re.compile(r"(.*_)?(bias|biases|beta|offset)")
_LETTER = re.compile(r"(.*?)[bB](_?\d*)")  # a bias where there is a `w` beside it
_ROW_BIASES = re.compile(r"(b|bias|biases|intercepts?)_?\d*")  # of programs that keep them as (1, outputs)
_ROWS = re.compile(r"u_?\d*|sn_u|vector_u|(.*_)?token")  # of spectral norms, and one token: (1, n)
_SCALES = re.compile(r"(.*_)?scales?|ia3_l")  # the last of adapters that scale activations
# Of Keras 3, which names no variables: kernel, recurrent kernel, bias.
_RECURRENT_BIAS = re.compile(r"(^|.*/)cell/vars/2")
_NORMALISATION = re.compile(r"(^|.*/)(.*_)?normalization(_\d+)?/vars/\d")
_SLOPES = re.compile(r"(^|.*/)p_?re_?lu(_\d+)?/(vars/0|alpha)")


@dataclass
class Selection:
    """What is judged of a file.

    Attributes
    ----------
    tensors
        Weights, by name, with their output axes.
    skipped
        The others, each with its reason.
    total_bytes
        Of everything in the file, shared storages counted once.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    total_bytes: int = 0


def select(
    contents: Contents,
    min_size: int = MIN_SIZE,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    axes: Mapping[str, int] | None = None,
) -> Selection:
    """The weights of a file.

    Parameters
    ----------
    min_size
        Least number of elements of a tensor that is judged.
    include, exclude
        Patterns of names (``*`` and ``?``). With `include` only what it names is judged, copies, optimizer
        state and long vectors among it; `exclude` takes names away.
    axes
        Output axis by pattern of names, before any other evidence.

    Examples
    --------
    >>> import numpy as np
    >>> from sims.checkpoints import of_array
    >>> arrays = {name: np.ones((32, 32)) for name in ("model.w", "model_ema.w", "optimizer.state.0.exp_avg")}
    >>> found = select(Contents(tensors={name: of_array(name, array) for name, array in arrays.items()}))
    >>> list(found.tensors), found.skipped["model_ema.w"]
    (['model.w'], "an averaged copy of 'model.w'")
    """
    chosen = Selection(total_bytes=_bytes(contents.tensors.values()))
    tensors, chosen.skipped = quantized.joined(contents.tensors, contents.config)
    tensors = with_axes(tensors, axes or {})
    tensors = _without(tensors, chosen, _named(include, exclude))
    tensors = _without(tensors, chosen, _no_numbers)
    if not include:
        tensors = _without(tensors, chosen, _training_state(tensors))
        tensors = _without(tensors, chosen, _averages(tensors))
    tensors = _without(tensors, chosen, _shared())
    kept = {name: _kept(name, tensor, tensors) for name, tensor in tensors.items()}
    matrices = any(
        tensor.size >= min_size and not _is_vector(tensor) and not kept[name]
        for name, tensor in tensors.items()
    ) or any(_is_unread(tensor) for tensor in contents.tensors.values())
    tensors = _without(tensors, chosen, _small(min_size, kept if matrices and not include else {}))
    chosen.tensors = {name: _narrow(tensor) for name, tensor in tensors.items()}
    return chosen


def _is_unread(tensor: Tensor) -> bool:
    """Whether it is a matrix of weights that nobody reads: beside it vectors are no network."""
    return (
        len(tensor.shape) > 1
        and tensor.size >= MIN_SIZE
        and (bool(tensor.skip) or quantized.is_packed(tensor))
    )


def _narrow(tensor: Tensor) -> Tensor:
    """The tensor; floats of at most 8 bits with the note that they are rounded already."""
    few = is_narrow_float(tensor.dtype)
    note = f"dequantized from {tensor.dtype}, no scale beside them"
    return tensor.renamed(note=note) if few and not tensor.note else tensor


def _bytes(tensors) -> int:
    seen, total = set(), 0
    for tensor in tensors:
        if tensor.storage is None or tensor.storage not in seen:
            seen.add(tensor.storage)
            total += tensor.nbytes
    return total


def _without(tensors: dict[str, Tensor], chosen: Selection, reason) -> dict[str, Tensor]:
    """The tensors for which there is no reason to leave them out; the reasons go into `chosen`."""
    left = {}
    for name, tensor in tensors.items():
        if why := reason(name, tensor):
            chosen.skipped[name] = why
        else:
            left[name] = tensor
    return left


def _named(include: Sequence[str], exclude: Sequence[str]):
    def reason(name: str, tensor: Tensor) -> str:
        if include and not any(fnmatch.fnmatchcase(name, pattern) for pattern in include):
            return "not named by --include"
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in exclude):
            return "left out by --exclude"
        return ""

    return reason


def _no_numbers(name: str, tensor: Tensor) -> str:
    if tensor.skip:
        return tensor.skip
    if not is_float(tensor.dtype) and not tensor.note:
        return f"{tensor.dtype} values: already integers"
    if tensor.size == 0:
        return "empty"
    return "" if tensor.shape else "a single number"


def _training_state(tensors: Mapping[str, Tensor]):
    variables = {tuple(parts_of(name)) for name in tensors}

    def reason(name: str, tensor: Tensor) -> str:
        parts = parts_of(name)
        if parts[-1] in _TABLES or parts[-2:] == ["anchors", "boxes"]:
            return reasons.TABLE
        if parts[-1] in _FIXED or _FIXED_BELOW.fullmatch(name):
            return reasons.FIXED
        if parts[:2] == ["optimizer", "target"]:  # of Flax: the parameters themselves
            return ""
        slot = _SLOTS.fullmatch(parts[-1]) and tuple(parts[:-1]) in variables
        slot = slot or (name.endswith("_momentum") and name.removesuffix("_momentum") in tensors)  # Detectron
        if slot or parts[-1].lstrip("_") in _MOMENTS or "optimizer_slot" in parts or "ema_dw" in parts[-2:]:
            return "state of an optimizer"
        if any(_OPTIMIZER.fullmatch(part) for part in parts[:3]) or _STATE.fullmatch(name):
            return "state of an optimizer"
        if len(tensor.shape) > 1 and (_QUEUE.fullmatch(parts[-1]) or parts[-1].startswith("running_")):
            return "state of the training"
        return "state of the training" if _TRAINING & set(parts[:2]) else ""

    return reason


def canonical(name: str) -> tuple[str, bool]:
    """The name inside the network, without dots, and whether it is that of an average.

    Examples
    --------
    >>> canonical("state_dict.model.fc.weight"), canonical("model_ema.module.fc.weight")
    (('fcweight', False), ('fcweight', True))
    """
    parts, averaged = parts_of(name), False
    while len(parts) > 1 and (parts[0] in _CONTAINERS or _AVERAGED.fullmatch(parts[0])):
        averaged = (averaged or bool(_AVERAGED.fullmatch(parts[0]))) and parts[0] != "online_model"
        del parts[0]
    return "".join(parts), averaged


def _averages(tensors: dict[str, Tensor]):
    """Averaged copies (EMA, SWA, a teacher) and other moments of tensors that are there, too."""
    names = {name: canonical(name) for name in tensors}
    shapes = {tensors[name].shape for name, (_, averaged) in names.items() if not averaged}
    originals = {
        (inner, tensors[name].shape): name
        for name, (inner, averaged) in reversed(names.items())
        if not averaged
    }
    flat = {
        ("".join(parts_of(name)[first:]).replace("_", ""), shape): name
        for (_, shape), name in originals.items()
        for first in (0, 1)
    }

    def candidates(name: str) -> Iterator[tuple[str, Mapping, str]]:
        """What a tensor may be, and where the original may stand under which name."""
        inner, averaged = names[name]
        for one in [*_of_originals(name), *([inner] if averaged else [])]:
            yield "an averaged copy", originals, one
        part = parts_of(name)[-1]
        if part.startswith("ema_"):  # of mmdetection: a name of one part, its dots replaced
            yield "an averaged copy", flat, part.removeprefix("ema_").replace("_", "")
        first, _, rest = name.partition(".")
        moment = _MOMENT.fullmatch(first.lower())
        if moment and moment[2] in _CONTAINERS:
            yield "another moment", originals, canonical(rest)[0]
        if first.endswith("_old"):  # the policy before a step
            yield "another moment", originals, canonical(f"{first[:-4]}.{rest}")[0]

    def reason(name: str, tensor: Tensor) -> str:
        inner, averaged = names[name]
        if averaged and inner.isdigit() and tensor.shape in shapes:  # a list in the order of the weights
            return "an averaged copy of a weight of its shape"
        for what, known, one in candidates(name):
            original = known.get((one, tensor.shape))
            if original is not None and original != name:
                return f"{what} of {original!r}"
        return ""

    return reason


def _of_originals(name: str) -> list[str]:
    """Names inside the network that an average's original may have: g of g_ema, the student of a teacher.

    Examples
    --------
    >>> _of_originals("g_ema.conv.weight"), _of_originals("module.encoder_k.fc"), _of_originals("conv.weight")
    (['gconvweight'], ['encoder_qfc'], [])
    """
    parts, found = parts_of(name), []
    for i, part in enumerate(parts[:3]):
        others = [pattern.sub(one, part) for pattern, one in _FOLLOWERS if pattern.fullmatch(part)]
        if match := _AVERAGED.fullmatch(part):
            others.append((match[1] + match[3].removeprefix("_" if match[1] else "")).strip("_"))
        found += [canonical(".".join([*parts[:i], one, *parts[i + 1 :]]))[0] for one in others if one]
    return found


def _shared():
    first: dict = {}

    def reason(name: str, tensor: Tensor) -> str:
        if tensor.storage is None or first.setdefault(tensor.storage, name) == name:
            return ""
        return f"the same memory as {first[tensor.storage]!r} (tied)"

    return reason


def _is_vector(tensor: Tensor) -> bool:
    """One axis, or one among others of size 1, as scales of channels have it: (1, channels, 1, 1)."""
    return len(tensor.shape) < 2 or (len(tensor.shape) > 2 and max(tensor.shape) == tensor.size)


def _kept(name: str, tensor: Tensor, tensors: Mapping[str, Tensor]) -> str:
    """Why a tensor of several axes is no weight, whatever its values are; "" of one that may be."""
    if tensor.apart:
        return tensor.apart
    plain, part = bare(name), parts_of(name)[-1]
    stem, ending = plain[: len(plain) - len(part)], name[len(plain) :]
    row = len(tensor.shape) == 2 and 1 in tensor.shape and bool(_ROW_BIASES.fullmatch(part))
    if match := _LETTER.fullmatch(plain[len(stem) :]):
        row = row or any(f"{stem}{match[1]}{w}{match[2]}{ending}" in tensors for w in "wW")
    if len(tensor.shape) == 2 and 1 in tensor.shape and _ROWS.fullmatch(part):
        return reasons.VECTOR
    if row or _BIASES.fullmatch(part) or _RECURRENT_BIAS.fullmatch(name):
        return reasons.BIAS
    if part == "a_log":  # of Mamba: the logarithms
        return reasons.RATES
    if _SCALES.fullmatch(part) or _SLOPES.fullmatch(plain):
        return reasons.SCALE
    bias = {"weight": "bias", "gamma": "beta"}.get(part, "")
    beside = tensors.get(f"{stem}{bias}{ending}") if bias else None
    of_two = beside is not None and len(tensor.shape) > 1 and beside.shape == tensor.shape
    if of_two or _NORMALISATION.fullmatch(name):
        return reasons.NORMALISATION
    return ""


def _small(min_size: int, kept: Mapping[str, str]):
    """Reasons of size, and those of `kept` where there are weights beside."""

    def reason(name: str, tensor: Tensor) -> str:
        why = kept.get(name)
        long = tensor.size >= LARGE_VECTOR and not why
        if why is not None and _is_vector(tensor) and not long:
            return reasons.VECTOR
        return why or (f"fewer than {min_size} elements" if tensor.size < min_size else "")

    return reason
