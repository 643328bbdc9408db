"""Nodes of ONNX that lack an input or an output, or have too many: no name or axis is guessed."""

import numpy as np
import pytest

from sims import checkpoints, weights

onnx = pytest.importorskip("onnx")
from tests.sims.checkpoints.test_onnx_graphs import save, tensors  # noqa: E402

helper, numpy_helper = onnx.helper, onnx.numpy_helper
RNG = np.random.default_rng(37)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def node(kind, inputs, outputs, **options):
    return helper.make_node(kind, inputs.split(" "), outputs.split(), **options)


PRODUCT = node("MatMul", "x v", "y", name="fc")


@pytest.mark.parametrize(
    ("nodes", "shape", "axis"),
    [
        ([node("Attention", "x w", "y")], (24,), None),  # a vector has no outputs
        ([node("DecoderAttention", "x x w", "y")], (24,), None),
        ([node("MatMul", "x w", "y")], (24,), None),
        ([node("ConvTranspose", "x w", "y")], (4, 8), None),  # kernels have positions, too
        ([node("ConvTranspose", "x w", "y", group=2)], (4, 8), None),
        ([node("Transpose", "w", "v"), node("Relu", "v", "y")], (4, 6), None),
        ([node("Transpose", "w", "v", perm=[1, 0]), node("Relu", "v", "y")], (4, 6), None),
        ([node("Concat", "w x", "")], (4, 6), None),
        ([node("Identity", "w", "")], (4, 6), None),
        ([node("Mul", "w c", "")], (4, 6), None),
        ([node("Split", "w", "")], (4, 6), None),
        ([node("Split", "x w", "v"), PRODUCT], (4, 6), None),  # the sizes of the parts
        ([node("Slice", "x w", "v"), PRODUCT], (4, 6), None),
        ([node("DequantizeLinear", "x w", "v"), PRODUCT], (4, 6), None),  # a scale
        ([node("Cast", "x w", "v"), PRODUCT], (4, 6), None),
        ([node("Add", "w c", "v"), PRODUCT], (4, 6), None),
        ([node("Pow", "w c", "v"), PRODUCT], (4, 6), None),
        ([node("Mul", "w", "v"), PRODUCT], (4, 6), None),  # of what?
        ([node("Mul", "w c c", "v"), PRODUCT], (4, 6), None),
        ([node("Einsum", "x w", "y", equation="bd,df->bf")], (4, 6), 1),
        ([node("Einsum", "x w", "y", equation="bd,df->bf")], (4, 6, 2), None),
        ([node("Einsum", "x w", "y", equation="bd,dfg->bf")], (4, 6), None),
        ([node("Einsum", "x w", "y", equation="ij,kl->ij")], (4, 6), None),
        ([node("Einsum", "x w", "y", equation="ij,kl->")], (4, 6), None),
        ([node("Einsum", "x w", "y")], (4, 6), None),
    ],
)
def test_the_axis_of_what_an_odd_node_takes(tmp_path, nodes, shape, axis):
    """None where nothing tells it."""
    arrays = {"w": normal(*shape), "c": np.float32([2])}
    found = tensors(save(tmp_path / "a.onnx", nodes, arrays))["w"]
    assert found.axis == axis
    np.testing.assert_array_equal(found.load(), arrays["w"])


@pytest.mark.parametrize("perm", [(1,), (0, 0), (5, 5), (2, 1, 0), (-1, 0)])
def test_an_order_of_other_axes_names_none_of_them(tmp_path, perm):
    nodes = [node("Transpose", "w", "v", perm=perm), PRODUCT]
    assert tensors(save(tmp_path / "a.onnx", nodes, {"w": normal(4, 6)}))["w"].axis in (None, 0, 1)


@pytest.mark.parametrize("place", range(4))
def test_a_function_takes_no_more_inputs_than_it_has(tmp_path, place):
    body = [node("Gemm", "a b", "r", transB=1)]
    function = helper.make_function("here", "Block", ["a", "b"], ["r"], body, [helper.make_opsetid("", 21)])
    inputs = ["x"] * 4
    inputs[place] = "w"
    call = helper.make_node("Block", inputs, ["y"], domain="here", name="call")
    path = save(tmp_path / "a.onnx", [call], {"w": normal(4, 6)}, functions=[function])
    assert tensors(path)["w"].axis == (0 if place < 2 else None)


def test_an_input_that_is_left_out_is_no_use_of_a_constant_without_a_name(tmp_path):
    """Here or in a graph inside: of a bias, of a first factor."""
    inner = [node("Gemm", "x w ", "t"), helper.make_node("MatMul", ["", "w"], ["u"], name="left")]
    graph = helper.make_graph(inner, "b", [], [helper.make_tensor_value_info("t", 1, None)])
    nodes = [
        node("LSTM", "x W R ", "l", name="lstm"),
        helper.make_node("If", ["yes"], ["y"], then_branch=graph, else_branch=graph),
    ]
    arrays = {"": normal(4, 6), "w": normal(4, 6), "W": normal(1, 8, 3), "R": normal(1, 8, 2)}
    path = save(tmp_path / "a.onnx", nodes, arrays | {"yes": np.array(True)})
    found = tensors(path)
    assert found[""].axis is None and not found[""].apart
    assert (found["w"].axis, found["W"].axis) == (1, (0, 1))


