"""Which arrays of a file are the network's weights: no copies, no state of an optimizer, no biases."""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sims.checkpoints import Contents, Tensor, is_float
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
    *("_orig_mod", "_fsdp_wrapped_module", "student"),
}
_AVERAGED = re.compile(r"(^|.*_)(ema|swa|averaged|shadow)($|_.*)")
_OPTIMIZER = re.compile(r"optim(izer)?s?(_.*)?|.*_optim(izer)?s?(_states?)?|opt_states?")
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
}
_MOMENTS = {
    *("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "exp_avg_sq_row", "exp_avg_sq_col", "exp_inf", "square_avg"),
    *("momentum_buffer", "momentum", "acc_delta", "grad_avg", "grad", "sum_sq", "prev_update"),
}
_TABLES = {"cos_cached", "sin_cached", "cos", "sin", "freqs_cos", "freqs_sin", "freqs_cis", "inv_freq"}
_BIASES = re.compile(r"(.*_)?(bias|biases|beta)")
# Of Keras 3, which names no variables: kernel, recurrent kernel, bias.
_RECURRENT_BIAS = re.compile(r"(^|.*/)(gru|lstm|simple_rnn)(_\d+)?/cell/vars/2")


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


def parts_of(name: str) -> list[str]:
    """The parts of a tensor's name, in small letters.

    Examples
    --------
    >>> parts_of("Model.layers.0/Dense_1/kernel:0")
    ['model', 'layers', '0', 'dense_1', 'kernel']
    """
    return re.split(r"[./]", name.lower().removesuffix(":0"))


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
        tensors = _without(tensors, chosen, _training_state)
        tensors = _without(tensors, chosen, _averages(tensors))
    tensors = _without(tensors, chosen, _shared())
    matrices = any(
        tensor.size >= min_size and not _is_vector(tensor) and not _is_bias(name)
        for name, tensor in tensors.items()
    )
    chosen.tensors = _without(tensors, chosen, _small(min_size, matrices and not include))
    return chosen


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
    return "a single number" if tensor.size == 1 and not tensor.shape else ""


def _training_state(name: str, tensor: Tensor) -> str:
    parts = parts_of(name)
    if parts[-1] in _TABLES:
        return "a table of positions, which no training changes"
    if parts[:2] == ["optimizer", "target"]:  # of Flax: the parameters themselves
        return ""
    if parts[-1] in _MOMENTS or any(_OPTIMIZER.fullmatch(part) for part in parts[:3]):
        return "state of an optimizer"
    return "state of the training" if _TRAINING & set(parts[:2]) else ""


def canonical(name: str) -> tuple[str, bool]:
    """The name inside the network, without dots, and whether it is that of an average.

    Examples
    --------
    >>> canonical("state_dict.model.fc.weight"), canonical("model_ema.module.fc.weight")
    (('fcweight', False), ('fcweight', True))
    """
    parts, averaged = parts_of(name), False
    while len(parts) > 1 and (parts[0] in _CONTAINERS or _AVERAGED.fullmatch(parts[0])):
        averaged |= bool(_AVERAGED.fullmatch(parts[0]))
        del parts[0]
    return "".join(parts), averaged


def _averages(tensors: dict[str, Tensor]):
    """Averaged copies (EMA, SWA) of tensors that are there, too."""
    names = {name: canonical(name) for name in tensors}
    originals = {
        (inner, tensors[name].shape): name
        for name, (inner, averaged) in reversed(names.items())
        if not averaged
    }

    def reason(name: str, tensor: Tensor) -> str:
        inner, averaged = names[name]
        original = originals.get((inner, tensor.shape))
        return f"an averaged copy of {original!r}" if averaged and original else ""

    return reason


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


def _is_bias(name: str) -> bool:
    return bool(_BIASES.fullmatch(parts_of(name)[-1]) or _RECURRENT_BIAS.fullmatch(name))


def _small(min_size: int, matrices: bool):
    def reason(name: str, tensor: Tensor) -> str:
        bias = _is_bias(name)
        if _is_vector(tensor) and matrices and (bias or tensor.size < LARGE_VECTOR):
            return "a vector: biases and normalisation are kept as they are"
        if bias and matrices:
            return "biases are kept as they are"
        return f"fewer than {min_size} elements" if tensor.size < min_size else ""

    return reason
