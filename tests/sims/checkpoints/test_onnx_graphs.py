"""Every constant of an ONNX graph, wherever it stands, under a name that says what it is for."""

import itertools

import numpy as np
import pytest

from sims import checkpoints, weights
from sims.checkpoints.tensor import Grouped

onnx = pytest.importorskip("onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
FLOAT = onnx.TensorProto.FLOAT
RNG = np.random.default_rng(3)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def save(path, nodes, initializers=(), sparse=(), functions=(), inputs=("x",), outputs=("y",)):
    values = [helper.make_tensor_value_info(name, FLOAT, None) for name in inputs]
    results = [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs]
    tensors = [numpy_helper.from_array(array, name) for name, array in dict(initializers).items()]
    graph = helper.make_graph(list(nodes), "g", values, results, tensors, sparse_initializer=list(sparse))
    imports = [
        helper.make_opsetid("", 21),
        helper.make_opsetid("here", 1),
        helper.make_opsetid("com.microsoft", 1),
    ]
    model = helper.make_model(graph, functions=list(functions), opset_imports=imports)
    onnx.save(model, str(path))
    return path


def constant(name, array, output):
    return helper.make_node("Constant", [], [output], name=name, value=numpy_helper.from_array(array))


def tensors(path):
    return checkpoints.open_checkpoint(path).tensors


def test_weights_in_constant_nodes_decide_the_verdict(tmp_path, heavy=9):
    """All of a network may stand in Constant nodes; beside one initializer it used to vanish."""
    inside, outside = np.sign(normal(64, 64)) * np.abs(normal(64, 64)) ** heavy, 1e-6 * normal(64, 64)
    nodes = [
        constant("c", inside, "w"),
        helper.make_node("MatMul", ["x", "w"], ["h"], name="/layer/MatMul"),
        helper.make_node("MatMul", ["h", "small"], ["y"], name="/head/MatMul"),
    ]
    table = weights.report(save(tmp_path / "a.onnx", nodes, {"small": outside}), [4])
    assert {row.name for row in table.rows} == {"small", "w"}
    assert (
        table.middle().winner == "cut" and weights.analyse({"small": outside}, [4]).middle().winner == "snap"
    )


@pytest.mark.parametrize(("count", "axis"), [(1, 1), (39, 1), (40, 1), (41, None)])
def test_forty_nodes_are_looked_through(tmp_path, count, axis):
    names = ["w", *(f"n{i}" for i in range(count))]
    pairs = itertools.pairwise(names)
    nodes = [helper.make_node("Cast", [one], [other], to=FLOAT) for one, other in pairs]
    nodes.append(helper.make_node("MatMul", ["x", names[-1]], ["y"]))
    assert tensors(save(tmp_path / "a.onnx", nodes, {"w": normal(6, 8)}))["w"].axis == axis


def test_sparse_initializers(tmp_path):
    dense = normal(6, 8) * (RNG.random((6, 8)) < 0.2)
    rows, columns = np.nonzero(dense)
    for name, indices in (("flat", rows * 8 + columns), ("pairs", np.stack([rows, columns], axis=1))):
        values = numpy_helper.from_array(dense[rows, columns], "s.weight")
        part = helper.make_sparse_tensor(values, numpy_helper.from_array(indices.astype(np.int64)), [6, 8])
        node = helper.make_node("MatMul", ["x", "s.weight"], ["y"])
        found = tensors(save(tmp_path / f"{name}.onnx", [node], sparse=[part]))
        np.testing.assert_array_equal(found["s.weight"].load(), dense)
        assert found["s.weight"].axis == 1
        assert found["s.weight"].nbytes == dense[rows, columns].nbytes + 8 * indices.size


def test_subgraphs_and_functions(tmp_path):
    def branch(name, array):
        nodes = [
            constant("c", array, "w"),
            helper.make_node("MatMul", ["x", "w"], ["h"], name="MatMul"),
            helper.make_node("MatMul", ["h", "shared"], [f"{name}_y"], name="Last"),
        ]
        result = helper.make_tensor_value_info(f"{name}_y", FLOAT, None)
        return helper.make_graph(nodes, name, [], [result])

    one, other, shared, inner, argument = (
        normal(5, 7),
        normal(5, 7),
        normal(7, 3),
        normal(3, 3),
        normal(4, 3),
    )
    body = [
        constant("c", inner, "w"),
        helper.make_node("MatMul", ["a", "w"], ["h"]),
        helper.make_node("Gemm", ["h", "b"], ["r"], name="Gemm", transB=1),
    ]
    function = helper.make_function("here", "Block", ["a", "b"], ["r"], body, [helper.make_opsetid("", 21)])
    nodes = [
        helper.make_node(
            "If",
            ["yes"],
            ["z"],
            name="If_0",
            then_branch=branch("then", one),
            else_branch=branch("else", other),
        ),
        helper.make_node("Block", ["z", "argument"], ["y"], domain="here", name="Block_0"),
    ]
    initializers = {"shared": shared, "argument": argument, "yes": np.array(True)}
    found = tensors(save(tmp_path / "a.onnx", nodes, initializers, functions=[function]))
    np.testing.assert_array_equal(found["If_0.then_branch/w"].load(), one)
    np.testing.assert_array_equal(found["If_0.else_branch/w"].load(), other)
    np.testing.assert_array_equal(found["Block/w"].load(), inner)
    assert found["shared"].axis == 1  # used inside the branches only
    assert found["argument"].axis == 0  # the function multiplies with its transpose


@pytest.mark.parametrize(
    ("made_up", "node", "expected"),
    [
        (
            "onnx::MatMul_470",
            "/encoder/layer.0/attention/query/MatMul",
            "encoder/layer.0/attention/query/MatMul.weight",
        ),
        ("1103", "dense", "dense.weight"),
        ("encoder.weight", "MatMul_3", "encoder.weight"),
        ("onnx::MatMul_470", "", "onnx::MatMul_470"),
        *(
            (name, "dense", "dense.weight")
            for name in (
                *("Constant", "Constant_3", "/a/Constant_output_0", "MatMul_7", "Transpose_2", "a/Cast_1"),
                *("Initializer", "Initializer12", "Cast1_out"),
            )
        ),
        *((name, "dense", name) for name in ("Constants", "aMatMul_7", "7a", "my::MatMul_7", "MatMulx")),
    ],
)
def test_names_come_from_the_node(tmp_path, made_up, node, expected):
    nodes = [helper.make_node("MatMul", ["x", made_up], ["y"], name=node)]
    assert list(tensors(save(tmp_path / "a.onnx", nodes, {made_up: normal(4, 6)}))) == [expected]


@pytest.mark.parametrize(
    ("operator", "roles"),
    [
        ("Gemm", ["input", "weight", "bias"]),
        ("Conv", ["input", "weight", "bias"]),
        ("GRU", ["input", "weight", "recurrence", "bias"]),
        ("LSTM", ["input", "weight", "recurrence", "bias"]),
        ("RNN", ["input", "weight", "recurrence", "bias"]),
        ("MatMul", ["input", "weight"]),
        ("ConvTranspose", ["input", "weight", "bias"]),
        ("Where", ["input0", "input1", "input2"]),
    ],
)
def test_the_place_of_an_input_says_what_it_is(tmp_path, operator, roles):
    node = helper.make_node(operator, [str(place) for place in range(len(roles))], ["y"], name="a")
    arrays = {str(place): normal(4, 6) for place in range(len(roles))}
    assert list(tensors(save(tmp_path / "a.onnx", [node], arrays))) == [f"a.{role}" for role in roles]


def test_names_and_axes_through_casts_and_transposes(tmp_path):
    nodes = [
        helper.make_node("Cast", ["onnx::Cast_1"], ["c"], to=FLOAT),
        helper.make_node("Transpose", ["c"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "t"], ["y"], name="proj/MatMul"),
    ]
    found = tensors(save(tmp_path / "a.onnx", nodes, {"onnx::Cast_1": normal(6, 4)}))
    assert list(found) == ["proj/MatMul.weight"] and found["proj/MatMul.weight"].axis == 0


@pytest.mark.parametrize(
    ("kind", "keeps"),
    [
        *(("Identity", True), ("Cast", True), ("DequantizeLinear", True), ("QuantizeLinear", True)),
        *(("Transpose", True), ("Squeeze", True), ("Unsqueeze", False), ("Relu", None)),
    ],
)
def test_names_and_axes_through_one_node(tmp_path, kind, keeps):
    """Squeezed of nothing it is the same; past a function its values are others, and so is its name."""
    options = {"perm": [0, 1]} if kind == "Transpose" else {}
    nodes = [
        helper.make_node(kind, ["7", *(["s"] if "Linear" in kind else [])], ["t"], name="through", **options),
        helper.make_node("MatMul", ["x", "t"], ["y"], name="proj"),
    ]
    arrays = {"7": normal(6, 4)} | ({"s": np.float32([1])} if kind == "DequantizeLinear" else {})
    ((name, found),) = tensors(save(tmp_path / "a.onnx", nodes, arrays)).items()
    assert name == ("through.input0" if keeps is None else "proj.weight")
    assert found.axis == (1 if keeps else None)


@pytest.mark.parametrize(
    ("operator", "place", "shape", "options", "axis"),
    [
        ("MatMul", 1, (4, 6), {}, 1),
        ("MatMul", 0, (4, 6), {}, 0),
        ("MatMul", 0, (2, 4, 6), {}, (0, 1)),  # in a stack every matrix has outputs of its own
        ("MatMul", 1, (2, 4, 6), {}, (0, 2)),
        ("MatMul", 1, (2, 3, 4, 6), {}, (0, 1, 3)),
        ("Gemm", 1, (4, 6), {}, 1),
        ("Gemm", 1, (6, 4), {"transB": 1}, 0),
        ("Conv", 1, (8, 3, 5, 5), {}, 0),
        ("ConvTranspose", 1, (3, 8, 5, 5), {}, 1),
        ("ConvTranspose", 1, (4, 8, 5, 5), {"group": 1}, 1),
        ("ConvTranspose", 1, (4, 8, 5, 5), {"group": 2}, Grouped(2)),
        ("ConvTranspose", 1, (4, 1, 5), {"group": 4}, Grouped(4)),
        ("ConvTranspose", 1, (4, 8, 5, 5), {"group": 3}, None),  # three groups of four inputs there are not
        ("LSTM", 1, (1, 32, 5), {}, (0, 1)),
        ("LSTM", 2, (1, 32, 8), {}, (0, 1)),
        ("GRU", 1, (2, 24, 5), {}, (0, 1)),
        ("LSTM", 2, (1, 64), {}, None),  # no recurrence, which has three axes
        ("Gather", 0, (50, 8), {}, 0),
        ("Gemm", 0, (4, 6), {}, 0),
        ("Gemm", 0, (4, 6), {"transA": 1}, 1),
        ("FusedMatMul", 1, (4, 6), {}, 1),
        ("FusedMatMul", 1, (2, 4, 6), {"transB": 1}, (0, 1)),
        ("FusedMatMul", 0, (2, 4, 6), {"transA": 1}, (0, 2)),
        ("FusedMatMul", 1, (4, 2, 6), {"transBatchB": 1}, (1, 2)),
        ("FusedMatMul", 1, (6, 2, 4), {"transBatchB": 1, "transB": 1}, (1, 0)),
        ("FusedMatMul", 0, (4, 2, 6), {"transBatchA": 1}, (1, 0)),
        ("FusedMatMul", 1, (4, 6), {"transBatchB": 1}, 1),
        ("FusedMatMulActivation", 1, (6, 4), {"transB": 1}, 0),
        ("TransposeMatMul", 1, (6, 4), {"transB": 1}, 0),
        ("GemmFloat8", 1, (6, 4), {"transB": 1}, 0),
        ("GemmFastGelu", 1, (4, 6), {}, 1),
        ("FusedConv", 1, (8, 3, 5, 5), {}, 0),
        ("ConvInteger", 1, (8, 3, 5, 5), {}, 0),
        ("FusedGemm", 1, (4, 6), {}, 1),
        ("FusedGemm", 1, (4, 6), {"transB": 1}, 0),
        ("FusedGemm", 0, (4, 6), {}, 0),
        ("FusedGemm", 0, (4, 6), {"transA": 1}, 1),
        *(("MatMulInteger", place, (4, 6), {}, place) for place in (0, 1)),
        *((kind, 0, (4, 6), {}, 0) for kind in ("DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QGemm")),
        ("RNN", 1, (1, 8, 5), {}, (0, 1)),
        ("RNN", 2, (2, 8, 8), {}, (0, 1)),
        ("Attention", 1, (8, 24), {}, 1),
        ("PackedAttention", 1, (8, 24), {}, 1),
        ("LongformerAttention", 1, (8, 24), {}, 1),
        ("DecoderMaskedSelfAttention", 1, (8, 24), {}, 1),
        ("DecoderAttention", 2, (8, 8), {}, 1),
        ("DecoderAttention", 3, (8, 24), {}, 1),
        ("Einsum", 1, (8, 3, 4), {"equation": "bsd, dnh -> bsnh"}, (1, 2)),
        ("Einsum", 1, (3, 8, 5), {"equation": "ebd,edf->ebf"}, (0, 2)),
        ("Einsum", 0, (5, 8), {"equation": "od,bd->bo"}, 0),
        ("Einsum", 1, (8, 5), {"equation": "...d,df->...f"}, None),
        ("Einsum", 1, (8, 5), {"equation": "ij,ij->ij"}, None),
        ("Einsum", 1, (8, 5), {"equation": "ij"}, None),
        ("Add", 1, (4, 6), {}, None),
    ],
)
def test_the_axis_of_the_outputs_is_that_of_the_graph(tmp_path, operator, place, shape, options, axis):
    inputs = ["x", "x", "x", "x"]
    inputs[place] = "w"
    count = 3 if operator in ("LSTM", "GRU") else max(2, place + 1)
    nodes = [helper.make_node(operator, inputs[:count], ["y"], **options)]
    assert tensors(save(tmp_path / "a.onnx", nodes, {"w": normal(*shape)}))["w"].axis == axis


@pytest.mark.parametrize(
    ("operator", "places", "shape"),
    [
        *((kind, (0, 2), (8, 3, 5, 5)) for kind in ("Conv", "ConvTranspose", "FusedConv", "ConvInteger")),
        ("QLinearConv", (0, 1, 4), (8, 3, 5, 5)),
        *((kind, (0, 3, 4), (2, 8, 5)) for kind in ("LSTM", "GRU", "RNN")),
        *((kind, (2,), (4, 6)) for kind in ("Gemm", "FusedGemm", "MatMulInteger", "GemmFastGelu")),
        *((kind, (1, 2, 4), (4, 6)) for kind in ("QLinearMatMul", "QGemm")),
        *((kind, (0, 2, 3), (8, 24)) for kind in ("Attention", "QAttention", "PackedAttention")),
        ("DecoderMaskedSelfAttention", (0, 2), (8, 24)),
        ("DecoderAttention", (0, 1, 4), (8, 24)),
        ("Gather", (1,), (5, 8)),
    ],
)
def test_what_stands_elsewhere_has_no_outputs(tmp_path, operator, places, shape):
    """Pictures, states, summands, masks and places that a constant may be, of the shape of weights."""
    for place in places:
        inputs = ["x"] * (place + 1)
        inputs[place] = "w"
        node = helper.make_node(operator, inputs, ["y"])
        found = tensors(save(tmp_path / "a.onnx", [node], {"w": normal(*shape)}))["w"]
        assert found.axis is None, place


@pytest.mark.parametrize("operator", ["Mul", "Div"])
@pytest.mark.parametrize(
    ("other", "axis"), [((), 1), ((6,), 1), ((4, 6), 1), ((2, 4, 6), None), (None, None)]
)
def test_axes_are_followed_past_a_constant_factor(tmp_path, operator, other, axis):
    """An equalized learning rate, a norm; not past a factor that is computed, or gives more axes."""
    arrays = {"w": normal(4, 6)} | ({} if other is None else {"c": normal(*other)})
    for names in (["w", "c"], ["c", "w"]):
        scaled = helper.make_node(operator, names, ["v"])
        product = helper.make_node("MatMul", ["x", "v"], ["y"])
        inputs = ("x",) if other is not None else ("x", "c")
        path = save(tmp_path / "a.onnx", [scaled, product], arrays, inputs=inputs)
        assert tensors(path)["w"].axis == axis


@pytest.mark.parametrize(
    ("operator", "stored", "options", "shape"),
    [
        ("Flatten", (4, 3, 2, 5), {"axis": 3}, (24, 5)),
        ("Flatten", (4, 3, 2, 5), {"axis": -1}, (24, 5)),
        ("Flatten", (4, 3, 10), {}, (4, 30)),
        ("Flatten", (12, 10), {"axis": 0}, None),
        ("Squeeze", (1, 12, 10), {"axes": [0]}, (12, 10)),
        ("Squeeze", (1, 12, 1, 10), {}, (12, 10)),
        ("Squeeze", (1, 12, 1, 10), {"axes": [-2]}, (1, 12, 10)),
        ("Squeeze", (12, 10), {"axes": [0]}, None),  # no axis of size 1
        ("Unsqueeze", (12, 10), {"axes": [-3]}, (1, 12, 10)),
        ("Unsqueeze", (12, 10), {"axes": [1, 0]}, (1, 1, 12, 10)),
        ("Unsqueeze", (12, 10), {"axes": [1, 1]}, None),
        ("Unsqueeze", (120,), {"axes": [0]}, None),
    ],
)
def test_weights_whose_axes_are_joined_dropped_or_added(tmp_path, operator, stored, options, shape):
    """By attributes, as older models have it, or by a second input."""
    w = normal(*stored)
    product = helper.make_node("MatMul", ["x", "r"], ["y"])
    formed = helper.make_node(operator, ["w"], ["r"], **options)
    found = [tensors(save(tmp_path / "a.onnx", [formed, product], {"w": w}))["w"]]
    if "axes" in options:
        formed = helper.make_node(operator, ["w", "axes"], ["r"])
        axes = np.array(options["axes"])
        found.append(tensors(save(tmp_path / "b.onnx", [formed, product], {"w": w, "axes": axes}))["w"])
    for one in found:
        assert one.shape == (shape or stored)
        np.testing.assert_array_equal(one.load(), w.reshape(shape or stored))


def test_a_convolution_of_one_axis_as_one_of_two(tmp_path):
    """Outputs of the transposed one come second."""
    nodes = [
        helper.make_node("Unsqueeze", ["w", "axes"], ["r"]),
        helper.make_node("ConvTranspose", ["x", "r"], ["y"]),
    ]
    path = save(tmp_path / "a.onnx", nodes, {"w": normal(8, 24, 3), "axes": np.array([2])})
    found = tensors(path)["w"]
    assert found.shape == (8, 24, 1, 3) and found.axis == 1


@pytest.mark.parametrize(("transB", "axis"), [(0, 1), (1, 0)])
def test_parts_of_a_weight_give_it_their_axis(tmp_path, transB, axis):
    """Queries, keys and values are split, or the first columns are taken."""
    parts = [helper.make_node("Gemm", ["x", part], [f"y{part}"], transB=transB) for part in "qkv"]
    split = helper.make_node("Split", ["w"], [*"qkv"], axis=axis)
    assert tensors(save(tmp_path / "a.onnx", [split, *parts], {"w": normal(6, 6)}))["w"].axis == axis
    first = helper.make_node("Slice", ["w", "from", "to", "axes"], ["q"])
    ends = {"from": np.array([0]), "to": np.array([4]), "axes": np.array([1])}
    found = tensors(save(tmp_path / "b.onnx", [first, parts[0]], {"w": normal(6, 6)} | ends))
    assert found["w"].axis == axis
    other = helper.make_node("Gemm", ["x", "k"], ["z"], transB=1 - transB)  # and one that disagrees
    path = save(tmp_path / "c.onnx", [split, parts[0], other], {"w": normal(6, 6)})
    assert tensors(path)["w"].axis is None
    grouped = helper.make_node("ConvTranspose", ["x", "q"], ["y"], group=2)
    path = save(tmp_path / "d.onnx", [split, grouped], {"w": normal(6, 6, 3)})
    assert tensors(path)["w"].axis is None  # whole only


@pytest.mark.parametrize("known", range(3))
def test_parts_whose_use_says_nothing_leave_the_axis_to_the_others(tmp_path, known):
    """One part is multiplied, the others are results of the graph."""
    nodes = [
        helper.make_node("Split", ["w"], [*"qkv"], axis=0),
        helper.make_node("Gemm", ["x", "qkv"[known]], ["y"], transB=1),
        *(helper.make_node("Identity", [part], [f"z{part}"]) for part in "qkv" if part != "qkv"[known]),
    ]
    assert tensors(save(tmp_path / "a.onnx", nodes, {"w": normal(6, 6)}))["w"].axis == 0


RESHAPED = normal(120)


@pytest.mark.parametrize(
    ("stored", "sizes", "options", "shape"),
    [
        ((4, 3, 2, 5), [24, 5], {}, (24, 5)),  # of CNTK
        ((4, 3, 2, 5), [-1, 5], {}, (24, 5)),
        ((4, 3, 10), [0, -1], {}, (4, 30)),
        ((120,), [10, 12], {}, (10, 12)),
        ((12, 10), [-1], {}, None),  # a vector is no matrix of a product
        ((12, 10), [7, -1], {}, None),
        ((12, 10), [-1, -1], {}, None),
        ((12, 10), [0, -1], {"allowzero": 1}, None),
        ((12, 10), [0, 0, 0], {}, None),
        ((12, 10), [1] * 31 + [12, 10], {}, None),  # more axes than an array has
    ],
)
def test_weights_have_the_shape_in_which_they_are_used(tmp_path, stored, sizes, options, shape):
    """Outputs of the product are the last axis of the new shape; values stay in their order."""
    w, arrays = RESHAPED.reshape(stored), {"s": np.array(sizes), "v": normal(20, 20)}
    nodes = [
        helper.make_node("Identity", ["w"], ["i"]),
        helper.make_node("Reshape", ["i", "s"], ["r"], **options),
        helper.make_node("MatMul", ["x", "r"], ["y"]),
    ]
    found = tensors(save(tmp_path / "a.onnx", nodes, arrays | {"w": w}))["w"]
    assert found.shape == (shape or stored) and (not shape or found.axis == 1)
    np.testing.assert_array_equal(found.load(), w.reshape(shape or stored))
    again = [*nodes, helper.make_node("MatMul", ["x", "w"], ["z"])]  # used as it is stored, too
    assert tensors(save(tmp_path / "b.onnx", again, arrays | {"w": w}))["w"].shape == stored
    given = save(tmp_path / "c.onnx", nodes, {"w": w}, inputs=("x", "s"))
    assert tensors(given)["w"].shape == stored  # the shape is no constant


def test_transposed_products_have_the_formats_of_their_outputs(tmp_path):
    """A scale per output: 20 dB more than a scale per input where outputs differ in size."""
    matrix = normal(24, 200) * np.exp(2 * RNG.normal(size=(24, 1))).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    path = save(tmp_path / "a.onnx", nodes, {"w": matrix.T.copy()})
    found = {one.name: one for one in weights.report(path, [4], every_format=True).rows[0].stored}
    right = {one.name: one for one in weights.analyse({"w": matrix}, [4], every_format=True).rows[0].stored}
    assert found["INT4 per channel"] == right["INT4 per channel"]
    assert found["NF4 b64"] == right["NF4 b64"]


def test_quantize_dequantize_pairs(tmp_path):
    codes = RNG.integers(-128, 128, size=(12, 20)).astype(np.int8)
    scale = np.exp(RNG.normal(size=12)).astype(np.float32)
    zero = RNG.integers(-5, 5, size=12).astype(np.int8)
    nodes = [
        helper.make_node("DequantizeLinear", ["w_quantized", "s", "z"], ["w"], axis=0),
        helper.make_node("Gemm", ["x", "w"], ["y"], transB=1),
    ]
    found = tensors(save(tmp_path / "a.onnx", nodes, {"w_quantized": codes, "s": scale, "z": zero}))
    (tensor,) = found.values()
    for i, j in np.ndindex(12, 20):
        assert tensor.load()[i, j] == np.float32((int(codes[i, j]) - int(zero[i])) * np.float64(scale[i]))
    assert tensor.axis == 0 and tensor.nbytes == 240 + 12 + 48 and tensor.note == "dequantized from int8"


def test_scales_run_along_the_second_axis_where_none_is_named(tmp_path):
    codes, scale = RNG.integers(-9, 9, (3, 4, 2)).astype(np.int8), np.float32([1, 2, 4, 8])
    nodes = [helper.make_node("DequantizeLinear", ["c", "s"], ["y"])]
    (tensor,) = tensors(save(tmp_path / "a.onnx", nodes, {"c": codes, "s": scale})).values()
    np.testing.assert_array_equal(tensor.load(), codes * scale[None, :, None])


def test_blocks_of_dequantize_linear(tmp_path):
    codes = RNG.integers(-8, 8, size=(8, 64)).astype(np.int8)
    scale = np.exp(RNG.normal(size=(8, 2))).astype(np.float32)
    four = helper.make_tensor("c", onnx.TensorProto.INT4, [8, 64], codes.reshape(-1).tolist())
    nodes = [helper.make_node("DequantizeLinear", ["c", "s"], ["y"], axis=1, block_size=32)]
    graph = helper.make_graph(nodes, "g", [], [], [four, numpy_helper.from_array(scale, "s")])
    onnx.save(helper.make_model(graph), str(tmp_path / "a.onnx"))
    (tensor,) = tensors(tmp_path / "a.onnx").values()
    for i, j in np.ndindex(8, 64):
        assert tensor.load()[i, j] == pytest.approx(codes[i, j] * float(scale[i, j // 32]), rel=1e-6)
    assert tensor.nbytes == 256 + 64


def test_integer_operators(tmp_path):
    codes = RNG.integers(-128, 128, size=(6, 3, 2, 2)).astype(np.int8)
    scale = np.exp(RNG.normal(size=6)).astype(np.float32)
    zero = np.zeros(6, np.int8)
    inputs = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    node = helper.make_node("QLinearConv", inputs, ["y"], name="conv")
    found = tensors(save(tmp_path / "a.onnx", [node], {"w": codes, "ws": scale, "wz": zero}))
    (tensor,) = found.values()
    assert tensor.load()[4, 2, 1, 0] == pytest.approx(codes[4, 2, 1, 0] * float(scale[4]), rel=1e-6)
    assert tensor.axis == 0


def test_products_of_integers(tmp_path):
    """The codes of the second factor: one scale and zero point, or one for every output."""
    codes = RNG.integers(-9, 9, size=(6, 4)).astype(np.int8)
    inputs = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    for scale, zero in ((np.float32(0.5), np.int8(3)), (np.float32([1, 2, 4, 8]), np.int8([0, 1, 2, 3]))):
        node = helper.make_node("QLinearMatMul", inputs, ["y"])
        path = save(tmp_path / "a.onnx", [node], {"w": codes, "ws": np.array(scale), "wz": np.array(zero)})
        (tensor,) = tensors(path).values()
        np.testing.assert_array_equal(tensor.load(), (codes - zero) * scale)
        assert tensor.axis == 1


@pytest.mark.parametrize(("zeros", "columns"), [(False, 48), (True, 48), (True, 35)])
def test_blocks_of_four_bits(tmp_path, zeros, columns):
    """com.microsoft.MatMulNBits: (N, blocks, bytes), first codes in the low bits; the last block is full."""
    rows, block = 5, 16
    codes, scale = (
        RNG.integers(0, 16, size=(rows, 3, block)),
        np.exp(RNG.normal(size=(rows, 3))).astype(np.float32),
    )
    packed = (codes[..., ::2] | codes[..., 1::2] << 4).astype(np.uint8)
    points = RNG.integers(0, 16, size=(rows, 4)) if zeros else np.full((rows, 4), 8)
    initializers = {"w": packed, "s": scale.reshape(-1)}
    if zeros:
        initializers["z"] = (points[:, ::2] | points[:, 1::2] << 4).astype(np.uint8).reshape(-1)
    options = {"K": columns, "N": rows, "bits": 4, "block_size": block, "domain": "com.microsoft"}
    node = helper.make_node("MatMulNBits", ["x", *initializers], ["y"], **options)
    (tensor,) = tensors(save(tmp_path / "a.onnx", [node], initializers)).values()
    for r, k in np.ndindex(rows, columns):
        b = k // block
        expected = (codes[r, b, k % block] - points[r, b]) * float(scale[r, b])
        assert tensor.load()[r, k] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_blocks_of_every_width_lie_about_the_middle_or_their_zero_points(tmp_path, bits, zeros):
    """Codes and zero points fill bytes from the low end; without points half of all codes are negative."""
    rows, blocks, block = 3, 3, 16
    codes = RNG.integers(0, 2**bits, (rows, blocks, block))
    points = (
        RNG.integers(0, 2**bits, (rows, blocks))
        if zeros
        else np.full((rows, blocks), len(range(2**bits)) // 2)
    )

    def packed(numbers):
        each = 8 // bits
        numbers = [*numbers] + [0] * (-len(numbers) % each)
        return [
            sum(int(n) << bits * i for i, n in enumerate(numbers[k : k + each]))
            for k in range(0, len(numbers), each)
        ]

    arrays = {
        "w": np.array([[packed(codes[r, b]) for b in range(blocks)] for r in range(rows)], np.uint8),
        "s": np.ones(rows * blocks, np.float32),
    }
    if zeros:
        arrays["z"] = np.array([packed(points[r]) for r in range(rows)], np.uint8).ravel()
    options = {"K": blocks * block, "N": rows, "bits": bits, "block_size": block, "domain": "com.microsoft"}
    node = helper.make_node("MatMulNBits", ["x", *arrays], ["y"], **options)
    (tensor,) = tensors(save(tmp_path / "a.onnx", [node], arrays)).values()
    np.testing.assert_array_equal(tensor.load().reshape(codes.shape), codes - points[..., None])


@pytest.mark.parametrize("missing", ["N", "K"])
def test_blocks_of_a_product_that_names_no_size_are_not_read(tmp_path, missing):
    arrays = {"w": np.zeros((1, 1, 8), np.uint8), "s": np.ones(1, np.float32)}
    options = {name: size for name, size in (("N", 1), ("K", 16)) if name != missing}
    node = helper.make_node(
        "MatMulNBits", ["x", *arrays], ["y"], **options, bits=4, block_size=16, domain="com.microsoft"
    )
    (tensor,) = tensors(save(tmp_path / "a.onnx", [node], arrays)).values()
    with pytest.raises(ValueError, match=r"4-bit blocks of 16 are not read$"):
        tensor.load()


def test_a_scale_that_is_computed_leaves_the_codes_unread(tmp_path):
    nodes = [helper.make_node("DequantizeLinear", ["w", "x"], ["y"])]
    found = checkpoints.read(save(tmp_path / "a.onnx", nodes, {"w": np.ones((40, 40), np.int8)}))
    assert found.skipped == {"w": "already quantized, by a DequantizeLinear whose scale is no constant"}


def test_missing_external_data_are_named(tmp_path):
    model = onnx.load(str(save(tmp_path / "a.onnx", [], {"w": normal(40, 40)})))
    onnx.save_model(
        model, str(tmp_path / "b.onnx"), save_as_external_data=True, location="b.data", size_threshold=0
    )
    np.testing.assert_array_equal(tensors(tmp_path / "b.onnx")["w"].load().shape, (40, 40))
    (tmp_path / "b.data").unlink()
    with pytest.raises(
        ValueError, match=r"tensor 'w': its values are in the file 'b\.data', which is missing"
    ):
        checkpoints.open_checkpoint(tmp_path / "b.onnx")


@pytest.mark.parametrize(
    ("kind", "bits", "read"),
    [
        *(("INT2", 2, "int8"), ("UINT2", 2, "uint8"), ("INT4", 4, "int8"), ("UINT4", 4, "uint8")),
        *(
            (f"{sign}INT{bits}", bits, f"{sign}int{bits}".lower())
            for sign in ("", "U")
            for bits in (8, 16, 32)
        ),
        *(("INT64", 64, "int64"), ("UINT64", 64, "uint64"), ("BOOL", 8, "bool")),
        *(("FLOAT", 32, "float32"), ("DOUBLE", 64, "float64"), ("FLOAT16", 16, "float16")),
        *(("BFLOAT16", 16, "float32"), ("FLOAT4E2M1", 4, "float32"), ("FLOAT8E8M0", 8, "float32")),
        *((f"FLOAT8{kind}", 8, "float32") for kind in ("E4M3FN", "E4M3FNUZ", "E5M2", "E5M2FNUZ")),
    ],
)
def test_types_of_elements(tmp_path, kind, bits, read):
    """Six values of each, in as many bytes as their bits need, as numbers of a type that numpy has."""
    if not hasattr(onnx.TensorProto, kind):
        pytest.skip("this version of onnx does not have the type")
    values = {"FLOAT8E8M0": [1, 2, 4, 8, 16, 0.5], "FLOAT4E2M1": [1, 2, 3, 4, 0.5, 6]}.get(
        kind, [1, 0, 1, 1, 0, 0] if kind in ("BOOL", "INT2", "UINT2") else [1, 2, 3, 4, 5, 6]
    )
    tensor = helper.make_tensor("w", getattr(onnx.TensorProto, kind), [2, 3], values)
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [], [tensor])), str(tmp_path / "a.onnx"))
    found = checkpoints.read(tmp_path / "a.onnx").tensors["w"]
    assert found.ravel().tolist() == values and found.dtype == read
    assert tensors(tmp_path / "a.onnx")["w"].nbytes == -(-6 * bits // 8)


def test_circles_of_names_and_fans_of_uses_end(tmp_path):
    """Names that lead in circles, and nodes that all write one name: linear work, no endless recursion."""
    nodes = [helper.make_node("Identity", ["a"], ["b"]), helper.make_node("Identity", ["b"], ["a"])]
    for level in range(8):
        nodes += [helper.make_node("Identity", [f"n{level}"], [f"n{level + 1}"]) for _ in range(60)]
    path = save(tmp_path / "a.onnx", nodes, {"a": normal(4, 4), "n0": normal(4, 4)})
    found = tensors(path)
    assert list(found) == ["a", "n0"] and found["n0"].axis is None


def test_a_transposition_without_an_order_turns_all_axes_round(tmp_path):
    nodes = [helper.make_node("Transpose", ["w"], ["t"]), helper.make_node("MatMul", ["x", "t"], ["y"])]
    assert tensors(save(tmp_path / "a.onnx", nodes, {"w": normal(4, 6)}))["w"].axis == 0
    nodes[1] = helper.make_node("Conv", ["x", "t"], ["y"])
    assert tensors(save(tmp_path / "b.onnx", nodes, {"w": normal(2, 3, 4, 5)}))["w"].axis == 3


@pytest.mark.parametrize("second", [None, (1, 2, 0)])
@pytest.mark.parametrize("perm", [*itertools.permutations(range(3))])
@pytest.mark.parametrize(("operator", "outputs"), [("MatMul", (0, 2)), ("Conv", (0,)), ("LSTM", (0, 1))])
def test_axes_are_followed_through_transpositions_of_any_order(tmp_path, operator, outputs, perm, second):
    """No two axes have one size: NumPy's own transposition tells where each of them went."""
    array = normal(3, 4, 5)
    nodes, turned = [helper.make_node("Transpose", ["w"], ["t"], perm=perm)], array.transpose(perm)
    if second:
        nodes.append(helper.make_node("Transpose", ["t"], ["u"], perm=second))
        turned = turned.transpose(second)
    nodes.append(helper.make_node(operator, ["x", "u" if second else "t"], ["y"]))
    axes = tuple(array.shape.index(turned.shape[axis]) for axis in outputs)
    found = tensors(save(tmp_path / "a.onnx", nodes, {"w": array}))["w"].axis
    assert found == (axes if len(axes) > 1 else axes[0])


def test_the_scales_of_integer_products_are_found_by_name(tmp_path):
    """As onnxruntime's quantize_dynamic writes them: after the product, with names of the exporter."""
    codes = RNG.integers(0, 255, size=(6, 6)).astype(np.uint8)
    zeros, scale = RNG.integers(99, 140, 6).astype(np.uint8), np.exp(normal(6))
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"]),
        helper.make_node(
            "MatMulInteger", ["xq", "{}_quantized", "xz", "{}_zero_point"], ["m"], name="/fc/quant"
        ),
        helper.make_node("Cast", ["m"], ["f"], to=FLOAT),
        helper.make_node("Mul", ["f", "{}_scale"], ["y"], name="/fc/quant_scales_mul"),
    ]
    for name, expected in (("onnx::MatMul_7", "fc/quant.weight"), ("fc.weight", "fc.weight")):
        for node in nodes:
            for place, given in enumerate(node.input):
                node.input[place] = given.replace("{}", name)
        arrays = {f"{name}_quantized": codes, f"{name}_zero_point": zeros, f"{name}_scale": scale}
        found = weights.select(weights.opened(save(tmp_path / "a.onnx", nodes, arrays)), 1)
        ((read, tensor),) = found.tensors.items()
        assert read == expected and not found.skipped
        for i, o in np.ndindex(6, 6):  # a scale per output, and those are columns
            real = (int(codes[i, o]) - int(zeros[o])) * float(scale[o])
            assert tensor.load()[i, o] == pytest.approx(real, rel=1e-6)
        assert tensor.axis == 1
        for node in nodes:
            for place, given in enumerate(node.input):
                node.input[place] = given.replace(name, "{}")


@pytest.mark.parametrize(
    ("operator", "inputs"),
    [
        ("DynamicQuantizeMatMul", ["x", "w", "s", "z"]),
        ("MatMulIntegerToFloat", ["x", "w", "xs", "s", "xz", "z"]),
        ("QAttention", ["x", "w", "b", "xs", "s", "mask", "xz", "z"]),
    ],
)
def test_quantized_operators_of_onnxruntime(tmp_path, operator, inputs):
    codes, zero = RNG.integers(-9, 9, size=(4, 4)).astype(np.int8), np.int8([0, 1, 2, 3])
    scale = np.float32([1, 2, 4, 8])
    node = helper.make_node(operator, inputs, ["y"], domain="com.microsoft")
    (tensor,) = tensors(save(tmp_path / "a.onnx", [node], {"w": codes, "s": scale, "z": zero})).values()
    np.testing.assert_array_equal(tensor.load(), (codes - zero) * scale)
    assert tensor.axis == 1 and tensor.nbytes == 16 + 4 * 4 + 4


def test_the_first_factor_has_scales_of_its_own(tmp_path):
    codes, scale = RNG.integers(-9, 9, size=(3, 3)).astype(np.int8), np.float32(0.5)
    inputs = ["w", "ws", "wz", "x", "xs", "xz", "ys", "yz"]
    arrays = {
        "w": codes,
        "ws": np.array(scale),
        "wz": np.int8([1]),
        "xs": np.float32([9]),
        "xz": np.int8([7]),
    }
    found = tensors(save(tmp_path / "a.onnx", [helper.make_node("QLinearMatMul", inputs, ["y"])], arrays))
    np.testing.assert_array_equal(found["w"].load(), (codes - 1) * scale)


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 3, 5)])
def test_a_first_factor_has_its_scales_by_rows(tmp_path, shape):
    """Rows are its outputs, the columns are summed over: a scale of each row comes out of the sum."""
    codes = RNG.integers(-9, 9, size=shape).astype(np.int8)
    scale, zero = np.exp(normal(shape[-2])).astype(np.float32), np.arange(shape[-2], dtype=np.int8)
    inputs = ["w", "ws", "wz", "x", "xs", "xz", "ys", "yz"]
    node = helper.make_node("QLinearMatMul", inputs, ["y"])
    (found,) = tensors(save(tmp_path / "a.onnx", [node], {"w": codes, "ws": scale, "wz": zero})).values()
    values = found.load()
    for place in np.ndindex(shape):
        row = place[-2]
        assert values[place] == pytest.approx((int(codes[place]) - row) * float(scale[row]), rel=1e-6)


