"""Parts of a convention that fit, and the same parts with one thing changed: no weights then, and why."""

import json

import ml_dtypes
import numpy as np
import pytest

from sims import weights
from sims.weights import packed
from sims.weights.dequantize import words
from sims.weights.quantized import joined
from tests.sims.weights.test_quantized import E2M1, packed_words, save, whole

RNG = np.random.default_rng(61)


def zeros(*shape, dtype=np.int32):
    return np.zeros(shape, dtype)


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


@pytest.fixture
def read(tmp_path):
    """Weights of a file of these arrays by name, and why others were left out."""
    return lambda arrays, config=None: whole(save(tmp_path / "a.safetensors", **arrays), config)[:2]


STATE = {"quant_type": "nf4", "blocksize": 64, "shape": [12, 32]}


def state(**changes):
    return np.frombuffer(json.dumps(STATE | changes).encode(), np.uint8)


NF4 = "l.weight.quant_state.bitsandbytes__nf4"
E4M3 = ml_dtypes.float8_e4m3fn
PARTS = {  # convention: its parts, in one of the ways in which they fit, and the shape of the weights
    "gptq": (
        {"l.qweight": zeros(8, 32), "l.qzeros": zeros(4, 4), "l.scales": ones(4, 32)},
        (32, 64),
    ),
    "packed": (
        {
            "l.weight_packed": zeros(16, 8),
            "l.weight_scale": ones(16, 2),
            "l.weight_shape": np.array([16, 64]),
        },
        (16, 64),
    ),
    "nvfp4": (
        {
            "l.weight_packed": zeros(12, 32, dtype=np.uint8),
            "l.weight_scale": ones(12, 4, dtype=E4M3),
            "l.weight_global_scale": ones(1),
        },
        (12, 64),
    ),
    "mlx": (
        {"l.weight": zeros(8, 16, dtype=np.uint32), "l.scales": ones(8, 2), "l.biases": ones(8, 2)},
        (8, 128),
    ),
    "nf4": (
        {
            "l.weight": zeros(192, 1, dtype=np.uint8),
            "l.weight.absmax": ones(6),
            "l.weight.quant_map": ones(16),
            NF4: state(),
        },
        (12, 32),
    ),
    "int8": ({"l.weight": zeros(6, 40, dtype=np.int8), "l.SCB": ones(6)}, (6, 40)),
    "mxfp4": (
        {"l_blocks": zeros(2, 6, 3, 16, dtype=np.uint8), "l_scales": zeros(2, 6, 3, dtype=np.uint8)},
        (2, 6, 96),
    ),
    "bitmask": (
        {
            "l.compressed": ones(20),
            "l.bitmask": np.full((10, 1), 3, np.uint8),
            "l.shape": np.array([10, 8]),
        },
        (10, 8),
    ),
    "modelopt": (
        {
            "l.weight": zeros(12, 32, dtype=np.uint8),
            "l.weight_scale": ones(12, 4, dtype=E4M3),
            "l.weight_scale_2": ones(1),
        },
        (12, 64),
    ),
}
CONFIG = {
    "quantization_config": {"quant_method": "gptq"},
    "quantization": {"bits": 4, "group_size": 64},
}


@pytest.mark.parametrize("convention", PARTS)
def test_parts_that_fit_are_weights(read, convention):
    arrays, shape = PARTS[convention]
    found, skipped = read(arrays, CONFIG)
    assert [array.shape for array in found.values()] == [shape] and not skipped


@pytest.mark.parametrize(
    ("convention", "changes", "shape"),
    [
        ("nf4", {NF4: state(shape=[1, 384])}, (1, 384)),
        ("nf4", {NF4: state(shape=[384, 1])}, (384, 1)),
        ("nf4", {NF4: state(blocksize=1), "l.weight.absmax": ones(384)}, (12, 32)),
        ("nf4", {NF4: np.frombuffer(state().tobytes().ljust(2**16), np.uint8)}, (12, 32)),
        (
            "modelopt",
            {"l.weight": zeros(3, 12, 32, dtype=np.uint8), "l.weight_scale": ones(3, 12, 4, dtype=E4M3)},
            (3, 12, 64),
        ),
    ],
)
def test_further_parts_that_fit_are_weights(read, convention, changes, shape):
    """Layers of one input or output, blocks of one weight, the longest state, stacked experts."""
    found, skipped = read(PARTS[convention][0] | changes, CONFIG)
    assert [array.shape for array in found.values()] == [shape] and not skipped


