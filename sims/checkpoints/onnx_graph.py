"""The constants of an ONNX graph, wherever they stand, and what the nodes that use them do with them."""

import re
from dataclasses import dataclass, field
from typing import Any

from sims.checkpoints.tensor import Axis, Grouped

_DEPTH = 40  # of graphs in graphs, functions in functions, and of nodes looked through
# Names that an exporter made up; the node that uses the tensor has a better one.
_MADE_UP = re.compile(r"(|onnx::.*|\d+|(.*/)?(Constant|MatMul|Transpose|Cast|Initializer)_?\d*(_.*)?)")
# Operators, and the place of the weights, whose outputs are the last axis, or the first; those of
# onnxruntime (com.microsoft) stand in files that it has optimized.
_LAST = {(f"{kind}Attention", 1) for kind in ("", "Q", "Packed", "Longformer")}
_LAST |= {("DecoderMaskedSelfAttention", 1), ("DecoderAttention", 2), ("DecoderAttention", 3)}
_PRODUCTS = {  # of matrices, and the places of both factors
    **dict.fromkeys(("MatMul", "MatMulInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"), (0, 1)),
    **dict.fromkeys(("Gemm", "FusedGemm", "FusedMatMul", "FusedMatMulActivation", "TransposeMatMul"), (0, 1)),
    **dict.fromkeys(("GemmFastGelu", "GemmFloat8"), (0, 1)),
    **dict.fromkeys(("QLinearMatMul", "QGemm"), (0, 3)),
}
_FIRST = {("Conv", 1), ("ConvInteger", 1), ("FusedConv", 1), ("QLinearConv", 3), ("Gather", 0)}
_INTEGERS = re.compile(r"(.+)(_quantized|_scale|_zero_point)")
_THROUGH = ("Identity", "Cast", "Transpose", "Squeeze", "Unsqueeze", "DequantizeLinear", "QuantizeLinear")


@dataclass
class Use:
    """A node that takes a tensor as its input number `place`, inside a scope."""

    node: Any
    place: int
    scope: "Scope"

    @property
    def body(self) -> "Scope | None":
        """The function of the model that the node calls with it, if any."""
        found = self.scope.bodies.get((self.node.domain, self.node.op_type))
        return found if found is not None and self.place < len(found.inputs) else None