def test_blocks_of_four_bits_whose_node_says_no_more_than_their_size(tmp_path):
    """4 bits and blocks of 32 are the defaults; zero points may be floating."""
    rows, columns = 3, 64
    codes, scale, points = RNG.integers(0, 16, (rows, 2, 32)), np.exp(normal(rows, 2)), 8 + normal(rows, 2)
    packed = (codes[..., ::2] | codes[..., 1::2] << 4).astype(np.uint8)
    node = helper.make_node(
        "MatMulNBits", ["x", "w", "s", "z"], ["y"], domain="com.microsoft", K=columns, N=rows
    )
    arrays = {"w": packed, "s": scale.ravel(), "z": points.ravel()}
    (tensor,) = tensors(save(tmp_path / "a.onnx", [node], arrays)).values()
    for r, k in np.ndindex(rows, columns):
        expected = (codes[r, k // 32, k % 32] - float(points[r, k // 32])) * float(scale[r, k // 32])
        assert tensor.load()[r, k] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_uses_that_disagree_and_axes_that_are_taken_away_settle_nothing(tmp_path):
    w = normal(4, 4)
    both = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Gather", ["w", "x"], ["y"])]
    assert tensors(save(tmp_path / "a.onnx", both, {"w": w}))["w"].axis is None
    for kind in ("Squeeze", "Unsqueeze"):
        nodes = [helper.make_node(kind, ["w"], ["t"]), helper.make_node("MatMul", ["x", "t"], ["h"])]
        nodes.append(helper.make_node("Identity", ["w"], ["y"]))  # in another shape, too
        assert tensors(save(tmp_path / "a.onnx", nodes, {"w": normal(1, 4, 4)}))["w"].axis is None


def test_a_sparse_constant_of_a_node(tmp_path):
    values = numpy_helper.from_array(np.float32([5, 7]), "v")
    part = helper.make_sparse_tensor(values, numpy_helper.from_array(np.array([2, 3])), [2, 3])
    node = helper.make_node("Constant", [], ["w"], sparse_value=part)
    product = helper.make_node("MatMul", ["x", "w"], ["y"])
    found = tensors(save(tmp_path / "a.onnx", [node, product]))
    np.testing.assert_array_equal(found["w"].load(), [[0, 0, 5], [7, 0, 0]])


def test_graphs_of_nodes_without_names_are_told_apart_by_their_number(tmp_path):
    def branch(name):
        nodes = [constant("c", normal(4, 4), "w"), helper.make_node("MatMul", ["x", "w"], [name])]
        return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(name, FLOAT, None)])

    nodes = [
        helper.make_node("If", ["yes"], [f"z{i}"], then_branch=branch(f"t{i}"), else_branch=branch(f"e{i}"))
        for i in range(2)
    ]
    found = tensors(save(tmp_path / "a.onnx", nodes, {"yes": np.array(True)}))
    expected = {f"If_{i}.{which}_branch/w" for i in range(2) for which in ("then", "else")}
    assert {name for name, tensor in found.items() if tensor.size == 16} == expected


