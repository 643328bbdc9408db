"""What a constant of an ONNX graph is where it is no weight: a bias, a scale, a table of positions."""

from sims.checkpoints.onnx_graph import Scope, Use
from sims.checkpoints.onnx_scaled import UNREAD
from sims.checkpoints.reasons import ADDED, BIAS, NORMALISATION, SCALE, TABLE, VECTOR

_ELEMENTWISE = (
    "Add",
    "Sub",
    "Mul",
    "Div",
    "PRelu",
    "BiasAdd",
    "BiasGelu",
    "FastGelu",
    "SkipLayerNormalization",
)
_PLACES = {
    **{(kind, 3): BIAS for kind in ("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM")},
    **{("QuantizeLinear", place): SCALE for place in (1, 2)},
    **{(kind, place): SCALE for (kind, _), places in UNREAD.items() for place in places},
    **{("GroupQueryAttention", place): TABLE for place in (7, 8)},
    **{(f"{kind}Normalization", 1): NORMALISATION for kind in ("Layer", "SimplifiedLayer", "RMS")},
    ("LayerNormalization", 2): BIAS,
    ("PRelu", 1): SCALE,
}


def apart(name: str, shape: tuple[int, ...], scope: Scope) -> str:
    """Why a constant is no weight, as all of its uses say; "" where they do not."""
    uses = scope.uses.get(name, ())
    subtracted = any(use.node.op_type == "Sub" for use in uses)  # a grid of points, a mean image
    if subtracted and len(shape) > 1 and all(_is_shift(use) for use in uses):
        return ADDED
    found = {_role(use, shape) for use in uses}
    return found.pop() if len(found) == 1 else ""


def _is_shift(use: Use) -> bool:
    """Whether it is added to, or subtracted from or by, something that is computed."""
    others = [name for place, name in enumerate(use.node.input) if place != use.place]
    return use.node.op_type in ("Add", "Sub") and all(use.scope.constant(name) is None for name in others)


def _role(use: Use, shape: tuple[int, ...]) -> str:
    kind, place = use.node.op_type, use.place
    if kind == "RotaryEmbedding":  # the caches stand in other places in onnxruntime's own operator
        return TABLE if place in ((2, 3) if use.node.domain == "com.microsoft" else (1, 2)) else ""
    row = len(shape) == 2 and 1 in shape  # of matrices only; vectors of other ranks are known by their shape
    if row and (kind in _ELEMENTWISE or (kind in ("Gemm", "FusedGemm") and place == 2)):
        return VECTOR
    return _PLACES.get((kind, place), "")