def test_only_the_values_of_constant_nodes_are_constants(tmp_path):
    """Another node may have a tensor of that name among its attributes, and a constant no output."""
    value = numpy_helper.from_array(normal(3, 5))
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["filled"], value=value),
        helper.make_node("Constant", [], [], value=value),
        helper.make_node("MatMul", ["filled", "w"], ["y"]),
    ]
    found = tensors(save(tmp_path / "a.onnx", nodes, {"w": normal(4, 6), "s": np.array([3, 4])}))
    assert list(found) == ["w", "s"] and found["w"].axis == 1


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([node("Mul", "x 7_scale", "y", name="a")], {"7_scale": "7_scale"}),
        ([node("Mul", "x Constant_1_scale", "y", name="a")], {"Constant_1_scale": "a.input1"}),
        ([node("Mul", "x fc_scale", "y", name="a")], {"fc_scale": "fc_scale"}),
        (
            [node("MatMulInteger", "x 7_quantized", "h", name="q"), node("MatMul", "h 7", "y", name="other")],
            {"7_quantized": "q.weight_quantized", "7": "other.weight"},
        ),
        (
            [node("MatMulInteger", "x 7_quantized", "h"), node("Mul", "h 7_scale", "y", name="a")],
            {"7_quantized": "7_quantized", "7_scale": "7_scale"},
        ),
        (
            [node("ConvInteger", "x 7_quantized", "h", name="q"), node("Mul", "h 7_scale", "y", name="a")],
            {"7_quantized": "q.weight_quantized", "7_scale": "q.weight_scale"},
        ),
        (
            [node("MatMul", "x 7_quantized", "h", name="q"), node("Mul", "h 7_scale", "y", name="a")],
            {"7_quantized": "7_quantized", "7_scale": "7_scale"},
        ),
        ([node("Identity", "7", "", name="a")], {"7": "a.input0"}),
        ([node("Cast", "7", "")], {"7": "7"}),
    ],
)
def test_names_of_codes_and_scales(tmp_path, nodes, expected):
    """Those of an exporter give way to that of the product of integers, where there is one with a name."""
    names = {(4 + i, 6): name for i, name in enumerate(expected)}
    arrays = {name: np.zeros(shape, np.float32) for shape, name in names.items()}
    found = tensors(save(tmp_path / "a.onnx", nodes, arrays))
    assert {names[tensor.shape]: name for name, tensor in found.items()} == expected


@pytest.mark.parametrize(
    ("operator", "place", "shape", "why"),
    [
        ("Gemm", 1, (1, 300), ""),
        ("Gemm", 0, (1, 300), ""),
        ("FusedGemm", 1, (1, 300), ""),
        ("Where", 2, (1, 300), ""),
        ("LSTM", 2, (1, 300), ""),
        ("Mul", 1, (16, 20), ""),
        ("Add", 1, (16, 20), ""),
        ("Add", 1, (1, 20, 30), ""),
        ("Gemm", 2, (16, 20), ""),
        ("Gemm", 2, (1, 300), "a vector: biases and normalisation are kept as they are"),
        ("Sub", 1, (16, 20), "added and subtracted element by element: no weights of a product"),
    ],
)
def test_rows_are_vectors_where_they_are_added_or_scaled_by(tmp_path, operator, place, shape, why):
    names = ["x"] * (place + 1)
    names[place] = "w"
    nodes = [helper.make_node(operator, names, ["h"]), node("MatMul", "h v", "y")]
    path = save(tmp_path / "a.onnx", nodes, {"w": normal(*shape), "v": normal(20, 30)})
    assert tensors(path)["w"].apart == why
    assert weights.select(weights.opened(path)).skipped.get("w", "") == why


@pytest.mark.parametrize(
    ("nodes", "apart"),
    [
        ([node("Sub", "x w", "h"), node("Add", "h w", "y")], True),
        ([node("Sub", "x w", "h"), node("Mul", "h w", "y")], False),  # multiplied, too
        ([node("Sub", "x w", "h"), node("MatMul", "h w", "y")], False),
        ([node("Add", "x w", "h"), node("Add", "h w", "y")], False),
        ([node("Sub", "c w", "h"), node("Add", "h x", "y")], False),
    ],
)
@pytest.mark.parametrize("shape", [(16, 20), (20,)])
def test_what_is_subtracted_and_used_otherwise_may_be_a_weight(tmp_path, nodes, apart, shape):
    """And a vector is one."""
    found = tensors(save(tmp_path / "a.onnx", nodes, {"w": normal(*shape), "c": normal(1)}))["w"]
    assert bool(found.apart) == (apart and len(shape) == 2)


def test_a_model_of_odd_nodes_is_read(tmp_path):
    """Nodes without inputs, outputs or both."""
    nodes = [helper.make_node(kind, [], []) for kind in ("Identity", "MatMul", "Split", "DequantizeLinear")]
    found = checkpoints.read(save(tmp_path / "a.onnx", nodes, {"w": normal(4, 6)}))
    assert list(found.tensors) == ["w"]