def test_graphs_bear_the_names_of_their_nodes(tmp_path):
    """And of those without one the kind and the place among all nodes."""
    result = helper.make_tensor_value_info("t", FLOAT, None)
    inner = helper.make_graph([constant("c", normal(4, 4), "t")], "b", [], [result])
    nodes = [
        helper.make_node("If", ["yes"], [f"z{i}"], name=name, then_branch=inner, else_branch=inner)
        for i, name in enumerate(("choice", "", "If_7", ""))
    ]
    found = tensors(save(tmp_path / "a.onnx", nodes, {"yes": np.array(True)}))
    expected = [
        f"{name}.{which}_branch/t"
        for name in ("choice", "If_1", "If_7", "If_3")
        for which in ("then", "else")
    ]
    assert sorted(name for name, tensor in found.items() if tensor.size == 16) == sorted(expected)


def test_a_name_that_a_graph_defines_again_is_no_use_of_the_one_around_it(tmp_path):
    nodes = [
        helper.make_node("Relu", ["x"], ["w"]),
        helper.make_node("MatMul", ["x", "w"], ["t"]),
    ]
    inner = helper.make_graph(nodes, "b", [], [helper.make_tensor_value_info("t", FLOAT, None)])
    outer = helper.make_node("If", ["yes"], ["z"], then_branch=inner, else_branch=inner)
    found = tensors(save(tmp_path / "a.onnx", [outer], {"yes": np.array(True), "w": normal(4, 6)}))
    assert found["w"].axis is None


