"""Further conventions of quantized and pruned files: the weights they stand for, or nothing of them."""

import re

import ml_dtypes
import numpy as np
import pytest

from sims import checkpoints, weights
from sims.weights.quantized import joined
from tests.sims.weights.test_quantized import E2M1, packed_words, save, whole

RNG = np.random.default_rng(41)
LAYER = {"e.weight": RNG.normal(size=(40, 50)).astype(np.float32)}


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def eight(*shape):
    return (50 * normal(*shape)).astype(ml_dtypes.float8_e4m3fn)


def selected(path):
    return weights.select(checkpoints.open_checkpoint(path))


@pytest.mark.parametrize(
    ("codes", "scale", "shape", "name"),
    [
        ("l.weight", "l.scale_weight", (1,), "l.weight"),  # ComfyUI
        ("l.wq.weight", "l.wq.qscale_weight", (), "l.wq.weight"),  # Mistral
        ("l.wq.weight", "l.wq.scale", (3, 5), "l.wq.weight"),  # DeepSeek, for inference
        ("l._weight_qdata", "l._weight_scale", (24, 1), "l.weight"),  # torchao
        ("l._weight_qdata", "l._weight_scale", (24, 5), "l.weight"),
    ],
)
def test_scales_of_eight_bit_floats_by_their_other_names(tmp_path, codes, scale, shape, name):
    """Without them every tensor is as large as its codes, and the network's verdict another."""
    values, factor = eight(24, 40), np.exp(normal(*shape)).astype(np.float32)
    found, skipped, tensors = whole(save(tmp_path / "a.safetensors", **{codes: values, scale: factor}))
    assert list(found) == [name] and not skipped and tensors[name].note.startswith("dequantized from float8")
    spread = factor
    for axis, size in enumerate((24, 40) if len(shape) == 2 else ()):
        spread = np.repeat(spread, size // shape[axis], axis=axis)
    spread = np.broadcast_to(spread, (24, 40))
    for i, j in np.ndindex(24, 40):
        assert found[name][i, j] == np.float32(values[i, j]) * spread[i, j]


def test_scales_decide_what_a_tensor_counts(tmp_path, reference):
    """Two tensors whose codes are of one size, their weights are not: the large one decides."""
    heavy, dense = RNG.standard_t(1.1, size=(48, 48)), RNG.normal(size=(48, 48))
    arrays = {}
    for name, array, scale in (("a", heavy, 1.0), ("b", dense, 1e-5)):
        arrays[f"{name}.weight"] = (array * 400 / np.abs(array).max()).astype(ml_dtypes.float8_e4m3fn)
        arrays[f"{name}.scale_weight"] = np.float32([scale])
    table = weights.report(save(tmp_path / "a.safetensors", **arrays), [4])
    large = arrays["a.weight"].astype(np.longdouble)
    expected = reference.decibels(reference.energy(large), reference.pruning_error(large, 0.75))
    assert table.middle().pruning == pytest.approx(expected, abs=0.01) and table.middle().winner == "cut"


def test_floats_of_eight_bits_without_scales_are_said_to_be_rounded(tmp_path):
    table = weights.report(save(tmp_path / "a.safetensors", **{"l.weight": eight(24, 40)}), [4])
    assert table.rows[0].note == "dequantized from float8_e4m3fn, no scale beside them"
    assert "1 of 1 tensors were already quantized: their SNR is relative to that." in table.sentences()


def test_mxfp8(tmp_path):
    """A byte of exponent for 32 floats of 8 bits, as an integer type."""
    values, exponents = eight(6, 64), RNG.integers(120, 131, size=(6, 2)).astype(np.uint8)
    found, _, _ = whole(save(tmp_path / "a.safetensors", **{"l.weight": values, "l.weight_scale": exponents}))
    for i, j in np.ndindex(6, 64):
        assert found["l.weight"][i, j] == float(values[i, j]) * 2.0 ** (int(exponents[i, j // 32]) - 127)
    wide = {"l.weight": eight(6, 64), "l.weight_scale": np.ones((6, 4), np.uint8)}  # blocks of 16: no MXFP8
    _, skipped, _ = whole(save(tmp_path / "b.safetensors", **wide))
    assert skipped["l.weight"] == "already quantized: scales of type uint8"


@pytest.mark.parametrize(
    ("codes", "scales", "fits"),
    [
        ((64, 64), (64, 2), True),
        ((3, 4, 64), (3, 4, 2), True),
        *(
            ((64, 64), scales, False)
            for scales in ((2, 2), (32, 2), (1, 2), (2,), (64, 1), (64, 3), (64, 64), (128,))
        ),
        *(((3, 4, 64), scales, False) for scales in ((12, 2), (3, 1, 2), (1, 4, 2), (3, 4, 1), (4, 2))),
        ((32,), (1,), True),
        ((32,), (), False),
    ],
)
def test_exponents_are_those_of_32_neighbours_of_one_row(tmp_path, codes, scales, fits):
    """Bytes in any other shape are no exponents, though the last axes may fit."""
    arrays = {
        "l.weight": np.ones(codes).astype(ml_dtypes.float8_e4m3fn),
        "l.weight_scale": np.full(scales, 128, np.uint8),
    }
    found, skipped, _ = whole(save(tmp_path / "a.safetensors", **arrays))
    if fits:
        np.testing.assert_array_equal(found["l.weight"], np.full(codes, 2.0))
    else:
        assert not found and skipped["l.weight"] == "already quantized: scales of type uint8"


@pytest.mark.parametrize(
    ("codes", "is_read"),
    [
        ("float8_e4m3fn", True),
        ("float8_e5m2", True),
        ("int8", False),
        ("int4", False),
        ("float4_e2m1fn", False),
    ],
)
def test_exponents_belong_to_floats_of_eight_bits(codes, is_read):
    """Beside other codes bytes may be anything: scales of another kind, or codes of scales."""
    tensors = {
        "l.weight": checkpoints.of_array("l.weight", np.ones((6, 64), np.float32)).renamed(dtype=codes),
        "l.weight_scale": checkpoints.of_array("l.weight_scale", np.full((6, 2), 128, np.uint8)),
    }
    found, skipped = joined(tensors, {})
    if is_read:
        np.testing.assert_array_equal(found["l.weight"].load(), np.full((6, 64), 2.0))
    else:
        assert not found and skipped["l.weight"] == "already quantized: scales of type uint8"


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("columns", [64, 60])
def test_pruned_weights_as_values_and_bits(tmp_path, flat, columns):
    """compressed-tensors: what is kept, row by row, and a bit for every place from the low end of a byte."""
    if not flat and columns == 60:
        columns = 68  # rows of 2:4 end inside a byte
    dense, kept, places = np.zeros((10, columns), np.float32), [], np.zeros((10, -(-columns // 8)), np.uint8)
    for i in range(10):
        for j in range(columns):
            if RNG.random() < 0.4 if flat else j % 4 in (0, 2):
                dense[i, j] = RNG.normal()
                kept.append(dense[i, j])
                places[i, j // 8] |= 1 << (j % 8)
    stem = "l.weight" if flat else "l"
    arrays = {
        f"{stem}.compressed": np.float32(kept) if flat else np.float32(kept).reshape(10, -1),
        f"{stem}.bitmask": places,
        f"{stem}.shape": np.array([10, columns]).reshape(2, *[1] * (not flat)),
    }
    path = save(tmp_path / "a.safetensors", **arrays)
    found, skipped, tensors = whole(path)
    assert not skipped and tensors["l.weight"].note == "kept weights and a mask"
    np.testing.assert_array_equal(found["l.weight"], dense)
    assert weights.report(path, [4]).rows[0].pruning[4] == pytest.approx(
        weights.analyse({"w": dense}, [4]).rows[0].pruning[4]
    )
    scaled = arrays | {f"{stem}.compressed": np.float32(kept).astype(ml_dtypes.float8_e4m3fn)}
    scaled[f"{stem}.weight_scale"] = np.exp(normal(10, 1))
    found, _, tensors = whole(save(tmp_path / "b.safetensors", **scaled))
    eighth = dense.astype(ml_dtypes.float8_e4m3fn).astype(np.float32)
    np.testing.assert_array_equal(found["l.weight"], eighth * scaled[f"{stem}.weight_scale"])
    assert tensors["l.weight"].note == "dequantized from float8_e4m3fn, kept weights and a mask"
    fewer = arrays | {f"{stem}.compressed": np.float32(kept[1:])}
    with pytest.raises(
        ValueError, match=f"a mask that keeps {len(kept)} of its weights, and {len(kept) - 1} are"
    ):
        whole(save(tmp_path / "c.safetensors", **fewer))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({".shape": np.array([10, 64, 1])}, "pruned weights without their shape"),
        ({".shape": np.array([9, 64])}, r"a mask of shape \(10, 8\) for weights of shape \(9, 64\)"),
        ({".shape": np.array([10, 65])}, r"a mask of shape \(10, 8\) for weights of shape \(10, 65\)"),
        ({".shape": np.array([10, -64])}, r"a mask of shape \(10, 8\) for weights of shape \(10, -64\)"),
        *(
            (
                {".shape": np.array(shape), ".bitmask": np.zeros((shape[0], shape[1] // 8), np.uint8)},
                f"a mask of shape .* for weights of shape \\({shape[0]}, {shape[1]}\\)",
            )
            for shape in ((0, 64), (10, 0), (0, 0))
        ),
        ({".compressed": np.ones(300, np.int8)}, "int8 codes without scales"),
    ],
)
def test_bits_that_do_not_fit_their_weights(tmp_path, changes, why):
    arrays = {
        ".compressed": normal(300),
        ".bitmask": np.zeros((10, 8), np.uint8),
        ".shape": np.array([10, 64]),
    }
    path = save(tmp_path / "a.safetensors", **{f"l{key}": one for key, one in (arrays | changes).items()})
    _, skipped, _ = whole(path)
    assert re.fullmatch(f"already quantized: {why}", skipped["l.compressed"])


def test_packed_weights_whose_zero_points_are_not(tmp_path):
    """compressed-tensors before it packed zero points: signed, as the codes are before they are packed."""
    codes, zeros = RNG.integers(-8, 8, size=(16, 64)), RNG.integers(-8, 8, size=(16, 4)).astype(np.int8)
    arrays = {
        "l.weight_packed": packed_words(codes + 8, 4, 1).view(np.int32),
        "l.weight_scale": np.exp(normal(16, 4)),
        "l.weight_shape": np.array([16, 64]),
        "l.weight_zero_point": zeros,
    }
    found, _, _ = whole(save(tmp_path / "a.safetensors", **arrays))
    for i, j in np.ndindex(16, 64):
        expected = np.float32(codes[i, j] - int(zeros[i, j // 16])) * arrays["l.weight_scale"][i, j // 16]
        assert found["l.weight"][i, j] == expected
    fewer = arrays | {"l.weight_zero_point": zeros[:, :2]}
    _, skipped, _ = whole(save(tmp_path / "b.safetensors", **fewer))
    assert "zero points of shape (16, 2) for scales of shape (16, 4)" in skipped["l.weight_packed"]


def test_codes_in_the_order_of_a_device_are_left(tmp_path):
    """bitsandbytes: weight_format 1, 2 and 3 keep tiles of a kind of device, 0 keeps rows."""
    for kind in range(4):
        codes = RNG.integers(-127, 128, size=(16, 32)).astype(np.int8)
        arrays = {
            "l.weight": codes,
            "l.SCB": np.ones(16, np.float32),
            "l.weight_format": np.array(kind, np.uint8),
        }
        found, skipped, _ = whole(save(tmp_path / "a.safetensors", **arrays))
        assert ("l.weight" in found) == (kind == 0)
        if kind:
            assert skipped["l.weight"] == "already quantized: codes in an order that is not that of rows"


@pytest.mark.parametrize("mark", ["_", "."])
def test_blocks_of_mxfp4_by_both_names(tmp_path, mark):
    """Inputs are the axis of the blocks; experts and outputs are the others."""
    packed = RNG.integers(0, 256, size=(3, 4, 5, 16)).astype(np.uint8)
    exponents = RNG.integers(120, 131, size=(3, 4, 5)).astype(np.uint8)
    arrays = {f"block.0.mlp1_weight{mark}blocks": packed, f"block.0.mlp1_weight{mark}scales": exponents}
    found, _, tensors = whole(save(tmp_path / "a.safetensors", **arrays))
    assert tensors["block.0.mlp1_weight"].axis == (0, 1)
    for e, o, b, i in np.ndindex(3, 4, 5, 32):
        code = int(packed[e, o, b, i // 2]) >> 4 * (i % 2) & 15
        value = (-1) ** (code >> 3) * E2M1[code & 7] * 2.0 ** (int(exponents[e, o, b]) - 127)
        assert found["block.0.mlp1_weight"][e, o, 32 * b + i] == value
    flat = {f"w{mark}blocks": packed[0], f"w{mark}scales": exponents[0]}
    assert whole(save(tmp_path / "b.safetensors", **flat))[2]["w"].axis == 0


UNREAD = {
    "marlin24": {
        "l.weight_packed": np.ones((16, 256), np.int32), "l.scale_packed": normal(4, 128),
        "l.meta": np.ones((32, 16), np.int16),
    },
    "quanto": {
        "l.weight._data._data": np.ones((256, 128), np.uint8), "l.weight._scale": normal(512, 1),
        "l.weight._shift": normal(512, 1),
    },
    "nunchaku": {"l.qweight": np.ones((128, 64), np.int8), "l.wscales": normal(16, 128)},
    "wide": {"l.w": np.ones((64, 64), np.int16), "l.w_scale": normal(64, 8)},
    "experts": {"x.w13_weight_packed": np.ones((4, 64, 16), np.int32), "x.w13_weight_scale": normal(4, 64)},
    "torchao": {
        "l._weight_qdata": np.ones((32, 512), np.int8), "l._weight_scale": normal(32, 32),
        "l._weight_zero_point": normal(32, 32),
    },
    "zeros": {
        "l.codes8": np.ones((64, 64), np.uint8), "l.zeros": normal(64, 8),
        "l.scale_and_zero": normal(64, 16),
    },
    "higgs": {"l.weight": np.ones((64, 64), np.int32), "l.scales": normal(64, 8), "l.tables": normal(256, 2)},
}  # fmt: skip


@pytest.mark.parametrize("convention", UNREAD)
def test_of_codes_that_are_not_read_the_scales_are_no_weights(tmp_path, convention):
    """They were the network where its codes could not be read."""
    arrays = UNREAD[convention]
    found = selected(save(tmp_path / "a.safetensors", **(arrays | LAYER)))
    assert list(found.tensors) == ["e.weight"] and found.skipped.keys() == arrays.keys()
    with pytest.raises(ValueError, match="holds no weights to judge"):
        weights.report(save(tmp_path / "b.safetensors", **arrays))


def test_scales_beside_no_codes_are_those_of_a_norm(tmp_path):
    """And a table of integers that is no matrix of codes changes nothing."""
    arrays = {"norm.scale": 1 + normal(64, 24), "index": np.arange(100).astype(np.int32)} | LAYER
    names = ("position_ids", "bias_index", "h.attn.bias", "perm")
    arrays |= {name: np.arange(400).reshape(20, 20).astype(np.int32) for name in names}
    found = selected(save(tmp_path / "a.safetensors", **arrays))
    assert list(found.tensors) == ["e.weight"]
    assert found.skipped["norm.scale"] == "scales are kept as they are"


def test_doubles_are_no_codes():
    """Their type begins as that of 6-bit floats does: beside a scale they were multiplied with it."""
    arrays = {"l.weight": RNG.normal(size=(24, 40)), "l.weight_scale": np.full(24, 3.0)}
    found = weights.select(weights.opened(arrays)).tensors["l.weight"]
    np.testing.assert_array_equal(found.load(), arrays["l.weight"])
    assert found.note == ""


CODES_AND_SCALES = [  # every convention that is known by its names alone: the codes first
    ("l.weight_packed", "l.scale_packed", "l.meta"),  # Marlin with 2:4
    ("l._data._data", "l._scale", "l._shift"),  # quanto
    ("l._data", "l._scale", "l._shift"),
    ("l.codes", "l.codebooks"),  # AQLM
    ("l.codes", "l.codebooks", "l.scales"),
    ("l.indices", "l.centroids.weight"),  # VPTQ
    ("l.indices", "l.centroids.weight", "l.res_centroids.weight"),
    ("l.B", "l.s"),  # Marlin
    ("l.B", "l.s", "l.workspace"),
    *(("l.W_q", other) for other in ("l.scale", "l.scales", "l_scales", "l_absmax", "l.absmax")),
    *(("l.qweight", other) for other in ("l.scale", "l.scales", "l_scales", "l_absmax", "l.absmax")),
    *(("l.weight", other) for other in ("l.scale", "l.scales", "l_scales", "l_absmax", "l.absmax")),
    *(("l.x", other) for other in ("l.x.scale", "l.x.scales", "l.x_scales", "l.x_absmax", "l.x.absmax")),
    *(("l.qweight", "l.scales", other) for other in ("l_zero", "l.zero", "l.zeros")),
    *(("l.x", "l.x.scales", other) for other in ("l.x.qzeros", "l.x.tables", "l.x.tables2")),
]


@pytest.mark.parametrize("names", CODES_AND_SCALES)
def test_all_parts_of_a_convention_that_is_not_read_are_left_for_one_reason(names):
    """Also what stands beside codes and scales: it is no matrix of weights."""
    arrays = {names[0]: np.full((40, 50), 3, np.int8)} | {name: normal(40, 50) for name in names[1:]}
    whole_ones, skipped = joined(weights.opened(arrays | LAYER).tensors, {})
    assert list(whole_ones) == ["e.weight"]
    why = "already quantized: codes and scales in a convention that is not read"
    assert skipped == dict.fromkeys(names, why)


BYTES = RNG.integers(0, 256, size=(4, 16)).astype(np.uint8)  # of two codes each
WORDS = RNG.integers(0, 2**32, size=(4, 8), dtype=np.uint32)
BESIDE = {  # parts that the weights do not need, and that are no weights
    "row_offsets": (
        {
            "l.compressed": np.arange(1, 9, dtype=np.float32),
            "l.bitmask": np.full((4, 1), 5, np.uint8),
            "l.shape": np.array([4, 8]),
        },
        {"l.row_offsets": np.arange(4)},
        "l.weight",
    ),
    "input_global_scale": (
        {
            "l.weight_packed": BYTES,
            "l.weight_scale": np.ones((4, 2), ml_dtypes.float8_e4m3fn),
            "l.weight_global_scale": np.float32([2]),
        },
        {"l.input_global_scale": normal(24, 24)},
        "l.weight",
    ),
    "weight_g_idx": (
        {
            "l.weight_packed": WORDS.view(np.int32),
            "l.weight_scale": np.ones((4, 1), np.float32),
            "l.weight_shape": np.array([4, 64]),
        },
        {"l.weight_g_idx": np.full(64, -1, np.int32)},
        "l.weight",
    ),
    "input_scale": (
        {
            "l.w": BYTES,
            "l.w_scale": np.ones((4, 2), ml_dtypes.float8_e4m3fn),
            "l.w_scale_2": np.float32([2]),
        },
        {"l.w_input_scale": normal(24, 24)},
        "l.w",
    ),
}


@pytest.mark.parametrize("part", BESIDE)
def test_a_part_that_is_not_needed_changes_nothing_and_is_no_weight(tmp_path, part):
    needed, beside, name = BESIDE[part]
    alone, skipped, _ = whole(save(tmp_path / "a.safetensors", **needed))
    assert list(alone) == [name] and not skipped
    found, skipped, _ = whole(save(tmp_path / "b.safetensors", **needed, **beside))
    assert list(found) == [name] and not skipped
    np.testing.assert_array_equal(found[name], alone[name])


def test_groups_in_another_order_are_left():
    needed, _, _ = BESIDE["weight_g_idx"]
    for groups in (np.arange(64) % 4, np.zeros(64)):
        arrays = needed | {"l.weight_g_idx": groups.astype(np.int32)}
        found, skipped = joined(weights.opened(arrays).tensors, {})
        why = "already quantized: groups in another order than that of the inputs"
        assert not found and skipped == dict.fromkeys(arrays, why)


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_both_kinds_of_four_bits_of_bitsandbytes(kind):
    """The levels stand in the file; codes of the high halves of bytes come first."""
    packed = RNG.integers(0, 256, size=(64, 1)).astype(np.uint8)
    levels = np.sort(normal(16))
    state = f'{{"quant_type": "{kind}", "blocksize": 64, "shape": [8, 16], "dtype": "float16"}}'
    arrays = {
        "l.weight": packed,
        "l.weight.absmax": np.float32([2, 3]),
        "l.weight.quant_map": levels,
        f"l.weight.quant_state.bitsandbytes__{kind}": np.frombuffer(state.encode(), np.uint8),
    }
    found, skipped = joined(weights.opened(arrays).tensors, {})
    assert list(found) == ["l.weight"] and not skipped
    for k in range(128):
        code = int(packed[k // 2, 0]) >> (0 if k % 2 else 4) & 15
        assert found["l.weight"].load().reshape(-1)[k] == levels[code] * (2 if k < 64 else 3)


@pytest.mark.parametrize(
    ("codes", "scale", "zero", "name"),
    [
        ("l.weight", "l.weight_scale", "l.weight_zero_point", "l.weight"),
        ("l.weight_quantized", "l.weight_scale", "l.weight_zero_point", "l.weight"),
        ("l._weight_qdata", "l._weight_scale", "l._weight_zero_point", "l.weight"),
        ("l.weight.qdata", "l.weight.scale", "l.weight.zero_point", "l.weight"),
    ],
)
def test_codes_from_zero_have_their_zero_point_by_every_name(codes, scale, zero, name):
    numbers = RNG.integers(0, 256, size=(24, 32)).astype(np.uint8)
    arrays = {codes: numbers, scale: np.float32([0.5]), zero: np.uint8([100])}
    found, skipped = joined(weights.opened(arrays).tensors, {})
    assert list(found) == [name] and not skipped
    np.testing.assert_array_equal(found[name].load(), (numbers.astype(np.float32) - 100) / 2)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint32"])
def test_integers_of_a_type_that_codes_have_are_codes_beside_scales(dtype):
    arrays = {"l.x": np.full((40, 50), 3, dtype), "l.x.scales": normal(40, 50)} | LAYER
    found, skipped = joined(weights.opened(arrays).tensors, {})
    assert list(found) == ["e.weight"] and skipped.keys() == {"l.x", "l.x.scales"}


@pytest.mark.parametrize("dtype", ["int4", "uint4", "int2", "uint2"])
def test_integers_of_half_a_byte_and_less_are_codes_beside_scales(dtype):
    """Their type is the name that a reader gave them; the numbers are whole."""
    codes = checkpoints.of_array("l.x", np.ones((40, 50), np.int8)).renamed(dtype=dtype)
    tensors = {"l.x": codes, "l.x.scales": checkpoints.of_array("l.x.scales", normal(40, 50))}
    found, skipped = joined(tensors, {})
    assert not found and skipped.keys() == {"l.x", "l.x.scales"}


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int8", "uint8", "int32", "uint32"])
def test_beside_a_matrix_of_short_integers_scales_are_those_of_codes(dtype):
    arrays = {"l.other": np.full((16, 16), 3, dtype), "k.zeros": normal(40, 50)}
    found, skipped = joined(weights.opened(arrays).tensors, {})
    assert list(found) == ["l.other"]
    assert skipped == {"k.zeros": "already quantized: scales of codes in a convention that is not read"}


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int64", "uint8"])
def test_indices_of_tables_may_have_any_type_of_integers(dtype):
    arrays = {"l.codes": np.full((40, 50), 3, dtype), "l.codebooks": normal(40, 50)}
    found, skipped = joined(weights.opened(arrays).tensors, {})
    assert not found and skipped.keys() == arrays.keys()
