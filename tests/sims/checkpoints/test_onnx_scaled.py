"""Scales reach the node that uses them over other nodes, and are no weights wherever they stand."""

import itertools
import re

import numpy as np
import pytest

from sims import checkpoints, weights
from sims.weights.axes import rows_of

onnx = pytest.importorskip("onnx")
from tests.sims.checkpoints.test_onnx_graphs import save, tensors  # noqa: E402

helper, numpy_helper, TYPES = onnx.helper, onnx.numpy_helper, onnx.TensorProto
RNG = np.random.default_rng(29)
CODES = RNG.integers(-127, 128, size=(24, 40)).astype(np.int8)
SCALE = np.exp(RNG.normal(size=24)).astype(np.float32)
ZERO = RNG.integers(-5, 6, size=24).astype(np.int8)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def node(kind, inputs, outputs, **options):
    return helper.make_node(kind, inputs.split(), outputs.split(), **options)


GEMM = node("Gemm", "x w", "y", transB=1)
ROAD = {  # nodes from what is stored as "s0" to the scale "s", and how it is stored
    "identity": ([node("Identity", "s0", "s")], SCALE),
    "several": (
        [node("Identity", "s0", "s1"), node("Identity", "s1", "s2"), node("Identity", "s2", "s")],
        SCALE,
    ),
    "reshape": ([node("Reshape", "s0 minus", "s")], SCALE.reshape(4, 6)),
    "kept sizes": ([node("Reshape", "s0 same", "s1"), node("Squeeze", "s1 ax", "s")], SCALE.reshape(24, 1)),
    "squeeze": ([node("Squeeze", "s0", "s")], SCALE.reshape(1, 24, 1)),
    "unsqueeze": ([node("Unsqueeze", "s0 ax", "s1"), node("Squeeze", "s1 ax", "s")], SCALE),
    "flatten": (
        [node("Flatten", "s0", "s1", axis=2), node("Squeeze", "s1 ax", "s")],
        SCALE.reshape(24, 1, 1),
    ),
    "flatten as by default": (  # the first axis stays, as the standard says
        [node("Flatten", "s0", "s1"), node("Squeeze", "s1 ax", "s")],
        SCALE.reshape(24, 1, 1),
    ),
    "flatten as by default, of three axes": (
        [node("Flatten", "s0", "s1"), node("Squeeze", "s1 first", "s")],
        SCALE.reshape(1, 24, 1),
    ),
    "transpose": ([node("Transpose", "s0", "s1"), node("Squeeze", "s1 first", "s")], SCALE.reshape(24, 1)),
    "double": ([node("Cast", "s0", "s", to=TYPES.FLOAT)], SCALE.astype(np.float64)),
}


@pytest.mark.parametrize("road", ROAD)
def test_a_scale_is_followed_through_nodes_that_change_its_form(tmp_path, road):
    nodes, stored = ROAD[road]
    arrays = {"c": CODES, "s0": stored, "z0": ZERO, "minus": np.array([-1]), "ax": np.array([1])}
    arrays |= {"same": np.array([0, 1]), "first": np.array([0])}
    nodes = [*nodes, node("Identity", "z0", "z"), node("DequantizeLinear", "c s z", "w", axis=0), GEMM]
    found = tensors(save(tmp_path / "a.onnx", nodes, arrays))["c"]
    values = found.load()
    for i, j in np.ndindex(24, 40):
        assert values[i, j] == np.float32((int(CODES[i, j]) - int(ZERO[i])) * np.float64(SCALE[i]))
    assert found.axis == 0 and found.nbytes == 960 + stored.nbytes + 24
    assert not weights.select(weights.opened(tmp_path / "a.onnx"), 1).tensors.keys() - {"c"}
    assert {"minus", "ax", "same", "first"} <= tensors(tmp_path / "a.onnx").keys()  # sizes are no scales