FIT_NOT = "packed codes of shape"
NO_SIZES = [
    *({"shape": shape} for shape in ([-12, -32], [0, 32], [12.0, 32], ["12", 32], [[12], 32], [12, True])),
    *({"blocksize": size} for size in (0, -64, 64.0, "64", None)),
]
CHANGES = [
    ("gptq", {"l.scales": ones(3, 32), "l.qzeros": zeros(3, 4)}, FIT_NOT),  # of 64 inputs
    ("gptq", {"l.qzeros": zeros(2, 4)}, FIT_NOT),
    ("gptq", {"l.qzeros": zeros(5, 4)}, FIT_NOT),
    ("gptq", {"l.scales": ones(4, 30), "l.qweight": zeros(8, 30)}, FIT_NOT),  # of 32 zero points
    ("gptq", {"l.qweight": zeros(8, 16)}, FIT_NOT),
    ("gptq", {"l.qweight": zeros(8, 33)}, FIT_NOT),
    ("gptq", {"l.scales": ones(0, 32), "l.qzeros": zeros(0, 4)}, FIT_NOT),
    ("gptq", {"l.qweight": zeros(6, 32), "l.qzeros": zeros(4, 3)}, FIT_NOT),  # three bits
    ("gptq", {"l.qweight": zeros(64, 8), "l.qzeros": zeros(4, 8)}, FIT_NOT),  # eight bits along outputs
    ("gptq", {"l.qweight": zeros(8)}, FIT_NOT),
    ("packed", {"l.weight_shape": np.array([16, 64, 1])}, "without the shape of the weights"),
    ("packed", {"l.weight_shape": np.array([16])}, "without the shape of the weights"),
    ("packed", {"l.weight_packed": zeros(16, 8, dtype=np.int8)}, "without the shape of the weights"),
    ("packed", {"l.weight_packed": zeros(16, 7)}, FIT_NOT),
    ("packed", {"l.weight_packed": zeros(15, 8)}, FIT_NOT),
    ("packed", {"l.weight_packed": zeros(16, 1), "l.weight_shape": np.array([16, 4])}, FIT_NOT),
    ("packed", {"l.weight_scale": ones(2, 16)}, FIT_NOT),
    ("packed", {"l.weight_scale": ones(8, 4)}, FIT_NOT),
    ("nvfp4", {"l.weight_packed": zeros(12, 32, dtype=np.int8)}, "without the shape of the weights"),
    ("nvfp4", {"l.weight_packed": zeros(3, 4, 32, dtype=np.uint8)}, "without the shape of the weights"),
    ("nvfp4", {"l.weight_global_scale": None}, "without the shape of the weights"),
    (  # a list of bytes has no blocks
        "nvfp4",
        {"l.weight_scale": zeros(12, dtype=np.uint8), "l.weight_global_scale": None},
        "without the shape of the weights",
    ),
    (  # one exponent a row, which 32 times their number fit as if there were a block for each
        "nvfp4",
        {
            "l.weight_packed": zeros(2, 32, dtype=np.uint8),
            "l.weight_scale": zeros(2, dtype=np.uint8),
            "l.weight_global_scale": None,
        },
        "without the shape of the weights",
    ),
    ("mlx", {"l.scales": ones(4, 2), "l.biases": ones(4, 2)}, "MLX, 4 bits, which is not read"),
    ("nf4", {NF4: state(shape="x")}, "a state that names no shape"),
    ("nf4", {NF4: state(shape=None)}, "a state that names no shape"),
    (
        "nf4",
        {NF4: np.frombuffer(state().tobytes().ljust(2**16 + 1), np.uint8)},
        "a state that names no shape",
    ),
    *(("nf4", {NF4: state(**changes)}, "a state without shape or block size") for changes in NO_SIZES),
    ("nf4", {NF4: state(shape=[24, 32]), "l.weight.absmax": ones(12)}, "do not fit the codes"),
    ("nf4", {NF4: state(shape=[385]), "l.weight.absmax": ones(7)}, "do not fit the codes"),
    ("nf4", {"l.weight.quant_map": ones(15)}, "do not fit the codes"),
    ("nf4", {"l.weight.quant_map": ones(16, 1)}, "do not fit the codes"),
    ("nf4", {"l.weight.absmax": ones(5)}, "do not fit the codes"),
    ("nf4", {"l.weight.absmax": ones(7)}, "do not fit the codes"),
    ("int8", {"l.weight": zeros(6, 40, dtype=np.uint8)}, "codes of type uint8 with scales of shape (6,)"),
    ("int8", {"l.SCB": ones(1, 6)}, "codes of type int8 with scales of shape (1, 6)"),
    ("int8", {"l.SCB": ones(40)}, "codes of type int8 with scales of shape (40,)"),
    ("mxfp4", {"l_scales": zeros(2, 6, 2, dtype=np.uint8)}, "blocks of shape"),
    ("mxfp4", {"l_scales": zeros(36, dtype=np.uint8)}, "blocks of shape"),
    ("mxfp4", {"l_blocks": zeros(2, 6, 3, 8, dtype=np.uint8)}, "blocks of shape"),
    ("mxfp4", {"l_blocks": zeros(2, 6, 3, 32, dtype=np.uint8)}, "blocks of shape"),
    (
        "mxfp4",
        {"l_blocks": zeros(3, 16, dtype=np.uint8), "l_scales": zeros(3, dtype=np.uint8)},
        "blocks of shape (3, 16)",
    ),
    ("bitmask", {"l.bitmask": np.full((10, 1), 3, np.int8)}, "pruned weights without their shape"),
    ("bitmask", {"l.shape": np.array([80])}, "pruned weights without their shape"),
    ("bitmask", {"l.weight_scale": ones(3, 1)}, "leave the size of a block open"),
    ("modelopt", {"l.weight_scale": ones(12, 4)}, "codes of type uint8 with scales of type float32"),
    ("modelopt", {"l.weight": zeros(12, 32, dtype=np.int8)}, "codes of type int8 with scales"),
    ("modelopt", {"l.weight_scale": ones(12, 8, dtype=E4M3)}, "codes of type uint8 with scales"),
    ("modelopt", {"l.weight_scale": ones(12, 2, dtype=E4M3)}, "codes of type uint8 with scales"),
]