@dataclass
class Scope:
    """A graph or a function: its constants by name, the uses of names inside, the scope around it."""

    path: str
    outer: "Scope | None" = None
    constants: dict[str, Any] = field(default_factory=dict)  # TensorProto or SparseTensorProto
    uses: dict[str, list[Use]] = field(default_factory=dict)
    producers: dict[str, Any] = field(default_factory=dict)  # nodes by the names of their results
    defined: set[str] = field(default_factory=set)
    inputs: list[str] = field(default_factory=list)  # of a function
    bodies: "dict[tuple[str, str], Scope]" = field(default_factory=dict)  # functions of the model
    axes: dict[tuple[str, int], Axis | None] = field(default_factory=dict)  # output axes already known

    def constant(self, name: str) -> Any:
        """The constant of a name as seen from here, or None: graphs see the names around them."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.constants:
                return scope.constants[name]
            if name in scope.defined:
                return None
            scope = scope.outer
        return None

    def producer(self, name: str) -> Any:
        """The node whose result has a name as seen from here, or None."""
        scope: Scope | None = self
        while scope is not None and name not in scope.defined:
            scope = scope.outer
        return scope.producers.get(name) if scope is not None else None


def scopes(model: Any) -> list[Scope]:
    """Every graph and function of a model, the outermost first."""
    found: list[Scope] = []
    _walk(model.graph, "", None, found, 0)
    bodies: dict[tuple[str, str], Scope] = {}
    for function in model.functions:
        scope = Scope(function.name)
        scope.defined.update(function.input)
        found.append(scope)
        bodies[function.domain, function.name] = scope
        _nodes(function.node, scope, found, 0)
        scope.inputs = list(function.input)
    for scope in found:
        scope.bodies = bodies
    return found


def _walk(graph: Any, path: str, outer: Scope | None, found: list[Scope], depth: int) -> None:
    if depth > _DEPTH:
        raise ValueError("its graphs are nested too deeply")
    scope = Scope(path, outer)
    found.append(scope)
    scope.defined.update(one.name for one in graph.input)
    for tensor in graph.initializer:
        scope.constants.setdefault(tensor.name, tensor)
        if scope.constants[tensor.name] is not tensor:  # no two have one name, but a file may say so
            scope.constants[f"{tensor.name}\0{len(scope.constants)}"] = tensor
    for sparse in graph.sparse_initializer:
        scope.constants[sparse.values.name] = sparse
    _nodes(graph.node, scope, found, depth)


def _nodes(nodes: Any, scope: Scope, found: list[Scope], depth: int) -> None:
    for number, node in enumerate(nodes):
        scope.defined.update(node.output)
        scope.producers.update((name, node) for name in node.output)
        for place, name in enumerate(node.input):
            if not name:  # an input that is left out
                continue
            at = scope
            while name not in at.constants and name not in at.defined and at.outer is not None:
                at = at.outer  # a graph inside a node sees the names around it
            at.uses.setdefault(name, []).append(Use(node, place, scope))
        for attribute in node.attribute:
            if node.op_type == "Constant" and node.output:
                if attribute.name == "value":
                    scope.constants[node.output[0]] = attribute.t
                elif attribute.name == "sparse_value":
                    scope.constants[node.output[0]] = attribute.sparse_tensor
            for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                inside = f"{scope.path}/{node.name or f'{node.op_type}_{number}'}.{attribute.name}"
                _walk(graph, inside, scope, found, depth + 1)


def attribute(node: Any, name: str, default: Any) -> Any:
    """The value of a node's attribute: an integer, or a list of them."""
    for one in node.attribute:
        if one.name == name:
            return list(one.ints) if isinstance(default, list) else one.i
    return default


def readable_name(name: str, scope: Scope) -> str:
    """The name of a constant; one that an exporter made up gives way to the name of the node that uses it."""
    name, path = name.partition("\0")[0], scope.path
    parts = _INTEGERS.fullmatch(name)
    stem, ending = parts.groups() if parts else (name, "")
    codes = [use for use in scope.uses.get(f"{stem}_quantized", ()) if use.node.op_type.endswith("Integer")]
    if codes and ending:  # codes, scale and zero point, which onnxruntime joins by their names alone
        made_up = _MADE_UP.fullmatch(stem) and codes[0].node.name
        name = f"{codes[0].node.name.strip('/')}.weight{ending}" if made_up else name
    elif _MADE_UP.fullmatch(name):
        tensor = name
        for _ in range(_DEPTH):
            use = next(iter(scope.uses.get(tensor, ())), None)
            if use is None:
                break
            if (body := use.body) is not None:
                scope, tensor = body, body.inputs[use.place]
            elif use.node.op_type in _THROUGH and use.node.output:
                scope, tensor = use.scope, use.node.output[0]
            else:
                name = f"{use.node.name.strip('/')}.{_role(use)}" if use.node.name else name
                break
    return f"{path.strip('/')}/{name}" if path else name


def _role(use: Use) -> str:
    recurrent = use.node.op_type in ("LSTM", "GRU", "RNN")
    known = recurrent or use.node.op_type in ("MatMul", "Gemm", "Conv", "ConvTranspose")
    roles = ("input", "weight", *(("recurrence",) if recurrent else ()), "bias") if known else ()
    return roles[use.place] if use.place < len(roles) else f"input{use.place}"