@pytest.mark.parametrize("inside", ["branch", "function", "initializers of a branch"])
def test_scales_are_no_weights_wherever_they_stand(tmp_path, inside):
    """Codes, scale and zero point in a graph or a function: weights are what they make together."""
    scale = np.abs(normal(24, 5)) + 0.5  # a matrix, as of weights
    arrays = {"c": CODES, "s0": scale, "z0": RNG.integers(-5, 6, size=(24, 5)).astype(np.int8)}
    stored = [node("Constant", "", name, value=numpy_helper.from_array(a)) for name, a in arrays.items()]
    nodes = [node("Identity", "s0", "s"), node("DequantizeLinear", "c s z0", "w", axis=1, block_size=8), GEMM]
    if inside == "function":
        body, imports = [*stored, *nodes], [helper.make_opsetid("", 21)]
        function = helper.make_function("here", "Block", ["x"], ["y"], body, imports)
        call = helper.make_node("Block", ["x"], ["out"], domain="here")
        path = save(tmp_path / "a.onnx", [call], functions=[function])
    else:
        kept = [numpy_helper.from_array(a, name) for name, a in arrays.items()] if "init" in inside else []
        result = helper.make_tensor_value_info("y", TYPES.FLOAT, None)
        graph = helper.make_graph(nodes if kept else [*stored, *nodes], "g", [], [result], kept)
        choice = node("If", "yes", "out", then_branch=graph, else_branch=graph, name="if")
        path = save(tmp_path / "a.onnx", [choice], {"yes": np.array(True)})
    found = {name: tensor for name, tensor in tensors(path).items() if tensor.size > 1}
    assert {name.rpartition("/")[2] for name in found} == {"c"}
    for tensor in found.values():
        values = tensor.load()
        for i, j in np.ndindex(24, 40):
            shifted = int(CODES[i, j]) - int(arrays["z0"][i, j // 8])
            assert values[i, j] == np.float32(shifted * np.float64(scale[i, j // 8]))


def test_a_cast_to_half_precision_rounds_the_scale(tmp_path):
    scale = np.float32([1 + 2**-12])  # a half has 10 bits behind the point
    nodes = [node("Cast", "s0", "s", to=TYPES.FLOAT16), node("DequantizeLinear", "c s", "w"), GEMM]
    found = tensors(save(tmp_path / "a.onnx", nodes, {"c": CODES, "s0": scale}))["c"]
    np.testing.assert_array_equal(found.load(), CODES)


@pytest.mark.parametrize("turned", [False, True])
def test_codes_are_followed_to_the_node_that_scales_them(tmp_path, turned):
    """Past an Identity, and past a transposition, after which scales belong to another axis."""
    scale = np.exp(normal(24, 5))  # of blocks of 8 inputs
    stored, perm = (CODES.T.copy(), [1, 0]) if turned else (CODES, [0, 1])
    nodes = [node("Identity", "c", "c1"), node("Transpose", "c1", "c2", perm=perm)]
    nodes += [node("DequantizeLinear", "c2 s", "w", axis=1, block_size=8), GEMM]
    found = tensors(save(tmp_path / "a.onnx", nodes, {"c": stored, "s": scale}))
    assert list(found) == ["c"] and found["c"].axis == int(turned)
    rows = rows_of(found["c"].load(), found["c"].axis)
    for i, j in np.ndindex(24, 40):
        assert rows[i, j] == np.float32(int(CODES[i, j]) * np.float64(scale[i, j // 8]))


def test_scales_that_are_scaled_themselves(tmp_path):
    """NVFP4 as ModelOpt exports it: scales of blocks in 8 bits, and one scale of these."""
    codes = RNG.integers(-7, 8, size=(8, 64)).astype(np.int8)
    blocks = RNG.integers(1, 120, size=(8, 4))
    eight = helper.make_tensor("s8", TYPES.UINT8, [8, 4], blocks.astype(np.uint8).tobytes(), raw=True)
    nodes = [
        node("DequantizeLinear", "s8 g", "s"),
        node("DequantizeLinear", "c s", "w", axis=1, block_size=16),
        GEMM,
    ]
    path = save(tmp_path / "a.onnx", nodes, {"c": codes, "g": np.array(np.float32(0.5))})
    model = onnx.load(str(path))
    model.graph.initializer.append(eight)
    onnx.save(model, str(path))
    (tensor,) = tensors(path).values()
    for i, j in np.ndindex(8, 64):
        assert tensor.load()[i, j] == codes[i, j] * blocks[i, j // 16] / 2
    assert tensor.nbytes == 512 + 32 + 4


def test_codes_that_no_scale_fits_are_named_and_the_rest_is_judged(tmp_path):
    """One such tensor used to end the reading of the whole file."""
    arrays = {"c": CODES, "v.weight": normal(40, 50), "shape": np.array([40, 24])}
    for scale, inner, why in (
        (np.ones(7, np.float32), [], "by a DequantizeLinear: scales of shape (7,) do not fit codes of shape"),
        (SCALE, [node("Reshape", "c shape", "d")], "by a DequantizeLinear of codes in another shape"),
        (
            SCALE,
            [node("Transpose", "c", "d", perm=[0, 0])],
            "by a DequantizeLinear of codes turned in an unknown",
        ),
    ):
        nodes = [*inner, node("DequantizeLinear", f"{'d' if inner else 'c'} s", "w", axis=0)]
        nodes += [node("MatMul", "x w", "h"), node("MatMul", "h v.weight", "y")]
        found = weights.select(weights.opened(save(tmp_path / "a.onnx", nodes, arrays | {"s": scale})))
        assert list(found.tensors) == ["v.weight"]
        assert why in found.skipped["c"]


@pytest.mark.parametrize(
    ("operator", "inputs", "shape", "options", "along", "axis"),
    [
        (
            "QLinearMatMul",
            "c s z x xs xz ys yz",
            (6, 6),
            {},
            0,
            0,
        ),  # a scale for every row of the first factor
        ("QLinearMatMul", "x xs xz c s z ys yz", (6, 6), {}, 1, 1),
        ("QLinearMatMul", "x xs xz c s z ys yz", (2, 6, 6), {}, 2, (0, 2)),
        ("QGemm", "x xs xz c s z", (6, 6), {}, 1, 1),
        ("QGemm", "x xs xz c s z", (6, 6), {"transB": 1}, 0, 0),
    ],
)
def test_scales_of_products_belong_to_their_outputs(tmp_path, operator, inputs, shape, options, along, axis):
    codes, scale = RNG.integers(-9, 10, shape).astype(np.int8), np.float32([1, 2, 4, 8, 16, 32])
    path = save(
        tmp_path / "a.onnx", [node(operator, inputs, "y", **options)], {"c": codes, "s": scale, "z": ZERO[:6]}
    )
    (tensor,) = tensors(path).values()
    for index in np.ndindex(shape):
        place = index[along]
        assert tensor.load()[index] == (int(codes[index]) - int(ZERO[place])) * scale[place]
    assert tensor.axis == axis


@pytest.mark.parametrize(
    ("operator", "inputs", "left"),
    [
        ("GatherBlockQuantized", "c x s", {"s": "scales are kept as they are"}),
        ("MatMulBnb4", "x c s", {"s": "scales are kept as they are"}),
        ("QMoE", "x x c s", {"s": "scales are kept as they are"}),
        ("QMoE", "x x x x x c s", {"s": "scales are kept as they are"}),
        ("QMoE", "x x x x x x x x c s", {"s": "scales are kept as they are"}),
    ],
)
def test_operators_whose_codes_are_in_an_order_of_their_own(tmp_path, operator, inputs, left):
    arrays = {
        "c": RNG.integers(0, 255, (64, 32)).astype(np.uint8),
        "s": np.abs(normal(64, 8)),
        "v": normal(20, 30),
    }
    nodes = [node(operator, inputs, "h", domain="com.microsoft"), node("MatMul", "h v", "y")]
    found = weights.select(weights.opened(save(tmp_path / "a.onnx", nodes, arrays)))
    left = left | {"c": f"already quantized, by a {operator}, which is not read"}
    assert list(found.tensors) == ["v"] and found.skipped == left


@pytest.mark.parametrize(
    ("operator", "codes", "beside"),
    [  # places of inputs, from 0 on, as onnxruntime documents its operators
        ("GatherBlockQuantized", 0, (2, 3)),
        ("DynamicQuantizeLSTM", 1, (8, 9)),
        ("DynamicQuantizeLSTM", 2, (10, 11)),
        ("MatMulBnb4", 1, (2,)),
        ("QMoE", 2, (3, 11)),
        ("QMoE", 5, (6, 12)),
        ("QMoE", 8, (9, 13)),
    ],
)
def test_codes_and_scales_of_operators_that_are_not_read(tmp_path, operator, codes, beside):
    names = ["x"] * (max(codes, *beside) + 1)
    names[codes] = "c"
    for place in beside:
        names[place] = f"p{place}"
    arrays = {f"p{place}": np.abs(normal(16, 20)) for place in beside} | {"v": normal(20, 30)}
    arrays["c"] = RNG.integers(0, 255, (16, 20)).astype(np.uint8)
    nodes = [node(operator, " ".join(names), "h", domain="com.microsoft"), node("MatMul", "h v", "y")]
    found = weights.select(weights.opened(save(tmp_path / "a.onnx", nodes, arrays)))
    expected = {f"p{place}": "scales are kept as they are" for place in beside}
    expected["c"] = f"already quantized, by a {operator}, which is not read"
    assert list(found.tensors) == ["v"] and found.skipped == expected


@pytest.mark.parametrize(
    ("operator", "codes", "scale", "zero", "axis"),
    [
        ("DequantizeLinear", 0, 1, 2, None),
        ("QLinearConv", 3, 4, 5, 0),
        ("QLinearMatMul", 0, 1, 2, 0),
        ("QLinearMatMul", 3, 4, 5, 1),
        ("QGemm", 3, 4, 5, 1),
        ("DynamicQuantizeMatMul", 1, 2, 3, 1),
        ("MatMulIntegerToFloat", 1, 3, 5, 1),
        ("QAttention", 1, 4, 7, 1),
    ],
)
def test_places_of_codes_scales_and_zero_points(tmp_path, operator, codes, scale, zero, axis):
    names = ["x"] * (zero + 1)
    names[codes], names[scale], names[zero] = "c", "s", "z"
    arrays = {"c": CODES, "s": np.float32([0.25]), "z": np.int8([3])}
    (found,) = tensors(save(tmp_path / "a.onnx", [node(operator, " ".join(names), "y")], arrays)).values()
    np.testing.assert_array_equal(found.load(), (CODES.astype(int) - 3) / 4)
    assert found.axis == axis


def test_attributes_that_a_node_leaves_out_have_the_values_of_the_standard(tmp_path):
    """DequantizeLinear: axis 1, no blocks. Transpose: all axes turned round."""
    codes, blocks = RNG.integers(-7, 8, (4, 64)).astype(np.int8), RNG.integers(1, 120, (4, 4)).astype(np.int8)
    columns = np.float32([0.5, 1, 2, 4])  # a scale for every column of the scales
    nodes = [node("DequantizeLinear", "b g", "s"), node("DequantizeLinear", "c s", "w", block_size=16), GEMM]
    found = tensors(save(tmp_path / "a.onnx", nodes, {"c": codes, "b": blocks, "g": columns}))["c"].load()
    for i, j in np.ndindex(4, 64):
        assert found[i, j] == int(codes[i, j]) * int(blocks[i, j // 16]) * columns[j // 16]
    plain = [node("DequantizeLinear", "c s", "w"), GEMM]
    for shape in ((4, 64), (4, 32), (4, 2)):  # as of blocks of 1, 2 and 32
        unread = tensors(save(tmp_path / "b.onnx", plain, {"c": codes, "s": normal(*shape)}))["c"]
        why = f"scales of shape {shape} do not fit codes of shape (4, 64) along axis 1"
        assert unread.skip == f"already quantized, by a DequantizeLinear: {why}"
    for shape in ((4, 4), (4, 2), (4, 1)):
        path = save(tmp_path / "c.onnx", nodes, {"c": codes, "b": blocks, "g": np.abs(normal(*shape))})
        with pytest.raises(
            ValueError, match=re.escape(f"scales of shape {shape} do not fit codes of shape (4, 4)")
        ):
            tensors(path)
    turned = [
        node("Transpose", "c", "t"),
        node("DequantizeLinear", "t s", "w", axis=0),
        node("MatMul", "x w", "y"),
    ]
    stored = RNG.integers(-9, 10, (2, 3, 4)).astype(np.int8)
    found = tensors(save(tmp_path / "d.onnx", turned, {"c": stored, "s": columns}))["c"].load()
    np.testing.assert_array_equal(found, stored * columns)  # the first axis of the turned codes is the last


def test_a_node_of_old_opsets_names_its_axes_in_an_attribute(tmp_path):
    nodes = [node("Unsqueeze", "s0", "s1", axes=[0]), node("Squeeze", "s1", "s", axes=[0])]
    nodes += [node("DequantizeLinear", "c s", "w", axis=0), GEMM]
    found = tensors(save(tmp_path / "a.onnx", nodes, {"c": CODES, "s0": SCALE}))["c"]
    np.testing.assert_allclose(found.load(), CODES * SCALE[:, None].astype(np.float64), rtol=1e-6)


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize(
    ("kind", "shape", "axes"),
    [
        *(("Unsqueeze", (5,), [axis]) for axis in (0, -2)),
        *(("Squeeze", (1, 5, 1), [axis]) for axis in (2, -1)),
        *(("Squeeze", (1, 1, 5), [axis]) for axis in (0, 1, -2)),
        *(("Squeeze", (1, 1, 5, 1), axes) for axes in ([0, 3], [-1, 1])),
    ],
)
def test_axes_that_a_node_does_not_name_are_left(tmp_path, kind, shape, axes, old):
    """Scales of blocks of one row, whose other axis is of one place, too; named as by old and new opsets."""
    scale, codes = SCALE[:5], CODES[:1]
    change = node(kind, "s0", "s", axes=axes) if old else node(kind, "s0 ax", "s")
    nodes = [change, node("DequantizeLinear", "c s", "w", axis=1, block_size=8), GEMM]
    arrays = {"c": codes, "s0": scale.reshape(shape), "ax": np.array(axes)}
    found = tensors(save(tmp_path / "a.onnx", nodes, arrays))["c"]
    assert not found.skip
    for j in range(40):
        assert found.load()[0, j] == np.float32(int(codes[0, j]) * np.float64(scale[j // 8]))


def test_sizes_of_zero_are_kept_unless_a_node_allows_them(tmp_path):
    """Reshape: a size of 0 is that of the input; allowzero is left out, or 0."""
    for options in ({}, {"allowzero": 0}):
        nodes = [node("Reshape", "s0 same", "s1", **options), node("Squeeze", "s1 ax", "s")]
        nodes += [node("DequantizeLinear", "c s", "w", axis=0), GEMM]
        arrays = {"c": CODES, "s0": SCALE.reshape(24, 1), "same": np.array([0, 1]), "ax": np.array([1])}
        found = tensors(save(tmp_path / "a.onnx", nodes, arrays))["c"]
        np.testing.assert_allclose(found.load(), CODES * SCALE[:, None].astype(np.float64), rtol=1e-6)


@pytest.mark.parametrize(
    ("operator", "places", "why"),
    [
        *((kind, (3,), "biases") for kind in ("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM")),
        ("QuantizeLinear", (1, 2), "scales"),
        ("GroupQueryAttention", (7, 8), "table"),
        ("RotaryEmbedding", (1, 2), "table"),
        *((kind, (1,), "vector") for kind in ("Add", "Mul", "Div", "PRelu", "BiasAdd", "BiasGelu")),
        *((kind, (1,), "vector") for kind in ("FastGelu", "SkipLayerNormalization")),
        *((kind, (2,), "vector") for kind in ("Gemm", "FusedGemm")),
        ("Sub", (0, 1), "added"),
        ("MatMul", (1,), ""),
        ("Where", (1,), ""),
    ],
)
def test_inputs_that_are_no_weights(tmp_path, operator, places, why):
    reasons = {
        "biases": "biases are kept as they are", "scales": "scales are kept as they are", "": "",
        "table": "a table of positions, which no training changes",
        "vector": "a vector: biases and normalisation are kept as they are",
        "added": "added and subtracted element by element: no weights of a product",
    }  # fmt: skip
    for place in places:
        names = ["x"] * (place + 1)
        names[place] = "w"
        array = normal(1, 300) if why in ("vector", "added", "") else normal(16, 20)
        nodes = [node(operator, " ".join(names), "h"), node("MatMul", "h v", "y")]
        path = save(tmp_path / "a.onnx", nodes, {"w": array, "v": normal(20, 30)})
        assert weights.select(weights.opened(path)).skipped.get("w", "") == reasons[why]


def test_pieces_of_a_weight_have_its_axis(tmp_path):
    joined = node("Concat", "a b", "w", axis=1)
    for after, axis in ((node("MatMul", "x w", "y"), 1), (node("Gemm", "x w", "y", transB=1), 0)):
        found = tensors(save(tmp_path / "a.onnx", [joined, after], {"a": normal(4, 6), "b": normal(4, 3)}))
        assert found["a"].axis == found["b"].axis == axis
    grouped = [node("Concat", "a b", "w", axis=1), node("ConvTranspose", "x w", "y", group=2)]
    found = tensors(save(tmp_path / "b.onnx", grouped, {"a": normal(4, 6, 3), "b": normal(4, 2, 3)}))
    assert found["a"].axis is None  # whole only


def test_blocks_whose_groups_are_shuffled_are_left(tmp_path):
    """MatMulNBits with g_idx: the group of every input, as act-order has it. A bias comes after it."""
    arrays = {"w": np.ones((16, 4, 8), np.uint8), "s": np.ones(64, np.float32), "g": np.arange(64) % 4}
    for inputs, read in (("x w s", True), ("x w s z z b", True), ("x w s z g", False)):
        options = {"K": 64, "N": 16, "bits": 4, "block_size": 16, "domain": "com.microsoft"}
        operator = helper.make_node("MatMulNBits", inputs.replace("z", "").split(" "), ["y"], **options)
        found = tensors(save(tmp_path / "a.onnx", [operator], arrays | {"g": arrays["g"].astype(np.int32)}))
        assert bool(found["w"].skip) != read
    assert found["w"].skip == "already quantized, by a MatMulNBits with groups in an order of their own"


def test_what_the_graph_knows_to_be_no_weight(tmp_path):
    """Biases of an LSTM by any name, tables of positions, a row that is added; asked for, they are judged."""
    arrays = {
        "W": normal(2, 256, 16), "R": normal(2, 256, 64), "B0__23": normal(2, 512), "q": normal(20, 30),
        "c": normal(64, 16), "d": normal(64, 16), "e": normal(64, 16), "f": normal(64, 16),
        "row": normal(1, 300), "column": normal(300, 1), "product": normal(1, 300), "s": normal(64, 8),
        "both": normal(1, 300), "gain": normal(16, 32), "shift": normal(16, 32), "root": normal(16, 32),
        "slope": normal(16, 32, 4), "slim": normal(16, 32),
    }  # fmt: skip
    microsoft = {"domain": "com.microsoft"}
    nodes = [
        node("LSTM", "x W R B0__23", "l", hidden_size=64, direction="bidirectional"),
        node("MatMul", "l q", "h"),
        node("RotaryEmbedding", "h x c d", "r", **microsoft),
        node("GroupQueryAttention", "r r r r r r r e f", "g", **microsoft),
        node("Add", "g row", "a"),
        node("Gemm", "a x column", "b"),
        node("MatMul", "b product", "m"),
        node("QuantizeLinear", "m s", "n", axis=1, block_size=8),
        node("Mul", "n both", "o"),
        node("MatMul", "o both", "p"),
        node("LayerNormalization", "p gain shift", "t", axis=-2),
        node("RMSNormalization", "t root", "u", axis=-2),
        node("SimplifiedLayerNormalization", "u slim", "k", axis=-2),
        node("PRelu", "k slope", "y"),
    ]
    path = save(tmp_path / "a.onnx", nodes, arrays)
    found = weights.select(weights.opened(path))
    assert set(found.tensors) == {"W", "R", "q", "product", "both"}
    table, vector = (
        "a table of positions, which no training changes",
        "a vector: biases and normalisation are kept as they are",
    )
    assert found.skipped == {
        "B0__23": "biases are kept as they are", "s": "scales are kept as they are",
        **dict.fromkeys("cdef", table), "row": vector, "column": vector,
        "shift": "biases are kept as they are",
        **dict.fromkeys(("gain", "root", "slim"), "scales of a normalisation are kept as they are"),
        "slope": "scales are kept as they are",
    }  # fmt: skip
    asked = weights.select(weights.opened(path), include=["c", "B0*"])
    assert list(asked.tensors) == ["B0__23", "c"]


def test_a_grid_of_points_is_no_weight(tmp_path):
    """YOLO's anchor points, a mean image; learned positions are only added, and weights have other uses."""
    arrays = {name: normal(1, 20, 30) for name in ("grid", "mean", "positions", "w", "shift", "v")}
    nodes = [
        node("Sub", "grid x", "a"),
        node("Add", "grid a", "b"),
        node("Sub", "b mean", "c"),
        node("Add", "c positions", "d"),
        node("Sub", "w d", "e"),  # a distance to the rows of a codebook
        node("MatMul", "e w", "f"),
        node("Sub", "v shift", "g"),  # of two constants: weights with their mean taken away
        node("MatMul", "f g", "y"),
    ]
    found = weights.select(weights.opened(save(tmp_path / "a.onnx", nodes, arrays)))
    assert set(found.tensors) == {"positions", "w", "shift", "v"}
    why = "added and subtracted element by element: no weights of a product"
    assert found.skipped == dict.fromkeys(("grid", "mean"), why)


def test_outputs_of_a_transposed_convolution_in_groups(tmp_path):
    """Inputs fall into groups, and every group has its outputs: also behind a transposition."""
    kernel = np.arange(8 * 6 * 2 * 3).reshape(8, 6, 2, 3).astype(np.float32)
    rows = [
        [kernel[i, j, y, x] for y in range(2) for x in range(3) for i in range(4 * g, 4 * g + 4)]
        for g in range(2)
        for j in range(6)
    ]
    convolution = node("ConvTranspose", "x w", "y", group=2)
    found = tensors(save(tmp_path / "a.onnx", [convolution], {"w": kernel}))["w"]
    np.testing.assert_array_equal(rows_of(found.load(), found.axis), rows)
    nodes = [node("Transpose", "t", "w", perm=[2, 3, 0, 1]), convolution]
    stored = {"t": np.ascontiguousarray(kernel.transpose(2, 3, 0, 1))}
    turned = tensors(save(tmp_path / "b.onnx", nodes, stored))["t"]
    assert sorted(map(sorted, rows_of(turned.load(), turned.axis).tolist())) == sorted(map(sorted, rows))


def spread(x, kernel, groups):
    """ConvTranspose of one axis, output by output: input i of a group spreads over its outputs."""
    inputs, outputs, width = kernel.shape
    found = np.zeros((groups * outputs, x.shape[1] + width - 1))
    for i, p, o, k in np.ndindex(inputs, x.shape[1], outputs, width):
        group = i // (inputs // groups)
        found[group * outputs + o, p + k] += x[i, p] * kernel[i, o, k]
    return found


@pytest.mark.parametrize(
    ("groups", "shape"), [(1, (4, 3, 2)), (2, (4, 3, 2)), (4, (4, 1, 3)), (4, (8, 2, 2))]
)
def test_what_a_row_gives_is_one_output_of_a_group(tmp_path, groups, shape):
    """A change of one row changes one output, and in the order of the outputs."""
    kernel, x = normal(*shape), normal(shape[0], 5)
    path = save(tmp_path / "a.onnx", [node("ConvTranspose", "x w", "y", group=groups)], {"w": kernel})
    numbered = rows_of(np.arange(kernel.size).reshape(shape), tensors(path)["w"].axis)
    before = spread(x, kernel, groups)
    assert len(numbered) == len(before) == groups * shape[1]
    for output, row in enumerate(numbered):
        changed = kernel.copy()
        changed.reshape(-1)[row] += 1
        differs = np.abs(spread(x, changed, groups) - before).max(axis=1) > 1e-6
        assert np.flatnonzero(differs).tolist() == [output]


def test_scales_of_a_convolution_in_groups_are_those_of_its_outputs(tmp_path):
    """A scale per output: groups of very different sizes are as good as one of them."""
    groups = [normal(4, 6, 3, 3), 100 * normal(4, 6, 3, 3)]
    nodes = [node("ConvTranspose", "x w", "y", group=2)]
    path = save(tmp_path / "a.onnx", nodes, {"w": np.concatenate(groups)})
    found = {one.name: one for one in weights.report(path, [4], every_format=True).rows[0].stored}
    rows = np.stack([group[:, j].transpose(1, 2, 0).reshape(-1) for group in groups for j in range(6)])
    right = {one.name: one for one in weights.analyse({"w": rows}, [4], every_format=True).rows[0].stored}
    assert found["INT4 per channel"].snr == pytest.approx(right["INT4 per channel"].snr, rel=1e-6)
    assert found["2:4"].snr == pytest.approx(right["2:4"].snr, rel=1e-6)


@pytest.mark.parametrize("fan", ["one name of many", "circle", "chain"])
def test_fans_and_circles_of_scales_cost_linear_time(tmp_path, monkeypatch, fan):
    """Many constants under one name, scales that are their own, scales of scales: looked at once."""
    from sims.checkpoints.onnx_graph import Scope

    original = Scope.producer

    def looks(count):
        nodes = [node("Identity", f"c{i}", "s") for i in range(count)]
        if fan == "circle":
            nodes += [node("DequantizeLinear", "s s s", "s") for _ in range(count)]
        elif fan == "chain":
            nodes += [node("DequantizeLinear", f"d{i} d{i} d{i}", f"d{i + 1}") for i in range(6)]
            nodes += [node("DequantizeLinear", f"c{i} d6", f"y{i}") for i in range(count)]
        else:
            nodes += [node("DequantizeLinear", "x s", f"y{i}") for i in range(count)]
        arrays = {f"c{i}": np.ones((2, 2), np.int8) for i in range(count)} | {"d0": np.float32([1])}
        seen: list = []
        monkeypatch.setattr(Scope, "producer", lambda self, name: seen.append(name) or original(self, name))
        found = checkpoints.open_checkpoint(save(tmp_path / "a.onnx", nodes, arrays)).tensors
        monkeypatch.undo()
        assert len(found) >= count
        return len(seen)

    few = looks(25)
    assert few <= 10 * 25  # and not a number of them for every way through the nodes
    assert looks(200) <= 10 * few


def chain(first, last, length=2000):
    """Nodes that hand on `first`, in the end as `last`: more than Python's recursion goes down."""
    names = [first, *(f"{last}{i}" for i in range(1, length)), last]
    return [node("Identity", one, other) for one, other in itertools.pairwise(names)]


def test_long_chains_of_nodes_are_not_followed_to_their_end(tmp_path):
    """From the codes to the node that scales them, and back from the scale to what is stored."""
    arrays = {"c": CODES, "s0": SCALE, "w": normal(24, 40)}
    far = [*chain("c", "far"), node("DequantizeLinear", "far s0", "y", axis=0)]
    assert not tensors(save(tmp_path / "a.onnx", far, arrays))["c"].note
    late = [*chain("s0", "late"), node("DequantizeLinear", "c late", "y", axis=0)]
    found = tensors(save(tmp_path / "b.onnx", late, arrays))
    assert found["c"].skip == "already quantized, by a DequantizeLinear whose scale is no constant"
    assert {"s0", "w"} <= found.keys()


@pytest.mark.parametrize(("length", "followed"), [(5, True), (7, True), (8, False)])
def test_a_scale_is_followed_back_over_seven_nodes(tmp_path, length, followed):
    nodes = [*chain("s0", "s", length), node("DequantizeLinear", "c s", "w", axis=0), GEMM]
    found = tensors(save(tmp_path / "a.onnx", nodes, {"c": CODES, "s0": SCALE}))
    assert ("s0" in found) != followed and bool(found["c"].skip) != followed


@pytest.mark.parametrize("zero", [None, 0, -7, 100])
def test_a_scale_that_is_scaled_itself_has_a_zero_point_of_its_own(tmp_path, zero):
    stored = RNG.integers(-127, 128, size=24).astype(np.int8)
    arrays = {"c": CODES, "s0": stored, "t": np.float32([0.25])}
    arrays |= {} if zero is None else {"z": np.int8([zero])}
    inner = node("DequantizeLinear", "s0 t" if zero is None else "s0 t z", "s")
    nodes = [inner, node("DequantizeLinear", "c s", "w", axis=0), GEMM]
    found = tensors(save(tmp_path / "a.onnx", nodes, arrays))
    scale = [(int(code) - (zero or 0)) / 4 for code in stored]
    assert list(found) == ["c"]
    np.testing.assert_array_equal(found["c"].load(), CODES * np.array(scale)[:, None])


@pytest.mark.parametrize(("length", "followed"), [(1, True), (6, True), (7, False)])
def test_codes_are_followed_over_six_nodes(tmp_path, length, followed):
    nodes = [*chain("c", "q", length), node("DequantizeLinear", "q s0", "w", axis=0), GEMM]
    found = tensors(save(tmp_path / "a.onnx", nodes, {"c": CODES, "s0": SCALE}))
    assert bool(found["c"].note) == followed and not found["c"].skip


def test_what_is_not_read_keeps_its_shape_and_type(tmp_path):
    text = onnx.TensorProto(name="t", data_type=TYPES.STRING, dims=[2, 3], string_data=[b"a"] * 6)
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [], [text])), str(tmp_path / "a.onnx"))
    assert tensors(tmp_path / "a.onnx")["t"].shape == (2, 3)
    unread = save(tmp_path / "b.onnx", [node("DequantizeLinear", "c x", "y")], {"c": CODES})
    tensor = tensors(unread)["c"]
    assert tensor.skip and (tensor.shape, tensor.dtype, tensor.nbytes) == ((24, 40), "int8", 960)