@pytest.mark.parametrize("place", range(4))
def test_an_input_of_a_graph_hides_what_has_its_name_outside(tmp_path, place):
    """Whichever of the inputs of a body it is; under another name the body uses what is outside."""
    for hidden in (True, False):
        names = ["i", "go", "a", "b"]
        names[place] = "w" if hidden else names[place]
        inputs = [helper.make_tensor_value_info(name, FLOAT, None) for name in names]
        results = [helper.make_tensor_value_info(name, FLOAT, None) for name in ("more", "t", "u")]
        product = helper.make_node("MatMul", ["x", "w"], ["t"], name="product")
        nodes = [product, helper.make_node("Relu", ["t"], ["u"]), helper.make_node("Relu", ["t"], ["more"])]
        body = helper.make_graph(nodes, "b", inputs, results)
        loop = helper.make_node("Loop", ["n", "yes", "x", "x"], ["y", "z"], body=body)
        arrays = {"n": np.array(3), "yes": np.array(True), "w": normal(4, 6)}
        found = tensors(save(tmp_path / "a.onnx", [loop], arrays))
        assert found["w"].axis == (None if hidden else 1)


def test_names_made_up_follow_the_input_of_a_function(tmp_path):
    body = [
        helper.make_node("Relu", ["a"], ["r"], name="first"),
        helper.make_node("MatMul", ["r", "b"], ["y"], name="second"),
    ]
    function = helper.make_function("here", "Block", ["a", "b"], ["y"], body, [helper.make_opsetid("", 21)])
    for name in ("Initializer_3", "onnx::MatMul_5", "Constant_1_output_0", "m/Transpose_2"):
        node = helper.make_node("Block", ["x", name], ["y"], domain="here", name="block")
        found = tensors(save(tmp_path / "a.onnx", [node], {name: normal(4, 6)}, functions=[function]))
        assert list(found) == ["second.weight"] and found["second.weight"].axis == 1