def output_axis(name: str, rank: int, scope: Scope, depth: int = 0) -> Axis | None:
    """The axes of a constant that become the channels of the result, as its uses say; None where unclear.

    Every tensor of the graph is looked at once, however many constants lead to it.
    """
    key = (name, rank)
    if key not in scope.axes:
        scope.axes[key] = None  # names may lead in a circle
        found = {_axis(use, rank, depth) for use in scope.uses.get(name, ())} - {None}
        scope.axes[key] = found.pop() if len(found) == 1 else None
    return scope.axes[key]


def _axis(use: Use, rank: int, depth: int) -> Axis | None:
    kind, place, node = use.node.op_type, use.place, use.node
    if depth > _DEPTH:
        return None
    if (body := use.body) is not None:
        return output_axis(body.inputs[place], rank, body, depth + 1)
    if place in _PRODUCTS.get(kind, ()) and rank >= 2:
        return _product_axis(node, _PRODUCTS[kind].index(place), rank)
    if (kind, place) in _LAST and rank >= 2:
        return rank - 1
    if (kind, place) in _FIRST:
        return 0
    if kind == "ConvTranspose" and place == 1 and rank >= 3:
        groups = attribute(node, "group", 1)
        return Grouped(groups) if groups > 1 else 1
    if kind in ("LSTM", "GRU", "RNN") and place in (1, 2) and rank == 3:
        return 0, 1  # each direction has outputs of its own
    if kind == "Concat" and node.output:  # pieces of one weight
        axis = output_axis(node.output[0], rank, use.scope, depth + 1)
        return None if isinstance(axis, Grouped) else axis
    if kind in ("Split", "Slice") and not place:  # of one weight into several
        axes = {output_axis(one, rank, use.scope, depth + 1) for one in node.output} - {None}
        axis = axes.pop() if len(axes) == 1 else None
        return None if isinstance(axis, Grouped) else axis
    if kind == "Einsum":
        return _einsum_axis(node, place, rank)
    scaled = kind in ("Mul", "Div") and _beside_constant(use, rank)  # by its norm, its learning rate
    through = not place and kind in _THROUGH and kind not in ("Squeeze", "Unsqueeze")
    if not node.output or not (through or scaled):
        return None
    axis = output_axis(node.output[0], rank, use.scope, depth + 1)
    perm = attribute(node, "perm", []) or list(range(rank))[::-1]
    if kind != "Transpose" or axis is None or sorted(perm) != list(range(rank)):
        return axis
    if isinstance(axis, Grouped):
        return Grouped(axis.groups, perm[axis.inputs], perm[axis.outputs])
    return tuple(perm[one] for one in axis) if isinstance(axis, tuple) else perm[axis]


def _beside_constant(use: Use, rank: int) -> bool:
    """Whether the other operand of a node is a constant that leaves the shape as it is."""
    others = [use.scope.constant(name) for i, name in enumerate(use.node.input) if i != use.place]
    return len(others) == 1 and others[0] is not None and len(others[0].dims) <= rank


def _product_axis(node: Any, factor: int, rank: int) -> Axis:
    """The axis of a factor that is one of the product; in a stack every matrix has outputs of its own."""
    letter = "AB"[factor]
    turned = bool(attribute(node, f"trans{letter}", 0))
    batch = bool(attribute(node, f"transBatch{letter}", 0))  # the stack in the middle
    axes = list(range(rank))
    row, column = axes.pop(0 if batch else -2), axes.pop()
    outer = column if turned != bool(factor) else row
    return (*axes, outer) if axes else outer


def _einsum_axis(node: Any, place: int, rank: int) -> Axis | None:
    """The axes of an operand that the result has, too, where others are summed over."""
    text = next((one.s for one in node.attribute if one.name == "equation"), b"").decode("utf-8", "replace")
    operands, _, result = text.replace(" ", "").partition("->")
    labels = (*operands.split(","), *[""] * place)[place]
    axes = tuple(axis for axis, label in enumerate(labels) if label in result)
    if "." in text or len(labels) != rank or not 0 < len(axes) < rank:
        return None
    return axes[0] if len(axes) == 1 else axes
