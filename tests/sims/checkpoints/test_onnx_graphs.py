"""Every constant of an ONNX graph, wherever it stands, under a name that says what it is for."""

import numpy as np
import pytest

from sims import checkpoints, weights

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
    ("operator", "place", "shape", "options", "axis"),
    [
        ("MatMul", 1, (4, 6), {}, 1),
        ("MatMul", 0, (4, 6), {}, 0),
        ("MatMul", 0, (2, 4, 6), {}, 1),
        ("MatMul", 1, (2, 4, 6), {}, 2),
        ("Gemm", 1, (4, 6), {}, 1),
        ("Gemm", 1, (6, 4), {"transB": 1}, 0),
        ("Conv", 1, (8, 3, 5, 5), {}, 0),
        ("ConvTranspose", 1, (3, 8, 5, 5), {}, 1),
        ("LSTM", 1, (1, 32, 5), {}, 1),
        ("LSTM", 2, (1, 32, 8), {}, 1),
        ("Gather", 0, (50, 8), {}, 0),
        ("Add", 1, (4, 6), {}, None),
    ],
)
def test_the_axis_of_the_outputs_is_that_of_the_graph(tmp_path, operator, place, shape, options, axis):
    inputs = ["x", "x", "x"]
    inputs[place] = "w"
    nodes = [helper.make_node(operator, inputs[: 3 if operator == "LSTM" else 2], ["y"], **options)]
    assert tensors(save(tmp_path / "a.onnx", nodes, {"w": normal(*shape)}))["w"].axis == axis


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


@pytest.mark.parametrize("kind", ["INT4", "UINT4", "BFLOAT16", "FLOAT8E4M3FN"])
def test_narrow_types(tmp_path, kind):
    values = [1, 2, 3, 4, 5, 6]
    tensor = helper.make_tensor("w", getattr(onnx.TensorProto, kind), [2, 3], values)
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [], [tensor])), str(tmp_path / "a.onnx"))
    np.testing.assert_array_equal(checkpoints.read(tmp_path / "a.onnx").tensors["w"].ravel(), values)


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