@pytest.mark.parametrize("row", range(len(CHANGES)))
def test_of_parts_that_do_not_fit_nothing_is_a_weight(read, row):
    """And the reason is the one that a reader can use, not the error of a library."""
    convention, changes, why = CHANGES[row]
    arrays = {name: array for name, array in (PARTS[convention][0] | changes).items() if array is not None}
    found, skipped = read(arrays, CONFIG)
    assert not found and skipped.keys() == arrays.keys()
    assert all(reason.startswith("already quantized: ") and why in reason for reason in skipped.values())


@pytest.mark.parametrize("count", [63, 65, 128])
def test_every_input_has_one_group(count):
    arrays = PARTS["gptq"][0] | {"l.g_idx": zeros(count)}
    found, _ = joined(weights.opened(arrays).tensors, CONFIG)
    with pytest.raises(ValueError, match="the groups of its inputs are none of its scales"):
        found["l.weight"].load()


def test_blocks_of_nvfp4_may_have_32_weights_as_those_of_mxfp4(read):
    """What is no byte is a scale and no exponent."""
    codes = RNG.integers(0, 16, size=(3, 64))
    scale = ones(3, 2, dtype=E4M3) * np.array([[1.5, 4], [0.5, 3], [2, 20]], E4M3)
    arrays = {
        "l.weight_packed": (codes[:, ::2] | codes[:, 1::2] << 4).astype(np.uint8),
        "l.weight_scale": scale,
        "l.weight_global_scale": np.float32([4]),
    }
    found, _ = read(arrays)
    for i, j in np.ndindex(3, 64):
        value = E2M1[codes[i, j] & 7] * (-1) ** (codes[i, j] >> 3)
        assert found["l.weight"][i, j] == value * float(scale[i, j // 32]) / 4


def test_floats_are_no_exponents_where_they_stand_for_32_weights_each(read):
    codes = RNG.integers(-9, 10, size=(6, 64)).astype(E4M3)
    scale = np.exp(RNG.normal(size=(6, 2))).astype(np.float32)
    found, _ = read({"l.weight": codes, "l.weight_scale": scale})
    for i, j in np.ndindex(6, 64):
        assert found["l.weight"][i, j] == float(codes[i, j]) * scale[i, j // 32]


def test_eight_bits_of_bitsandbytes_need_no_word_on_their_order(read):
    codes = RNG.integers(-127, 128, size=(6, 40)).astype(np.int8)
    found, skipped = read({"l.weight": codes, "l.SCB": 127 * np.arange(1, 7, dtype=np.float32)})
    np.testing.assert_array_equal(found["l.weight"], codes * np.arange(1, 7)[:, None])
    assert not skipped


def test_kept_codes_of_a_pruned_layer_have_scales(read):
    arrays, _ = PARTS["bitmask"]
    codes = RNG.integers(-9, 10, size=20).astype(np.int8)
    scale = np.arange(1, 11, dtype=np.float32)[:, None]
    found, _ = read(arrays | {"l.compressed": codes, "l.weight_scale": scale})
    expected = np.zeros((10, 8))
    expected[:, :2] = codes.reshape(10, 2) * scale  # bits 0 and 1 of every row
    np.testing.assert_array_equal(found["l.weight"], expected)


def test_the_settings_of_mlx_have_two_names(read):
    codes = RNG.integers(0, 16, size=(8, 128))
    arrays = PARTS["mlx"][0] | {"l.weight": packed_words(codes, 4, 1)}
    for key in ("quantization", "quantization_config"):
        found, _ = read(arrays, {key: {"bits": 4, "group_size": 64}})
        np.testing.assert_array_equal(found["l.weight"], codes + 1)


def test_unsigned_codes_are_no_zero_points_of_their_own(read):
    """Beside a scale alone nobody says how many of them a byte holds."""
    for scale in ("l.weight_scale_inv", "l.weight._scale"):
        codes = "l.weight._data" if scale.endswith("._scale") else "l.weight"
        arrays = {codes: zeros(16, 64, dtype=np.uint8), scale: ones(1)}
        _, skipped = read(arrays)
        assert skipped == dict.fromkeys(arrays, "already quantized: uint8 codes without a zero point")


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 8])
def test_words_of_any_shape_hold_as_many_codes_as_fit(bits, axis):
    """In a stack of matrices, too; what is left of a word is no code."""
    packed = RNG.integers(0, 2**32, (2, 3, 4), dtype=np.uint32)
    each, found = len(range(bits, 33, bits)), words(packed, bits, axis)
    sizes = [2, 3, 4]
    sizes[axis] *= each
    assert found.shape == tuple(sizes)
    for place in np.ndindex(*sizes):
        at = list(place)
        at[axis] //= each
        digits = f"{int(packed[tuple(at)]):032b}"[::-1]
        first = place[axis] % each * bits
        assert found[place] == int(digits[first : first + bits][::-1], 2)


@pytest.mark.parametrize("group", [64, 128])
def test_a_stack_of_matrices_of_mlx_has_groups_along_its_last_axis(read, group):
    codes = RNG.integers(0, 16, size=(2, 3, 256))
    scale, bias = (RNG.normal(size=(2, 3, 256 // group)).astype(np.float32) for _ in range(2))
    arrays = {"l.weight": packed_words(codes, 4, 2), "l.scales": scale, "l.biases": bias}
    found, _ = read(arrays, {"quantization": {"bits": 4, "group_size": group}})
    for place in np.ndindex(2, 3, 256):
        at = (*place[:2], place[2] // group)
        expected = codes[place] * float(scale[at]) + float(bias[at])
        assert found["l.weight"][place] == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("shape", [(16, 63), (16, 64)])
def test_a_list_of_scales_of_packed_codes_is_one_for_every_row(read, shape):
    codes, scale = RNG.integers(0, 16, size=shape), np.arange(1, 17, dtype=np.float32)
    arrays = {
        "l.weight_packed": packed_words(codes, 4, 1).view(np.int32),
        "l.weight_scale": scale,
        "l.weight_shape": np.array(shape),
    }
    found, _ = read(arrays)
    np.testing.assert_array_equal(found["l.weight"], (codes - 8) * scale[:, None])
    (tensor,) = joined(weights.opened(arrays).tensors, {})[0].values()
    assert tensor.note == f"dequantized from 4 bits, groups of {shape[1]}"


@pytest.mark.parametrize("groups", [[0] * 64, [-1] * 63 + [0], [0] + [-1] * 63])
def test_any_input_in_a_group_of_its_own_order_leaves_packed_codes_unread(read, groups):
    arrays = PARTS["packed"][0] | {"l.weight_g_idx": np.array(groups, np.int32)}
    found, skipped = read(arrays)
    assert not found
    assert skipped["l.weight_packed"] == "already quantized: groups in another order than that of the inputs"


@pytest.mark.parametrize("rows", [1, 64, 130, 2**22])
def test_blocks_of_bitsandbytes_are_scaled_some_at_a_time(read, monkeypatch, rows):
    """However many there is room for; the last block is a short one."""
    monkeypatch.setattr(packed, "ROWS", rows)
    codes, scale = RNG.integers(0, 16, size=200), np.float32([1, 2, 4, 8])
    levels = np.arange(16, dtype=np.float32) - 7
    arrays = {
        "l.weight": (codes[::2] << 4 | codes[1::2]).astype(np.uint8)[:, None],
        "l.weight.absmax": scale,
        "l.weight.quant_map": levels,
        NF4: state(shape=[10, 20]),
    }
    found, _ = read(arrays)
    expected = [levels[code] * scale[i // 64] for i, code in enumerate(codes)]
    np.testing.assert_array_equal(found["l.weight"].ravel(), expected)


@pytest.mark.parametrize("shape", [(1, 8), (10, 1), (1, 1), (3, 9)])
def test_pruned_weights_of_one_output_or_of_one_input(read, shape):
    """Every other weight is kept, from the first on."""
    places = np.arange(shape[0] * shape[1]).reshape(shape) % 2 == 0
    arrays = {
        "l.compressed": np.arange(1, places.sum() + 1, dtype=np.float32),
        "l.bitmask": np.packbits(places, axis=1, bitorder="little"),
        "l.shape": np.array(shape),
    }
    found, skipped = read(arrays)
    assert not skipped
    expected = [n // 2 + 1 if n % 2 == 0 else 0 for n in range(shape[0] * shape[1])]
    assert found["l.weight"].ravel().tolist() == expected


def test_a_stack_of_matrices_of_nvfp4_has_blocks_along_its_last_axis(read):
    codes = RNG.integers(0, 16, size=(2, 3, 64))
    scale = RNG.integers(1, 9, size=(2, 3, 4)).astype(E4M3)
    arrays = {
        "l.weight": (codes[..., ::2] | codes[..., 1::2] << 4).astype(np.uint8),
        "l.weight_scale": scale,
        "l.weight_scale_2": np.float32(0.5),
    }
    found, _ = read(arrays)
    for place in np.ndindex(2, 3, 64):
        value = E2M1[codes[place] & 7] * (-1) ** (codes[place] >> 3)
        assert found["l.weight"][place] == value * float(scale[(*place[:2], place[2] // 16)]) / 2