@pytest.mark.parametrize(
    ("kind", "exponent", "mantissa", "bias", "specials"),
    [  # bits of either, and the codes of the largest exponent that are no numbers of the rule
        ("BFLOAT16", 8, 7, 127, "ieee"),
        ("FLOAT16", 5, 10, 15, "ieee"),
        ("FLOAT8E4M3FN", 4, 3, 7, "last"),
        ("FLOAT8E4M3FNUZ", 4, 3, 8, "minus zero"),
        ("FLOAT8E5M2", 5, 2, 15, "ieee"),
        ("FLOAT8E5M2FNUZ", 5, 2, 16, "minus zero"),
    ],
)
def test_every_code_of_a_short_float_is_its_number(tmp_path, kind, exponent, mantissa, bias, specials):
    """The largest and the smallest ones, too, as float32 holds them all."""
    bits = 1 + exponent + mantissa
    codes = np.arange(2**bits)
    power, part = (codes >> mantissa) % 2**exponent, (codes % 2**mantissa) / 2**mantissa
    values = np.where(power == 0, part * 2.0 ** (1 - bias), (1 + part) * 2.0 ** (power - bias))
    values *= np.where(codes >> (bits - 1), -1.0, 1.0)
    if specials == "ieee":
        top = power == 2**exponent - 1
        values[top] = np.where(part[top] == 0, np.sign(values[top]) * np.inf, np.nan)
    elif specials == "last":
        values[(power == 2**exponent - 1) & (codes % 2**mantissa == 2**mantissa - 1)] = np.nan
    else:
        values[2 ** (bits - 1)] = np.nan
    tensor = onnx.TensorProto(name="w", data_type=getattr(onnx.TensorProto, kind), dims=codes.shape)
    tensor.raw_data = codes.astype(f"<u{bits // 8}").tobytes()
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [], [tensor])), str(tmp_path / "a.onnx"))
    np.testing.assert_array_equal(checkpoints.read(tmp_path / "a.onnx").tensors["w"], values)


