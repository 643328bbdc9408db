"""HQQ: groups of codes packed row by row; the packing is written here as literal loops over bits."""

import re

import numpy as np
import pytest

from tests.sims.weights.test_quantized import save, whole

RNG = np.random.default_rng(53)
SHAPE = (8, 40)
# codes a word, and its type
WORDS = {8: (1, np.uint8), 4: (2, np.uint8), 3: (10, np.int32), 2: (4, np.uint8), 1: (8, np.uint8)}


def stored(bits, axis, group=8):
    """The parts of a module, and its weights: code by code, bit by bit."""
    count = SHAPE[0] * SHAPE[1]
    groups = count // group
    codes = RNG.integers(0, 2**bits, (groups, group) if axis else (group, groups))
    scale = RNG.uniform(0.5, 2.0, groups).astype(np.float16)
    zero = RNG.uniform(0, 2**bits, groups).astype(np.float16)
    weights = np.empty(count)
    for i, j in np.ndindex(*codes.shape):
        g = i if axis else j
        weights[i * codes.shape[1] + j] = (codes[i, j] - float(zero[g])) * float(scale[g])
    each, kind = WORDS[bits]
    rows = -(-len(codes) // each)
    packed = np.zeros((rows, codes.shape[1]), kind)
    for i, j in np.ndindex(*codes.shape):
        place = each - 1 - i // rows  # the first rows are in the highest bits
        packed[i % rows, j] |= kind(int(codes[i, j]) << (bits * place))
    along = (groups, 1) if axis else (1, groups)
    parts = {
        "W_q": packed,
        "scale": scale.reshape(along),
        "zero": zero.reshape(along),
        "nbits": np.int32(bits),
        "axis": np.int32(axis),
        "shape": np.int64(SHAPE),
        "group_size": np.int32(group),
        "packing": np.frombuffer(f"{bits}bit_u8".encode(), np.uint8),
        **dict.fromkeys(("view_as_float", "quant_scale", "quant_zero"), np.uint8(0)),
        **dict.fromkeys(("channel_wise", "optimize", "round_zero", "offload_meta"), np.uint8(1)),
        **dict.fromkeys(("encoded_state_dict", "stores_quant_config"), np.uint8(1)),
        "unpack_view_dtype": np.frombuffer(b"torch.uint8", np.uint8),
        "compute_dtype": np.frombuffer(b"torch.float16", np.uint8),
    }
    return {f"l.{name}": np.asarray(part) for name, part in parts.items()}, weights.reshape(SHAPE)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("bits", WORDS)
def test_groups_along_either_axis(tmp_path, bits, axis):
    arrays, weights = stored(bits, axis)
    found, skipped, tensors = whole(save(tmp_path / "a.safetensors", **arrays))
    assert list(found) == ["l.weight"] and not skipped
    np.testing.assert_allclose(found["l.weight"], weights, rtol=1e-6, atol=1e-5)
    assert tensors["l.weight"].note == f"dequantized from HQQ, {bits} bits, groups of 8"


@pytest.mark.parametrize("shape", [(1, 320), (320, 1)])
def test_weights_of_one_output_or_of_one_input(tmp_path, monkeypatch, shape):
    monkeypatch.setitem(globals(), "SHAPE", shape)
    arrays, weights = stored(4, 1)
    found, skipped, _ = whole(save(tmp_path / "a.safetensors", **arrays))
    assert weights.shape == shape and not skipped
    np.testing.assert_allclose(found["l.weight"], weights, rtol=1e-6, atol=1e-5)


OTHER = {
    "settings": ({"l.nbits": None}, "HQQ without its settings"),
    "two widths": ({"l.nbits": np.int32([4, 4])}, "HQQ without its settings"),
    "scales": ({"l.quant_scale": np.uint8(1)}, "scales are quantized themselves"),
    "some scales": ({"l.quant_zero": np.uint8([0, 1])}, "scales are quantized themselves"),
    "floats": ({"l.view_as_float": np.uint8(1)}, "codes are kept as floats"),
    "width": ({"l.nbits": np.int32(5)}, "HQQ of 5 bits in uint8, which is not read"),
    "three axes": ({"l.W_q": np.zeros((20, 8, 1), np.uint8)}, "which is not read"),
    "one axis": ({"l.W_q": np.zeros(160, np.uint8)}, "which is not read"),
    "axis": ({"l.axis": np.int32(2)}, "which is not read"),
    "empty": ({"l.shape": np.int64([0, 40])}, "which is not read"),
    "negative": ({"l.shape": np.int64([-8, -40])}, "which is not read"),
    "other shape": ({"l.shape": np.int64([8, 48])}, r"codes of shape \(20, 8\) and 40 scales"),
    "one weight more": ({"l.shape": np.int64([3, 107])}, r"for weights of shape \(3, 107\)"),
    "one weight less": ({"l.shape": np.int64([11, 29])}, r"for weights of shape \(11, 29\)"),
    "more codes": ({"l.W_q": np.zeros((21, 8), np.uint8)}, r"codes of shape \(21, 8\) and 40 scales"),
    "fewer codes": ({"l.W_q": np.zeros((19, 8), np.uint8)}, r"codes of shape \(19, 8\) and 40 scales"),
    "fewer scales": ({"l.scale": np.ones((39, 1), np.float16)}, "and 39 scales for weights"),
    "fewer zeros": ({"l.zero": np.ones((39, 1), np.float16)}, "for weights of shape"),
    "scales of integers": ({"l.scale": np.ones((40, 1), np.uint8)}, "for weights of shape"),
}


@pytest.mark.parametrize("change", OTHER)
def test_what_does_not_fit_is_left_with_its_reason(tmp_path, change):
    arrays, _ = stored(4, 1)
    changes, why = OTHER[change]
    arrays |= changes
    arrays = {name: array for name, array in arrays.items() if array is not None}
    plain = RNG.normal(size=(20, 30)).astype(np.float32)
    found, skipped, _ = whole(save(tmp_path / "a.safetensors", **arrays, **{"m.weight": plain}))
    assert list(found) == ["m.weight"]
    assert re.search(why, skipped["l.W_q"]) and skipped["l.scale"] == skipped["l.W_q"]
