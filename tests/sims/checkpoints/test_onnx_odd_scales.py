"""Codes and scales of ONNX whose nodes do not say all, or say what does not fit: named, or read as told."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from tests.sims.checkpoints.test_onnx_graphs import save, tensors  # noqa: E402
from tests.sims.checkpoints.test_onnx_odd_nodes import node, normal  # noqa: E402

helper = onnx.helper
RNG = np.random.default_rng(41)
CODES = RNG.integers(-127, 128, (24, 40)).astype(np.int8)
SCALE = np.exp(RNG.normal(size=24)).astype(np.float32)
SCALED = CODES * SCALE[:, None].astype(np.float64)
LAST = node("DequantizeLinear", "c s", "w", axis=0)
COMPUTED = "already quantized, by a DequantizeLinear whose scale is no constant"


@pytest.mark.parametrize(
    ("nodes", "arrays"),
    [
        ([node("Relu", "s0", "s")], {"s0": SCALE}),  # another number where it is negative
        ([node("Mul", "s0 x", "s")], {"s0": SCALE}),
        ([node("Reshape", "s0 x", "s")], {"s0": SCALE}),
        ([node("Squeeze", "s0 x", "s")], {"s0": SCALE.reshape(1, 24)}),
        ([node("Identity", "", "s")], {"s0": SCALE}),
        ([helper.make_node("Identity", [], ["s"])], {"s0": SCALE}),
        ([node("DequantizeLinear", "s0 g x", "s", axis=0)], {"s0": np.arange(24, dtype=np.int8), "g": SCALE}),
    ],
)
def test_a_scale_that_is_computed_is_no_constant(tmp_path, nodes, arrays):
    """What it is computed of keeps its place among the constants of the file; what is formed is a scale."""
    found = tensors(save(tmp_path / "a.onnx", [*nodes, LAST], arrays | {"c": CODES}))
    assert found["c"].skip == COMPUTED
    formed = nodes[0].op_type in ("Reshape", "Squeeze", "DequantizeLinear")
    assert ("s0" in found) != formed


@pytest.mark.parametrize(
    ("nodes", "arrays"),
    [
        ([node("Reshape", "s0", "s")], {"s0": SCALE}),  # to what shape?
        (
            [node("Transpose", "s0", "s1", perm=[1, 2, 0]), node("Squeeze", "s1", "s")],
            {"s0": SCALE.reshape(1, 24, 1)},
        ),
        (
            [node("DequantizeLinear", "s0 g ", "s")],  # without a zero point
            {"s0": np.ones(24, np.int8) * 2, "g": np.float32([0.5])},
        ),
    ],
)
def test_scales_that_are_formed_of_what_is_told(tmp_path, nodes, arrays):
    scale = np.ones(24) if "g" in arrays else SCALE
    found = tensors(save(tmp_path / "a.onnx", [*nodes, LAST], arrays | {"c": CODES}))["c"]
    np.testing.assert_allclose(found.load(), CODES * scale[:, None].astype(np.float64), rtol=1e-6)


def test_an_order_of_three_axes_is_that_of_the_node(tmp_path):
    """Scales of blocks of 8, whose rows and columns change places."""
    scale = np.exp(normal(24, 5))
    nodes = [
        node("Transpose", "s0", "s1", perm=[1, 0, 2]),
        node("Squeeze", "s1 ax", "s"),
        node("DequantizeLinear", "c s", "w", axis=1, block_size=8),
    ]
    arrays = {"c": CODES, "s0": scale.T.reshape(5, 24, 1).copy(), "ax": np.array([2])}
    found = tensors(save(tmp_path / "a.onnx", nodes, arrays))["c"]
    np.testing.assert_allclose(found.load(), CODES * np.repeat(scale, 8, axis=1).astype(float), rtol=1e-6)


def test_sizes_of_zero_that_a_node_allows_are_zeros(tmp_path):
    nodes = [node("Reshape", "s0 same", "s1", allowzero=1), node("Squeeze", "s1", "s"), LAST]
    arrays = {"c": CODES, "s0": SCALE.reshape(24, 1), "same": np.array([0, 1])}
    with pytest.raises(ValueError, match="cannot reshape array of size 24 into shape"):
        tensors(save(tmp_path / "a.onnx", nodes, arrays))


@pytest.mark.parametrize(
    ("between", "note"),
    [
        ([node("Identity", "c", "d")], True),
        ([node("Relu", "c", "d")], False),  # other codes
        ([node("Clip", "c", "d")], False),
        ([node("Reshape", "x c", "d")], False),  # the sizes of something else
        ([node("Identity", "x", "d")], False),
        ([helper.make_node("Identity", [], ["d"])], False),
        ([node("Identity", "c", "d"), node("Identity", "c", "")], True),
        ([node("Identity", "c", ""), node("Identity", "c", "d")], True),
    ],
)
def test_codes_are_those_that_reach_the_node_that_scales_them(tmp_path, between, note):
    """The scale of others is a constant of its own, and stays."""
    nodes = [*between, node("DequantizeLinear", "d s", "w", axis=0)]
    found = tensors(save(tmp_path / "a.onnx", nodes, {"c": CODES, "s": SCALE}))
    assert not found["c"].skip and bool(found["c"].note) == note
    assert found.keys() == ({"c"} if note else {"c", "s"})
    np.testing.assert_allclose(found["c"].load(), SCALED if note else CODES, rtol=1e-6)


@pytest.mark.parametrize(
    ("codes", "scale", "options", "right"),
    [
        ((24,), (24,), {"axis": 0}, lambda c, s: c * s),
        ((24,), (24,), {"axis": -1}, lambda c, s: c * s),
        ((24, 40), (24,), {"axis": 0, "block_size": 8}, lambda c, s: c * s[:, None]),
        ((24, 40), (40,), {"axis": 1, "block_size": 8}, lambda c, s: c * s),
        ((24, 40), (40,), {"axis": -1}, lambda c, s: c * s),
        ((24, 40), (24,), {"axis": -2}, lambda c, s: c * s[:, None]),
        ((24, 40), (24, 40), {"axis": 1, "block_size": 1}, lambda c, s: c * s),
        ((24, 40), (24, 6), {"axis": 1, "block_size": 7}, lambda c, s: c * np.repeat(s, 7, axis=1)[:, :40]),
        ((), (), {"axis": 0}, lambda c, s: c * s),
        ((24, 40), (1,), {"axis": 9}, lambda c, s: c * s),  # one scale belongs to all
        ((24, 40), (24,), {"axis": 2}, None),
        ((24, 40), (24,), {"axis": -3}, None),
        ((), (2,), {"axis": 0}, None),
        ((24, 40), (24, 5), {"axis": 1}, None),
        ((24, 40), (24, 5), {"axis": 1, "block_size": -8}, None),
        ((24, 40), (24, 5), {"axis": 1, "block_size": 7}, None),
        ((24, 40), (3, 40), {"axis": 1, "block_size": 8}, None),
        ((24, 0), (24, 0), {"axis": 1, "block_size": -8}, None),
        ((24, 40), (24, 40), {"axis": 1, "block_size": 0}, None),
    ],
)
def test_scales_fit_along_the_axis_of_the_node_or_not_at_all(tmp_path, codes, scale, options, right):
    codes, scale = RNG.integers(-127, 128, codes).astype(np.int8), np.exp(normal(*scale))
    nodes = [node("DequantizeLinear", "c s", "w", **options)]
    found = tensors(save(tmp_path / "a.onnx", nodes, {"c": codes, "s": np.asarray(scale)}))["c"]
    if right is None:
        shapes = f"scales of shape {scale.shape} do not fit codes of shape {codes.shape} along axis"
        assert found.skip == f"already quantized, by a DequantizeLinear: {shapes} {options['axis']}"
    else:
        np.testing.assert_allclose(found.load(), right(codes.astype(float), scale.astype(float)), rtol=1e-6)


def test_an_operator_that_cannot_turn_its_factor_has_scales_of_columns(tmp_path):
    """Whatever attribute stands beside: `transB` is one of QGemm."""
    codes, scale = RNG.integers(-9, 10, (6, 6)).astype(np.int8), np.float32([1, 2, 4, 8, 16, 32])
    operator = node("QLinearMatMul", "x xs xz c s", "y", transB=1)
    found = tensors(save(tmp_path / "a.onnx", [operator], {"c": codes, "s": scale}))["c"]
    np.testing.assert_array_equal(found.load(), codes * scale)


def test_an_operator_without_blocks_has_no_scale_for_every_code(tmp_path):
    codes, operator = RNG.integers(-9, 10, (4, 6)).astype(np.int8), node("QLinearMatMul", "x xs xz c s", "y")
    found = tensors(save(tmp_path / "a.onnx", [operator], {"c": codes, "s": np.abs(normal(4, 6))}))["c"]
    why = "scales of shape (4, 6) do not fit codes of shape (4, 6) along axis 1"
    assert found.skip == f"already quantized, by a QLinearMatMul: {why}"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"bits": 3}, "3-bit blocks of 16"),
        ({"bits": 0}, "0-bit blocks of 16"),
        ({"block_size": 8}, "4-bit blocks of 8"),
        ({"block_size": 0}, "4-bit blocks of 0"),
        ({"N": 0}, "4-bit blocks of 16"),
        ({"N": -1}, "4-bit blocks of 16"),
        ({"K": 0}, "4-bit blocks of 16"),
        ({"K": -16}, "4-bit blocks of 16"),
    ],
)
def test_blocks_of_bits_of_other_sizes_are_not_read(tmp_path, options, why):
    arrays = {"w": np.ones((4, 2, 8), np.uint8), "s": np.ones(8, np.float32)}
    sizes = {"K": 32, "N": 4, "bits": 4, "block_size": 16} | options
    operator = helper.make_node("MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", **sizes)
    found = tensors(save(tmp_path / "a.onnx", [operator], arrays))["w"]
    with pytest.raises(ValueError, match=f"tensor 'w': already quantized: {why} are not read$"):
        found.load()


@pytest.mark.parametrize(("rows", "columns"), [(1, 32), (4, 1), (1, 1)])
def test_blocks_of_bits_of_one_output_or_of_one_input(tmp_path, rows, columns):
    """All bytes are 0x3A: the codes 10 and 3 in turn, about the middle 8."""
    blocks = -(-columns // 16)
    arrays = {"w": np.full((rows, blocks, 8), 0x3A, np.uint8), "s": np.full(rows * blocks, 0.5, np.float32)}
    sizes = {"K": columns, "N": rows, "bits": 4, "block_size": 16}
    operator = helper.make_node("MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", **sizes)
    found = tensors(save(tmp_path / "a.onnx", [operator], arrays))["w"].load()
    np.testing.assert_array_equal(found, np.tile([1, -2.5], (rows, 16))[:, :columns])


@pytest.mark.parametrize(
    ("operator", "stored", "second", "options", "shape"),
    [
        ("Reshape", (12, 10), [7, 5], {}, None),
        ("Reshape", (12, 10), [12, 10, -1, -1], {}, None),
        ("Reshape", (12, 10), [5, 24], {}, (5, 24)),
        ("Reshape", (12, 10), [2, 60], {}, (2, 60)),
        ("Reshape", (12, 10), None, {"shape": [5, 24]}, (5, 24)),  # as the first version has it
        ("Reshape", (12, 10), None, {}, None),
        ("Reshape", (0, 10), [0, -1], {}, None),
        ("Reshape", (4, 3, 10), [0, -1], {"allowzero": 0}, (4, 30)),
        ("Reshape", (4, 3, 10), [0, -1], {"allowzero": 1}, None),
        ("ReduceSum", (12, 10), [0], {}, None),  # no change of form alone
        ("ReduceMean", (12, 10), None, {"axes": [0]}, None),
        ("Pad", (12, 10), [0, 0, 0, 0], {}, None),
    ],
)
def test_a_weight_has_the_form_in_which_it_is_used_where_it_has_one(
    tmp_path, operator, stored, second, options, shape
):
    w, arrays = normal(*stored), {} if second is None else {"n": np.array(second)}
    formed = node(operator, "w" if second is None else "w n", "r", **options)
    path = save(tmp_path / "a.onnx", [formed, node("MatMul", "x r", "y")], arrays | {"w": w})
    found = tensors(path)["w"]
    assert found.shape == (shape or stored) and (not shape or found.axis == 1)
    np.testing.assert_array_equal(found.load(), w.reshape(shape or stored))


def test_the_sizes_of_a_reshape_keep_their_own_shape(tmp_path):
    """Four numbers that would be a shape of four themselves."""
    nodes = [node("Reshape", "x w", "r"), node("MatMul", "x r", "y")]
    assert tensors(save(tmp_path / "a.onnx", nodes, {"w": np.array([2, 2, 1, 1])}))["w"].shape == (4,)


def test_codes_whose_scale_is_left_out_are_named(tmp_path):
    last = helper.make_node("DequantizeLinear", ["c", "", "z"], ["w"])
    found = tensors(save(tmp_path / "a.onnx", [last], {"c": CODES, "z": np.zeros(24, np.int8)}))
    assert found["c"].skip == "already quantized, by a DequantizeLinear without a scale"


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_scales_that_of_the_first_node_counts(tmp_path, order):
    """One that takes the codes themselves, before any that takes what another node hands on."""
    direct = [node("DequantizeLinear", "c s", "w", axis=0), node("DequantizeLinear", "c t", "v", axis=0)]
    handed = [node("Identity", "c", "d"), node("DequantizeLinear", "d t", "u", axis=0)]
    arrays = {"c": CODES, "s": SCALE, "t": 2 * SCALE}
    found = tensors(save(tmp_path / "a.onnx", [*handed, *direct[::order]], arrays))["c"]
    np.testing.assert_allclose(found.load(), SCALED * (1 if order == 1 else 2), rtol=1e-6)


def test_a_sparse_scale_is_none_that_is_read(tmp_path):
    values, places = (
        onnx.numpy_helper.from_array(SCALE[:2], "s"),
        onnx.numpy_helper.from_array(np.array([0, 1])),
    )
    sparse = helper.make_sparse_tensor(values, places, [24])
    found = tensors(save(tmp_path / "a.onnx", [LAST], {"c": CODES}, sparse=[sparse]))
    assert list(found) == ["c"] and found["c"].skip == COMPUTED


def test_scales_in_a_file_that_is_missing_are_missed_when_it_is_opened(tmp_path):
    path = save(tmp_path / "a.onnx", [LAST], {"c": CODES, "s": SCALE})
    model = onnx.load(path)
    scale = model.graph.initializer[1]
    scale.ClearField("raw_data")
    scale.data_location = onnx.TensorProto.EXTERNAL
    scale.external_data.add(key="location", value="none.bin")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=r"values are in the file 'none\.bin', which is missing beside"):
        tensors(path)


def test_a_scale_of_codes_without_a_scale_is_refused(tmp_path):
    nodes = [node("DequantizeLinear", "s0", "s"), LAST]
    path = save(tmp_path / "a.onnx", nodes, {"c": CODES, "s0": np.ones(24, np.int8)})
    with pytest.raises(ValueError, match=r"'a\.onnx': tensor 'c': a DequantizeLinear without a scale$"):
        tensors(path)