def test_every_exponent_is_its_power_of_two(tmp_path):
    """E8M0, of which the last code is no number."""
    if not hasattr(onnx.TensorProto, "FLOAT8E8M0"):
        pytest.skip("this version of onnx does not have the type")
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT8E8M0, dims=[256])
    tensor.raw_data = bytes(range(256))
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [], [tensor])), str(tmp_path / "a.onnx"))
    found = checkpoints.read(tmp_path / "a.onnx").tensors["w"]
    np.testing.assert_array_equal(found, [*(2.0**power for power in range(-127, 128)), np.nan])


@pytest.mark.parametrize(
    ("kind", "name", "nbytes"),
    [
        ("FLOAT8E4M3FN", "float8_e4m3fn", 3),
        ("FLOAT8E4M3FNUZ", "float8_e4m3fnuz", 3),
        ("FLOAT8E5M2", "float8_e5m2", 3),
        ("FLOAT8E5M2FNUZ", "float8_e5m2fnuz", 3),
        ("FLOAT8E8M0", "float8_e8m0fnu", 3),
        ("FLOAT4E2M1", "float4_e2m1fn", 2),
        ("INT4", "int4", 2),
        ("UINT2", "uint2", 1),
        ("BFLOAT16", "bfloat16", 6),
        ("UINT16", "uint16", 6),
        ("DOUBLE", "float64", 24),
    ],
)
def test_types_by_their_names(tmp_path, kind, name, nbytes):
    """And the bytes of three values, the last one begun where several share one."""
    tensor = helper.make_tensor("w", getattr(onnx.TensorProto, kind), [3], [1, 1, 1])
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [], [tensor])), str(tmp_path / "a.onnx"))
    found = tensors(tmp_path / "a.onnx")["w"]
    assert (found.dtype, found.nbytes) == (name, nbytes)
    np.testing.assert_array_equal(found.load(), [1, 1, 1])


