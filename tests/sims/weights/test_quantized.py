"""Codes with scales are the weights they stand for, or nothing: every convention against literal loops."""

import json
import struct

import ml_dtypes
import numpy as np
import pytest

from sims import checkpoints, weights
from sims.weights import dequantize, sources
from sims.weights.quantized import joined
from sims.weights.select import select

RNG = np.random.default_rng(17)
E2M1 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
NAMES = {
    "float8_e4m3fn": "F8_E4M3", "bfloat16": "BF16", "float32": "F32", "float16": "F16", "int8": "I8",
    "int16": "I16", "uint8": "U8", "int32": "I32", "uint32": "U32", "int64": "I64",
    "float8_e8m0fnu": "F8_E8M0",
}  # fmt: skip


def save(path, **arrays):
    """A .safetensors file by its own rules: names with dots stand for parts that keywords cannot spell."""
    header, data = {}, b""
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array).tobytes()
        place = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": NAMES[array.dtype.name], "shape": list(array.shape), "data_offsets": place}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def whole(path, config=None):
    contents = checkpoints.open_checkpoint(path)
    tensors, skipped = joined(contents.tensors, config or contents.config)
    return {name: tensor.load() for name, tensor in tensors.items()}, skipped, tensors


def packed_words(codes, bits, axis):
    """Codes into 32-bit words along an axis, first in the low bits, one by one."""
    codes = np.moveaxis(codes, axis, -1)
    each = 32 // bits
    out = np.zeros((*codes.shape[:-1], -(-codes.shape[-1] // each)), np.uint64)
    for index in np.ndindex(*codes.shape):
        out[(*index[:-1], index[-1] // each)] |= np.uint64(int(codes[index]) << (bits * (index[-1] % each)))
    return np.moveaxis(out.astype(np.uint32), -1, axis)


def test_block_scales_turn_the_verdict_round(tmp_path, reference):
    """8-bit floats whose codes are dense, and whose scales say that a few blocks hold everything."""
    codes = RNG.normal(size=(96, 160)).astype(ml_dtypes.float8_e4m3fn)
    inverse = np.exp(3 * RNG.normal(size=(3, 5))).astype(np.float32)
    path = save(tmp_path / "a.safetensors", **{"l.weight": codes, "l.weight_scale_inv": inverse})
    real = np.zeros((96, 160), np.longdouble)
    for i in range(96):
        for j in range(160):
            real[i, j] = np.longdouble(float(codes[i, j])) * np.longdouble(inverse[i // 32, j // 32])
    table = weights.report(path, [4])
    (row,) = table.rows
    rounding, pruning = reference.rounding_error(real, 4), reference.pruning_error(real, 0.75)
    assert row.quantization[4] == pytest.approx(
        reference.decibels(reference.energy(real), rounding), abs=1e-4
    )
    assert row.pruning[4] == pytest.approx(reference.decibels(reference.energy(real), pruning), abs=1e-4)
    assert row.winner(4) == "cut" and table.share_of_bytes == 1
    assert row.note == "dequantized from float8_e4m3fn, blocks of 32 x 32"
    np.testing.assert_array_equal(weights.load(path)["l.weight"], real.astype(np.float32))
    as_codes = weights.analyse({"codes": codes.astype(np.float32)}, [4]).rows[0]
    assert as_codes.winner(4) == "snap"


@pytest.mark.parametrize("shape", [(), (1,), (24,), (24, 1), (1, 40), (24, 5), (3, 5), (5, 5)])
def test_every_shape_of_scales(tmp_path, shape):
    codes = RNG.integers(-127, 128, size=(24, 40)).astype(np.int8)
    scale = np.exp(RNG.normal(size=shape)).astype(np.float32)
    path = save(tmp_path / "a.safetensors", **{"l.weight": codes, "l.weight_scale": scale})
    found, skipped, _ = whole(path)
    if shape == (5, 5):  # 24 rows in five blocks: eight rows each, or five in another way?
        assert "leave the size of a block open" in skipped["l.weight"] and not found
        return
    for i in range(24):
        for j in range(40):
            if scale.size == 1:
                one = scale.reshape(())
            elif scale.ndim == 1:
                one = scale[i]
            else:
                one = scale[i // (24 // shape[0]), j // (40 // shape[1])]
            assert found["l.weight"][i, j] == np.float32(codes[i, j]) * one


def test_a_short_last_block(tmp_path):
    codes = RNG.normal(size=(576, 256)).astype(ml_dtypes.float8_e4m3fn)
    scale = np.exp(RNG.normal(size=(5, 2))).astype(np.float32)
    path = save(tmp_path / "a.safetensors", **{"kv.weight": codes, "kv.weight_scale_inv": scale})
    found, _, _ = whole(path)
    assert found["kv.weight"][575, 255] == float(codes[575, 255]) * scale[4, 1]
    assert found["kv.weight"][511, 127] == float(codes[511, 127]) * scale[3, 0]


def test_the_size_of_a_block_that_only_config_json_says(tmp_path):
    """Two scales for 200 rows: of a hundred each, or of 128 and 72."""
    codes = RNG.normal(size=(200, 300)).astype(ml_dtypes.float8_e4m3fn)
    scale = np.exp(RNG.normal(size=(2, 3))).astype(np.float32)
    path = save(tmp_path / "a.safetensors", **{"l.weight": codes, "l.weight_scale_inv": scale})
    for said, block in (([128, 128], 128), ([100, 100], 100)):
        settings = {"quant_method": "fp8", "weight_block_size": said}
        (tmp_path / "config.json").write_text(json.dumps({"quantization_config": settings}))
        found, _, _ = whole(path)
        for i, j in [(0, 0), (99, 99), (100, 100), (127, 127), (128, 128), (199, 299), (100, 255)]:
            assert found["l.weight"][i, j] == float(codes[i, j]) * scale[i // block, j // block]
    weights_of = {"num_bits": 8, "strategy": "block", "block_structure": [128, 128]}
    settings = {"config_groups": {"group_0": {"weights": weights_of}}}  # of compressed-tensors
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": settings}))
    assert whole(path)[0]["l.weight"][100, 255] == float(codes[100, 255]) * scale[0, 1]
    settings = {"weight_block_size": [1, 200]}
    arrays = {"l.weight": codes[:3], "l.weight_scale_inv": np.exp(RNG.normal(size=(3, 2))).astype(np.float32)}
    found, _, _ = whole(save(tmp_path / "b.safetensors", **arrays), {"quantization_config": settings})
    for i, j in [(0, 0), (1, 199), (1, 200), (2, 299)]:
        expected = float(codes[i, j]) * arrays["l.weight_scale_inv"][i, j // 200]
        assert found["l.weight"][i, j] == expected
    for said in ([64, 64], [128], [0, 128], [128.0, 128], ["128", 128], "128", [128, 128, 1], None):
        settings = {"weight_block_size": said}
        (tmp_path / "config.json").write_text(json.dumps({"quantization_config": settings}))
        assert "leave the size of a block open" in whole(path)[1]["l.weight"]


@pytest.mark.parametrize(
    ("name", "stem"), [("weight_quantized", "weight"), ("_weight_qdata", "_weight"), ("weight", "weight")]
)
def test_zero_points(tmp_path, name, stem):
    codes = RNG.integers(0, 256, size=(8, 16)).astype(np.uint8)
    scale, zero = np.array([0.25], np.float32), np.array([131], np.uint8)
    arrays = {f"l.{name}": codes, f"l.{stem}_scale": scale, f"l.{stem}_zero_point": zero}
    found, skipped, _ = whole(save(tmp_path / "a.safetensors", **arrays))
    assert list(found) == ["l.weight"] and not skipped
    assert found["l.weight"][3, 4] == (int(codes[3, 4]) - 131) * 0.25


@pytest.mark.parametrize(
    ("codes", "needed", "optional"),
    [
        ("l.weight", "l.scale_weight", "l.scale_input"),  # ComfyUI
        ("l.weight", "l.scale_weight", "l.scale_act"),
        ("l.weight", "l.qscale_weight", "l.qscale_act"),  # Mistral
        ("l.weight", "l.qscale_weight", "l.qscale_input"),
        ("l.weight", "l.scale", ""),  # DeepSeek
        ("l.weight", "l.weight_scale_inv", ""),
        ("l.weight._data", "l.weight._scale", ""),
        ("l.weight", "l.weight_scale", ""),
    ],
)
def test_names_of_codes_and_their_scales(tmp_path, codes, needed, optional):
    eight = RNG.normal(size=(32, 48)).astype(ml_dtypes.float8_e4m3fn)
    arrays = {codes: eight, needed: np.float32([0.5])} | ({optional: np.float32([9])} if optional else {})
    found, skipped, _ = whole(save(tmp_path / "a.safetensors", **arrays))
    assert list(found) == ["l.weight"] and not skipped
    np.testing.assert_array_equal(found["l.weight"], eight.astype(np.float32) / 2)


def gptq(tmp_path, stored_zero, order=False, bits=4):
    inputs, outputs, group = 64, 32, 16
    codes = RNG.integers(0, 2**bits, size=(inputs, outputs))
    scales = np.exp(RNG.normal(size=(inputs // group, outputs))).astype(np.float16)
    zeros = np.broadcast_to(stored_zero, scales.shape)
    groups = np.arange(inputs) // group
    if order:
        groups = RNG.permutation(groups)
    arrays = {
        "m.qweight": packed_words(codes, bits, 0).view(np.int32),
        "m.qzeros": packed_words(zeros, bits, 1).view(np.int32),
        "m.scales": scales,
        "m.g_idx": groups.astype(np.int32),
    }
    return save(tmp_path / "a.safetensors", **arrays), codes, scales, groups


@pytest.mark.parametrize(("stored", "zero"), [(7, 8), (8, 8)])
@pytest.mark.parametrize("order", [False, True])
def test_gptq_symmetric(tmp_path, stored, zero, order):
    path, codes, scales, groups = gptq(tmp_path, stored, order)
    found, _, tensors = whole(path)
    for i in range(64):
        for o in range(32):
            assert found["m.weight"][o, i] == (codes[i, o] - zero) * np.float32(scales[groups[i], o])
    assert tensors["m.weight"].note == "dequantized from GPTQ, 4 bits, groups of 16"
    assert tensors["m.weight"].nbytes == sum(
        t.nbytes for t in checkpoints.open_checkpoint(path).tensors.values()
    )


@pytest.mark.parametrize("most", [1, 31, 32, 33, 100])
def test_inputs_of_gptq_that_are_scaled_a_few_at_a_time(tmp_path, monkeypatch, most):
    monkeypatch.setattr("sims.weights.packed.ROWS", most)
    path, codes, scales, groups = gptq(tmp_path, 7, order=True)
    expected = (codes - 8) * scales.astype(np.float32)[groups]
    np.testing.assert_array_equal(whole(path)[0]["m.weight"], expected.T)


@pytest.mark.parametrize(("group", "fits"), [(0, True), (3, True), (-1, False), (-4, False), (4, False)])
def test_a_group_of_an_input_is_one_of_the_scales(tmp_path, group, fits):
    """Counted from 0; from the end as well, in NumPy, which is no group."""
    path, codes, scales, groups = gptq(tmp_path, 7)
    arrays = {name: tensor.load() for name, tensor in checkpoints.open_checkpoint(path).tensors.items()}
    arrays["m.g_idx"] = np.where(np.arange(64) == 9, group, groups).astype(np.int32)
    tensors, _ = joined(checkpoints.open_checkpoint(save(path, **arrays)).tensors, {})
    if fits:
        found = tensors["m.weight"].load()[:, 9]
        np.testing.assert_array_equal(found, (codes[9] - 8) * scales[group].astype(np.float32))
    else:
        with pytest.raises(ValueError, match="none of its scales"):
            tensors["m.weight"].load()


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_gptq_with_zero_points_needs_the_version(tmp_path, bits):
    stored = RNG.integers(0, 2**bits - 1, size=(4, 32))
    path, codes, scales, groups = gptq(tmp_path, stored, bits=bits)
    found, skipped, _ = whole(path)
    assert not found and set(skipped) == {"m.qweight", "m.qzeros", "m.scales", "m.g_idx"}
    assert all(reason.startswith("already quantized: GPTQ with zero points") for reason in skipped.values())
    with pytest.raises(ValueError, match=r"holds no weights to judge .*already quantized: GPTQ"):
        weights.report(path)
    o, i = 5, 37
    for settings, shift in (
        ({"checkpoint_format": "gptq"}, 1),
        ({"checkpoint_format": "gptq_v2", "quant_method": "gptq"}, 0),
        ({"quant_method": "gptq"}, 1),  # and no version: the first
    ):
        found, _, _ = whole(path, {"quantization_config": settings})
        zero = stored[groups[i], o] + shift
        assert found["m.weight"][o, i] == (codes[i, o] - zero) * np.float32(scales[groups[i], o])
    assert not whole(path, {"quantization_config": {"quant_method": "other"}})[0]
    assert not whole(path, {"quantization_config": "gptq"})[0]


@pytest.mark.parametrize(("least", "most"), [(7, 8), (7, 14), (8, 14), (0, 7), (0, 8), (6, 6), (9, 9)])
def test_gptq_is_symmetric_where_every_zero_point_is_the_middle(tmp_path, least, most):
    """One that is another, above the middle or below, leaves open how they are counted."""
    stored = np.full((4, 32), least)
    stored[2, 9] = most
    found, skipped, _ = whole(gptq(tmp_path, stored)[0])
    assert not found and "GPTQ with zero points" in skipped["m.qweight"]


@pytest.mark.parametrize(("version", "shift"), [(None, 1), ("gptq", 1), ("gptq_v2", 0)])
def test_the_settings_of_autogptq_have_a_file_of_their_own(tmp_path, version, shift):
    """quantize_config.json; where config.json has settings, too, those count."""
    stored = RNG.integers(0, 15, size=(4, 32))
    path, codes, scales, groups = gptq(tmp_path, stored)
    settings = {"bits": 4, "sym": False} | ({"checkpoint_format": version} if version else {})
    (tmp_path / "quantize_config.json").write_text(json.dumps(settings))
    for config in (None, "damaged", '{"hidden_size": 64}'):
        if config:
            (tmp_path / "config.json").write_text(config)
        zero = stored[groups[20], 3] + shift
        found = whole(path)[0]["m.weight"]
        assert found[3, 20] == (codes[20, 3] - zero) * np.float32(scales[groups[20], 3])
    other = {"quantization_config": {"checkpoint_format": "gptq" if shift == 0 else "gptq_v2"}}
    (tmp_path / "config.json").write_text(json.dumps(other))
    zero = stored[groups[20], 3] + 1 - shift
    assert whole(path)[0]["m.weight"][3, 20] == (codes[20, 3] - zero) * np.float32(scales[groups[20], 3])


def test_awq(tmp_path):
    inputs, outputs, group = 32, 64, 16
    codes = RNG.integers(0, 16, size=(inputs, outputs))
    zeros = RNG.integers(0, 16, size=(inputs // group, outputs))
    scales = np.exp(RNG.normal(size=zeros.shape)).astype(np.float16)

    def interleaved(array):  # nibble k of a word holds column order[k] of its eight
        order = [0, 2, 4, 6, 1, 3, 5, 7]
        return packed_words(array.reshape(len(array), -1, 8)[..., order].reshape(array.shape), 4, 1).view(
            np.int32
        )

    arrays = {"m.qweight": interleaved(codes), "m.qzeros": interleaved(zeros), "m.scales": scales}
    found, _, tensors = whole(save(tmp_path / "a.safetensors", **arrays))
    for i in range(inputs):
        for o in range(outputs):
            expected = (codes[i, o] - zeros[i // group, o]) * np.float32(scales[i // group, o])
            assert found["m.weight"][o, i] == expected
    assert tensors["m.weight"].note == "dequantized from AWQ, 4 bits, groups of 16"


@pytest.mark.parametrize("zeros", [False, True])
def test_compressed_tensors(tmp_path, zeros):
    codes = RNG.integers(-8, 8, size=(16, 64))
    scale = np.exp(RNG.normal(size=(16, 2))).astype(ml_dtypes.bfloat16)
    points = RNG.integers(-8, 8, size=(16, 2)) if zeros else np.zeros((16, 2), int)
    arrays = {
        "l.weight_packed": packed_words(codes + 8, 4, 1).view(np.int32),
        "l.weight_scale": scale,
        "l.weight_shape": np.array([16, 64]),
    }
    if zeros:
        arrays["l.weight_zero_point"] = packed_words(points + 8, 4, 0).view(np.int32)
    found, _, tensors = whole(save(tmp_path / "a.safetensors", **arrays))
    assert tensors["l.weight"].note == "dequantized from 4 bits, groups of 32"
    for i in range(16):
        for j in range(64):
            assert found["l.weight"][i, j] == (codes[i, j] - points[i, j // 32]) * np.float32(
                scale[i, j // 32]
            )


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("zeros", [False, True])
def test_rows_and_columns_that_end_inside_a_word(tmp_path, bits, zeros):
    """13 rows of 61 weights, a scale each: neither number fills words of any width."""
    codes, points = RNG.integers(0, 2**bits, size=(13, 61)), RNG.integers(0, 2**bits, size=(13, 1))
    scale = RNG.normal(size=(13, 1)).astype(np.float32)
    arrays = {
        "l.weight_packed": packed_words(codes, bits, 1).view(np.int32),
        "l.weight_scale": scale,
        "l.weight_shape": np.array(codes.shape),
    }
    if zeros:
        arrays["l.weight_zero_point"] = packed_words(points, bits, 0).view(np.int32)
    found, _, _ = whole(save(tmp_path / "a.safetensors", **arrays))
    middles = {2: 2, 4: 8, 8: 128}
    for i, j in np.ndindex(13, 61):
        zero = points[i, 0] if zeros else middles[bits]
        assert found["l.weight"][i, j] == np.float32(codes[i, j] - zero) * scale[i, 0]


def nibbles(shape, high_first=False):
    codes = RNG.integers(0, 16, size=shape)
    low, high = codes[..., 1::2], codes[..., ::2]
    if not high_first:
        low, high = high, low
    return codes, (low | high << 4).astype(np.uint8)


def e2m1(code):
    return E2M1[code & 7] * (-1 if code & 8 else 1)


@pytest.mark.parametrize("kind", ["compressed-tensors", "ModelOpt"])
def test_nvfp4(tmp_path, kind):
    codes, packed = nibbles((12, 64))
    scale = np.exp(RNG.normal(size=(12, 4))).astype(ml_dtypes.float8_e4m3fn)
    whole_scale = np.array([3.0], np.float32)
    names = {
        "compressed-tensors": ("l.weight_packed", "l.weight_scale", "l.weight_global_scale"),
        "ModelOpt": ("l.weight", "l.weight_scale", "l.weight_scale_2"),
    }[kind]
    found, _, _ = whole(
        save(tmp_path / "a.safetensors", **dict(zip(names, (packed, scale, whole_scale), strict=True)))
    )
    factor = 1 / 3.0 if kind == "compressed-tensors" else 3.0
    for i in range(12):
        for j in range(64):
            expected = e2m1(codes[i, j]) * float(scale[i, j // 16]) * factor
            assert found["l.weight"][i, j] == pytest.approx(expected, rel=1e-6)


def test_mxfp4_of_compressed_tensors(tmp_path):
    """Exponents instead of scales, and no shape beside them; of two bytes a block neither."""
    codes, packed = nibbles((12, 64))
    exponents = RNG.integers(118, 130, size=(12, 2)).astype(np.uint8)
    arrays = {"l.weight_packed": packed, "l.weight_scale": exponents}
    found, _, tensors = whole(save(tmp_path / "a.safetensors", **arrays))
    assert tensors["l.weight"].note == "dequantized from MXFP4, blocks of 32"
    for i, j in np.ndindex(12, 64):
        assert found["l.weight"][i, j] == e2m1(codes[i, j]) * 2.0 ** (int(exponents[i, j // 32]) - 127)
    arrays["l.weight_scale"] = np.repeat(exponents, 2, axis=1)
    found, skipped, _ = whole(
        save(tmp_path / "b.safetensors", **arrays, **{"m.weight": np.eye(16, 20, dtype=np.float32)})
    )
    assert list(found) == ["m.weight"] and "without the shape" in skipped["l.weight_packed"]


def test_mxfp4_of_experts(tmp_path):
    codes, packed = nibbles((2, 6, 3, 32))
    exponents = RNG.integers(118, 130, size=(2, 6, 3)).astype(np.uint8)
    arrays = {"e.gate_blocks": packed, "e.gate_scales": exponents}
    found, _, _ = whole(save(tmp_path / "a.safetensors", **arrays))
    assert found["e.gate"].shape == (2, 6, 96)
    for index in np.ndindex(2, 6, 3, 32):
        e, r, b, k = index
        assert found["e.gate"][e, r, 32 * b + k] == e2m1(codes[index]) * 2.0 ** (
            int(exponents[e, r, b]) - 127
        )


def test_mlx_of_widths_that_are_not_read_says_so(tmp_path):
    arrays = {"l.weight": np.zeros((8, 12), np.uint32), "l.scales": np.ones((8, 2), np.float16)}
    path = save(tmp_path / "a.safetensors", **arrays, **{"l.biases": arrays["l.scales"]})
    for bits, group, why in (
        (3, 64, "MLX, 3 bits, which is not read"),
        (6, 32, "MLX, 6 bits"),
        (4, 64, "only config"),
    ):
        settings = {"quantization": {"bits": bits, "group_size": group}}
        (tmp_path / "config.json").write_text(json.dumps(settings))
        assert why in whole(path)[1]["l.weight"]


def test_mlx_needs_its_bits(tmp_path):
    codes = RNG.integers(0, 16, size=(8, 128))
    scales, biases = (np.exp(RNG.normal(size=(8, 2))).astype(np.float16) for _ in range(2))
    arrays = {"l.weight": packed_words(codes, 4, 1), "l.scales": scales, "l.biases": biases}
    path = save(tmp_path / "a.safetensors", **arrays)
    found, skipped, _ = whole(path)  # eight bits in groups of 32 have the same shapes
    assert not found and "MLX" in skipped["l.weight"]
    (tmp_path / "config.json").write_text(json.dumps({"quantization": {"bits": 4, "group_size": 64}}))
    found, _, _ = whole(path)
    for i in range(8):
        for j in range(128):
            expected = codes[i, j] * np.float32(scales[i, j // 64]) + np.float32(biases[i, j // 64])
            assert found["l.weight"][i, j] == pytest.approx(expected, rel=1e-6)


def test_a_layer_of_mlx_with_settings_of_its_own(tmp_path):
    """Every layer has 4 bits but one; those after it have 4 again."""
    arrays, codes = {}, {"a": 4, "head": 8, "z": 4}
    for name, bits in codes.items():
        codes[name] = RNG.integers(0, 2**bits, size=(8, 128))
        arrays[f"{name}.weight"] = packed_words(codes[name], bits, 1)
        arrays |= dict.fromkeys((f"{name}.scales", f"{name}.biases"), np.ones((8, 2), np.float16))
    settings = {"bits": 4, "group_size": 64, "head": {"bits": 8, "group_size": 64}}
    found, _, _ = whole(save(tmp_path / "a.safetensors", **arrays), {"quantization": settings})
    for name, numbers in codes.items():
        np.testing.assert_array_equal(found[f"{name}.weight"], numbers + 1)


@pytest.mark.parametrize(
    ("settings", "bits"),
    [({"bits": 4}, 4), ({"bits": 8}, 8), ({"group_size": 64}, 4), ({"group_size": 32}, 8), ({}, None)],
)
def test_either_setting_of_mlx_is_enough(tmp_path, settings, bits):
    words = RNG.integers(0, 2**32, size=(8, 16), dtype=np.uint32)
    scales, zeros = np.ones((8, 2), np.float16), np.zeros((8, 2), np.float16)
    path = save(tmp_path / "a.safetensors", **{"l.weight": words, "l.scales": scales, "l.biases": zeros})
    found, skipped, _ = whole(path, {"quantization": settings})
    if bits is None:
        assert "only config.json says how many bits" in skipped["l.weight"]
        return
    assert found["l.weight"].shape == (8, 512 // bits)
    assert found["l.weight"][5, 1] == int(words[5, 0]) >> bits & (2**bits - 1)


@pytest.mark.parametrize("group", [16, 32, 64, 128])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_mlx_of_every_group(tmp_path, bits, group):
    codes = RNG.integers(0, 2**bits, size=(3, 256))
    scales, biases = (RNG.integers(1, 9, size=(3, 256 // group)).astype(np.float16) for _ in range(2))
    arrays = {"l.weight": packed_words(codes, bits, 1), "l.scales": scales, "l.biases": biases}
    path = save(tmp_path / "a.safetensors", **arrays)
    found, _, _ = whole(path, {"quantization": {"bits": bits, "group_size": group}})
    for i, j in np.ndindex(3, 256):
        assert found["l.weight"][i, j] == codes[i, j] * scales[i, j // group] + biases[i, j // group]


@pytest.mark.parametrize("most", [5, 12])
@pytest.mark.parametrize("shape", [(7, 1), (7, 3), (1, 3), (4, 1)])
def test_blocks_of_rows_that_are_scaled_a_few_at_a_time(monkeypatch, shape, most):
    """As many rows at a time as a matrix of many weights allows: here two, of seven, or one."""
    monkeypatch.setattr(dequantize, "ROWS", most)
    rows = 7 if shape[0] != 4 else 8
    codes, scale = RNG.integers(-9, 9, (rows, 6)), np.exp(RNG.normal(size=shape)).astype(np.float32)
    found = dequantize.scaled(codes.astype(np.int8), scale, np.float32([1]))
    for i, j in np.ndindex(rows, 6):
        one = scale[i * shape[0] // rows, j * shape[1] // 6]
        assert found[i, j] == np.float32(codes[i, j] - 1) * one


def test_values_are_loaded_whatever_their_type_is_called(tmp_path):
    """Blocks of GGUF have types of their own; what is dequantized is a weight, an integer is none."""
    name = b"w"
    head = b"GGUF" + struct.pack("<IQQQ1sIQQIQ", 3, 2, 0, 1, name, 2, 32, 1, 8, 0)
    head += struct.pack("<Q1sIQIQ", 1, b"i", 1, 4, 26, 64)
    block = np.float16(0.5).tobytes() + np.arange(-16, 16, dtype=np.int8).tobytes()
    pytest.importorskip("gguf")
    (tmp_path / "m.gguf").write_bytes(head + bytes(-len(head) % 32) + block.ljust(64, b"\0") + bytes(16))
    found = weights.load(tmp_path / "m.gguf")
    assert list(found) == ["w"]
    np.testing.assert_array_equal(found["w"], [np.arange(-16, 16) / 2])


@pytest.mark.parametrize("nested", [False, True])
def test_bitsandbytes_four_bits(tmp_path, nested):
    levels = np.sort(RNG.normal(size=16)).astype(np.float32)
    codes, packed = nibbles((1, 6 * 64), high_first=True)
    state = {"quant_type": "nf4", "blocksize": 64, "shape": [12, 32], "dtype": "float16"}
    arrays = {"l.weight": packed.reshape(-1, 1), "l.weight.quant_map": levels}
    if nested:
        table, inner = np.sort(RNG.normal(size=256)).astype(np.float32), np.array([2.0, 3.0], np.float32)
        quantized = RNG.integers(0, 256, size=6).astype(np.uint8)
        state |= {"nested_blocksize": 4, "nested_offset": 0.5}
        arrays |= {
            "l.weight.absmax": quantized,
            "l.weight.nested_absmax": inner,
            "l.weight.nested_quant_map": table,
        }
        steps = [float(table[quantized[b]]) * float(inner[b // 4]) + 0.5 for b in range(6)]
    else:
        steps = np.exp(RNG.normal(size=6)).astype(np.float32)
        arrays["l.weight.absmax"] = np.array(steps, np.float32)
    arrays["l.weight.quant_state.bitsandbytes__nf4"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
    found, _, _ = whole(save(tmp_path / "a.safetensors", **arrays))
    assert found["l.weight"].shape == (12, 32)
    for k in range(384):
        expected = levels[codes[0, k]] * steps[k // 64]
        assert found["l.weight"].reshape(-1)[k] == pytest.approx(expected, rel=1e-6)


def test_bitsandbytes_eight_bits(tmp_path):
    codes = RNG.integers(-127, 128, size=(6, 40)).astype(np.int8)
    largest = np.exp(RNG.normal(size=6)).astype(np.float32)
    arrays = {"l.weight": codes, "l.SCB": largest, "l.weight_format": np.array(0, np.uint8)}
    found, _, _ = whole(save(tmp_path / "a.safetensors", **arrays))
    assert found["l.weight"][2, 3] == pytest.approx(codes[2, 3] * float(largest[2]) / 127, rel=1e-6)


@pytest.mark.parametrize(
    "names",
    [
        ("l.qweight", "l.scales", "l.other"),
        ("l.weight", "l.weight_absmax", "l.other"),
        ("l.weight._data", "l.weight._scale", "l.weight._shift"),
        ("l.codes", "l.codebooks", "l.scales"),  # AQLM
        ("l.indices", "l.centroids.weight", "l.res_centroids.weight"),  # VPTQ
        ("l.B", "l.s", "l.other"),  # Marlin
    ],
)
def test_conventions_that_are_not_read_give_no_verdict(tmp_path, names):
    """Neither the codes nor the scales are judged; the file says so in one sentence."""
    arrays = [RNG.integers(0, 255, size=(64, 64)).astype(np.uint8), *(np.ones((64, 16), np.float32),) * 2]
    path = save(tmp_path / "a.safetensors", **dict(zip(names, arrays, strict=True)))
    contents = checkpoints.open_checkpoint(path)
    _, skipped = joined(contents.tensors, {})
    assert skipped[names[0]].startswith(
        "already quantized: codes and scales in a convention that is not read"
    )
    assert names[1] in skipped


def test_unsigned_codes_without_a_zero_point_are_more_than_one_to_a_byte(tmp_path):
    """As BitNet and ModelOpt pack them: read as codes of eight bits they are another network."""
    arrays = {"l.weight": np.ones((16, 64), np.uint8), "l.weight_scale": np.ones(1, np.float32)}
    path = save(tmp_path / "a.safetensors", **arrays)
    _, skipped, _ = whole(path)
    assert skipped == dict.fromkeys(arrays, "already quantized: uint8 codes without a zero point")


@pytest.mark.parametrize("axis", [0, 1, None])
def test_scales_belong_to_the_outputs_of_a_square_matrix(axis):
    """And what is dequantized keeps the axis that its file names."""
    codes, scale = RNG.integers(-9, 9, (4, 4)).astype(np.int8), np.float32([1, 2, 4, 8])
    tensors = {
        "w": checkpoints.of_array("w", codes).renamed(axis=axis),
        "w_scale": checkpoints.of_array("w_scale", scale),
    }
    found = joined(tensors, {})[0]["w"]
    expected = codes * (scale if axis == 1 else scale[:, None])
    np.testing.assert_array_equal(found.load(), expected)
    assert found.axis == axis
    assert found.note == f"dequantized from int8, blocks of {'4 x 1' if axis == 1 else '1 x 4'}"


@pytest.mark.parametrize("mark", [".", "/", "/x."])
@pytest.mark.parametrize(
    "name", ["weight_scale_inv", "weight_scale", "weight_scale_2", "qzeros", "absmax", "scales", "SCB"]
)
def test_names_of_scales_that_are_alone(name, mark):
    tensors = {
        "a.weight": np.ones((20, 20)),
        f"b{mark}{name}": np.ones((20, 20)),
        f"b{mark}my_{name}s": np.ones((20, 20)),
    }
    skipped = weights.select(weights.opened(tensors)).skipped
    assert skipped.get(f"b{mark}{name}") == "already quantized: scales of codes that are not here"
    assert "codes" not in skipped.get(f"b{mark}my_{name}s", "")


def beside_codes(codes, others):
    """Why float matrices are left out beside an integer matrix of a name; "" of those that are not."""
    arrays = {codes: np.ones((16, 16), np.int32)} | {name: np.ones((64, 8), np.float32) for name in others}
    _, skipped = joined(weights.opened(arrays).tensors, {})
    return {name: skipped.get(name, "") for name in others}


@pytest.mark.parametrize(
    ("name", "is_scale"),
    [
        *(
            (name, True)
            for name in ("scale", "scales", "scale_inv", "scales_inv", "scale_packed", "an_absmax")
        ),
        *((name, True) for name in ("scale_and_zero", "scale_and_zeros", "zero", "zeros", "qzero", "qzeros")),
        *((name, True) for name in ("zero_point", "zero_points", "wscale", "wcscale", "wtscale", "a_wzeros")),
        *((name, False) for name in ("scaled", "wxscale", "zeroth", "absmaxed", "scale_of", "myscale")),
    ],
)
@pytest.mark.parametrize("mark", [".", "/"])
def test_names_of_scales_beside_codes_of_any_convention(name, is_scale, mark):
    alone = "that are not here" if name in ("scales", "qzeros") else "in a convention that is not read"
    why = f"already quantized: scales of codes {alone}" if is_scale else ""
    assert beside_codes("other.codes_of_it", [f"l{mark}{name}"]) == {f"l{mark}{name}": why}


@pytest.mark.parametrize(
    "word", ["position_ids", "index", "indices", "idx", "attn_mask", "perm", "order", "relative_bias"]
)
def test_integers_that_are_no_codes(word):
    assert beside_codes(f"l.{word}", ["k.zeros"]) == {"k.zeros": ""}
    assert beside_codes(f"l.{word}_q", ["k.zeros"])["k.zeros"].startswith(
        "already quantized: scales of codes"
    )


def test_scales_alone_are_no_weights(tmp_path):
    path = save(tmp_path / "a.safetensors", **{"l.weight_scale_inv": np.ones((64, 64), np.float32)})
    with pytest.raises(ValueError, match="scales of codes that are not here"):
        weights.report(path)


def test_of_scales_alone_a_single_number_is_called_that():
    tensors = {"a.weight": np.ones((20, 20)), "b.weight_scale": np.array(0.5), "c.weight_scale": np.ones(20)}
    skipped = weights.select(weights.opened(tensors)).skipped
    assert skipped == {
        "b.weight_scale": "a single number",
        "c.weight_scale": "already quantized: scales of codes that are not here",
    }


def test_a_pruned_layer_is_its_product_with_the_mask(tmp_path, reference):
    """torch.nn.utils.prune keeps both; alone, the one is dense and the other says nothing."""
    values = RNG.normal(size=(32, 40)).astype(np.float32)
    mask = (np.abs(values) > 1.4).astype(np.float32)
    arrays = {
        "l.weight_orig": values,
        "l.weight_mask": mask,
        "m.weight": RNG.normal(size=(9, 40)).astype("f4") / 99,
    }
    table = weights.report(save(tmp_path / "a.safetensors", **arrays), [4])
    row = table.rows[0]
    assert row.name == "l.weight" and row.note == "weights times their mask" and row.pruning[4] == np.inf
    product = [
        [float(v) * float(m) for v, m in zip(*pair, strict=True)] for pair in zip(values, mask, strict=True)
    ]
    error = reference.rounding_error(product, 4)
    assert row.quantization[4] == pytest.approx(
        reference.decibels(reference.energy(product), error), abs=1e-4
    )
    assert table.middle().winner == "cut"


@pytest.mark.parametrize(
    ("names", "whole_name"),
    [
        (("l.weight_v", "l.weight_g"), "l.weight"),
        (("l.parametrizations.weight.original1", "l.parametrizations.weight.original0"), "l.weight"),
        (("l.weight_hh_l0_v", "l.weight_hh_l0_g"), "l.weight_hh_l0"),
        (("weight_ih_l12_reverse_v", "weight_ih_l12_reverse_g"), "weight_ih_l12_reverse"),
    ],
)
@pytest.mark.parametrize("shape", [(6, 1, 1), (1, 5, 1), (1,)])
def test_normed_weights_are_lengths_times_directions(tmp_path, names, whole_name, shape):
    direction = RNG.normal(size=(6, 5, 3)).astype(np.float32)
    length = np.exp(RNG.normal(size=shape)).astype(np.float32)
    found, _, _ = whole(
        save(tmp_path / "a.safetensors", **dict(zip(names, (direction, length), strict=True)))
    )
    for index in np.ndindex(6, 5, 3):
        i, j, _ = index
        part = {(6, 1, 1): direction[i], (1, 5, 1): direction[:, j], (1,): direction}[shape]
        one = length.reshape(-1)[{(6, 1, 1): i, (1, 5, 1): j, (1,): 0}[shape]]
        norm = sum(float(x) ** 2 for x in part.reshape(-1)) ** 0.5
        assert found[whole_name][index] == pytest.approx(
            float(one) * float(direction[index]) / norm, rel=1e-5
        )


def test_other_pairs_that_end_as_lengths_and_directions_are_weights(tmp_path):
    names = ("proj_v", "proj_g", "weight_hh_v", "weight_hh_g")
    arrays = {name: RNG.normal(size=(24, 24)).astype(np.float32) for name in names}
    assert whole(save(tmp_path / "a.safetensors", **arrays))[0].keys() == arrays.keys()


def test_what_was_left_out_is_said_and_counted(tmp_path):
    arrays = {
        "a.weight": RNG.normal(size=(64, 64)).astype(np.float32),
        "b.qweight": RNG.integers(0, 2**31, size=(64, 256)).astype(np.int32),
        "b.scales": np.ones((3, 100), np.float32),
    }
    table = weights.report(save(tmp_path / "a.safetensors", **arrays), [4])
    assert [row.name for row in table.rows] == ["a.weight"]
    total = sum(array.nbytes for array in arrays.values())
    assert table.share_of_bytes == arrays["a.weight"].nbytes / total
    assert "rests on only 19.7 % of the file's bytes" in table.basis()


NF4 = ".weight.quant_state.bitsandbytes__nf4"
FAMILIES = (
    (".qweight", ".qzeros", ".scales", ".g_idx"),
    (".weight_packed", ".weight_scale", ".weight_shape", ".weight_zero_point", ".weight_global_scale"),
    (".weight", ".scales", ".biases"),
    (".weight", ".weight.absmax", ".weight.quant_map", NF4),
    (
        ".weight",
        ".weight.absmax",
        ".weight.quant_map",
        NF4,
        ".weight.nested_absmax",
        ".weight.nested_quant_map",
    ),
    (".weight", ".SCB"),
    ("_blocks", "_scales"),
    ("", "_scale", "_scale_2"),
    ("", "_scale", "_zero_point"),
    (".weight", ".weight_scale_inv"),
    ("_quantized", "_scale", "_zero_point"),
    ("_orig", "_mask"),
    (".weight_v", ".weight_g"),
)
STATES = (
    '{"shape": [4, 8], "blocksize": 64}',
    '{"shape": [4, 8], "blocksize": 1000000000000000000}',
    '{"shape": [4, 8], "blocksize": 16, "nested_blocksize": 1000000000000, "nested_offset": 0}',
    '{"shape": [9000000000000000000, 2], "blocksize": 64}',
    '{"shape": "x"}',
    "[" * 3000,
)


def test_parts_that_do_not_fit_end_in_a_sentence():
    """Seeded parts of every convention, of shapes and types that mostly contradict each other."""
    import tracemalloc

    from sims.checkpoints import of_array

    rng = np.random.default_rng(0)
    shapes = [(), (1,), (4,), (16,), (0, 4), (4, 1), (4, 8), (8, 4), (16, 1), (4, 2, 16), (4, 2), (2,)]
    kinds = ["int8", "uint8", "int32", "uint32", "float32", "float16", "int64", "bool"]
    configs = [
        {},
        {"quantization": [1]},
        {"quantization": {"bits": "x"}},
        {"quantization_config": {"bits": 4}},
    ]
    joins = loads = 0
    tracemalloc.start()
    for _ in range(1500):
        arrays = {}
        for place, ending in enumerate(FAMILIES[rng.integers(len(FAMILIES))]):
            shape = shapes[rng.integers(len(shapes))] if rng.random() < 0.6 else (4, 8)[: rng.integers(3)]
            array = rng.integers(0, 9, size=shape).astype(rng.choice(kinds[:5] if place == 0 else kinds))
            if "quant_state" in ending:
                array = np.frombuffer(STATES[rng.integers(len(STATES))].encode(), np.uint8)
            arrays[f"l{ending}"] = array
        tensors = {name: of_array(name, array) for name, array in arrays.items()}
        found, _ = joined(tensors, configs[rng.integers(len(configs))])
        for tensor in found.values():
            joins += bool(tensor.note)
            try:
                assert tensor.load().size <= 4096
                loads += bool(tensor.note)
            except ValueError as error:
                assert str(error).startswith("cannot read") and "\n" not in str(error)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
    assert joins > 20 and loads > 10  # some do fit


def test_scales_of_more_dimensions_than_their_codes_are_unclear():
    with pytest.raises(
        dequantize.Unclear, match=r"scales of shape \(2, 2, 2\) do not fit codes of shape \(4, 4\)"
    ):
        dequantize.spread_shape((4, 4), (2, 2, 2))
    with pytest.raises(dequantize.Unclear, match=r"\(5,\) fit no axis of codes of shape \(8, 6\)"):
        dequantize.spread_shape((8, 6), (5,), axis=1)


def test_zero_points_are_one_or_as_many_as_scales():
    codes, scale = np.arange(6).reshape(3, 2), np.ones((3, 1))
    for zero in (np.array([1]), np.array([[1], [1], [1]])):
        np.testing.assert_array_equal(dequantize.scaled(codes, scale, zero), codes - 1)
    with pytest.raises(dequantize.Unclear, match="2 zero points for 3 scales"):
        dequantize.scaled(codes, scale, np.array([1, 1]))


def test_the_size_of_a_block_is_a_divisor_or_a_power_of_two_from_8_to_2048():
    for size, blocks, expected in ((11, 2, 8), (5000, 3, 2048), (6, 2, 3), (8192, 4, 2048), (7, 1, 7)):
        assert dequantize.block_size(size, blocks) == expected
    for size, blocks in ((5, 3), (5001, 2), (12, 2), (8, 0)):
        with pytest.raises(dequantize.Unclear, match="leave the size of a block open"):
            dequantize.block_size(size, blocks)


def test_a_scale_for_every_row_of_a_square_matrix_is_that_of_its_output():
    assert dequantize.spread_shape((4, 4), (4,)) == (1, 4)
    found = dequantize.scaled(np.ones((2, 2), np.int8), np.array([2.0, 3.0]))
    np.testing.assert_array_equal(found, [[2, 2], [3, 3]])


@pytest.mark.parametrize(("columns", "few"), [(16, False), (15, True)])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "complex64"])
def test_a_vector_beside_a_matrix_of_256_elements_that_nobody_reads_is_no_network(columns, few, dtype):
    """Fewer integers are no codes of weights, and then the vector is all there is."""
    vector = RNG.normal(size=3000).astype(np.float32)
    contents = sources.in_memory({"codes": np.ones((16, columns), dtype), "vector": vector})
    assert list(select(contents).tensors) == ["vector"] * few


@pytest.mark.parametrize(("columns", "few"), [(16, False), (15, True)])
def test_scales_are_none_beside_fewer_than_256_integers(columns, few):
    given = {"a": np.ones((16, columns), np.int16), "b.wscale": np.ones((40, 40), np.float32)}
    found, skipped = joined(sources.in_memory(given).tensors, {})
    why = "already quantized: scales of codes in a convention that is not read"
    assert ("b.wscale" in found) == few and skipped == ({} if few else {"b.wscale": why})