@pytest.mark.parametrize("domain", ["com.microsoft.nchwc", ""])
def test_weights_in_the_order_of_a_processor_are_named(tmp_path, domain):
    """onnxruntime writes them so where a model is saved as optimized for the machine: rows would be mixed."""
    node = helper.make_node("Conv", ["x", "reorder", "b"], ["y"], name="c1", domain=domain)
    arrays = {"reorder": normal(16, 16, 3, 3), "b": normal(16)}
    found = tensors(save(tmp_path / "a.onnx", [node], arrays))
    assert [bool(tensor.skip) for tensor in found.values()] == [bool(domain), False]
    assert not domain or "in an order for one processor (NCHWc)" in found["reorder"].skip


def block(number, last):
    """A function of two inputs that hands them to the next one, or multiplies them."""
    node = helper.make_node("MatMul", ["a", "b"], ["r"])
    if not last:
        node = helper.make_node(f"Block{number + 1}", ["a", "b"], ["r"], domain="here")
    imports = [helper.make_opsetid("", 21), helper.make_opsetid("here", 1)]
    return helper.make_function("here", f"Block{number}", ["a", "b"], ["r"], [node], imports)


@pytest.mark.parametrize("kind", ["Split", "Concat", "function"])
@pytest.mark.parametrize(("count", "axis"), [(2, 1), (40, 1), (41, None)])
def test_a_use_is_followed_past_forty_nodes_and_no_further(tmp_path, kind, count, axis):
    functions = []
    if kind == "function":
        nodes = [helper.make_node("Block0", ["x", "w0"], ["y"], domain="here")]
        functions = [block(i, i == count - 1) for i in range(count)]
    else:
        nodes = [helper.make_node(kind, [f"w{i}"], [f"w{i + 1}"], axis=0) for i in range(count)]
        nodes.append(helper.make_node("MatMul", ["x", f"w{count}"], ["y"]))
    path = save(tmp_path / "a.onnx", nodes, {"w0": normal(4, 6)}, functions=functions)
    assert [tensor.axis for tensor in tensors(path).values()] == [axis]
