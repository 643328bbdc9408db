"""Which tensors are weights where one part of a condition alone decides: names, shapes, types, notes."""

import numpy as np
import pytest

from sims.checkpoints import Contents, of_array, reasons
from sims.weights.quantized import joined
from sims.weights.select import select

RNG = np.random.default_rng(67)
SCALES = "already quantized: scales of codes in a convention that is not read"


def normal(*shape):
    return RNG.normal(size=shape)


def tensors_of(arrays):
    return {name: of_array(name, array) for name, array in arrays.items()}


def selected(arrays, **options):
    return select(Contents(tensors=tensors_of(arrays)), **options)


@pytest.mark.parametrize("dtype", ["complex64", "int8", "int32"])
def test_a_vector_that_nobody_reads_takes_no_weights_from_another(dtype):
    """Only a matrix does: its vectors are biases."""
    arrays = {"codes": np.ones(300, dtype), "v": normal(300)}
    assert list(selected(arrays).tensors) == ["v"]


def test_a_note_of_a_reader_says_more_than_a_narrow_type():
    tensor = of_array("w", normal(32, 32)).renamed(dtype="float8_e4m3fn", note="dequantized from Q8")
    plain = of_array("v", normal(32, 32)).renamed(dtype="float8_e4m3fn")
    found = select(Contents(tensors={"w": tensor, "v": plain})).tensors
    assert found["w"].note == "dequantized from Q8"
    assert found["v"].note == "dequantized from float8_e4m3fn, no scale beside them"


def test_what_a_reader_dequantized_is_a_weight_whatever_its_type():
    tensor = of_array("w", normal(32, 32)).renamed(dtype="int8", note="dequantized from int8")
    plain = of_array("v", np.ones((32, 32), np.int8))
    found = select(Contents(tensors={"w": tensor, "v": plain}))
    assert list(found.tensors) == ["w"] and found.skipped == {"v": "int8 values: already integers"}


def test_one_weight_in_two_axes_is_a_matrix():
    found = selected({"w": normal(1, 1), "s": np.array(3.0)}, min_size=1)
    assert list(found.tensors) == ["w"] and found.skipped == {"s": "a single number"}


def test_running_means_of_channels_are_vectors_as_the_others():
    names = ("bn.running_mean", "queue", "bn.weight")
    found = selected({name: normal(300) for name in names} | {"w": normal(32, 32)})
    assert found.skipped == dict.fromkeys(names, reasons.VECTOR)


def test_weights_that_a_list_numbers_are_no_averages():
    for name in ("model", "net.module", "layers"):
        arrays = {f"{name}.{i}": normal(32, 32) for i in range(3)}
        assert list(selected(arrays).tensors) == list(arrays)


@pytest.mark.parametrize("copy", ["ema.module.fc.w", "module.ema.fc.w", "ema.state_dict.module.fc.w"])
def test_an_average_is_one_in_any_container(copy):
    found = selected({"model.fc.w": normal(32, 32), copy: normal(32, 32)})
    assert found.skipped == {copy: "an averaged copy of 'model.fc.w'"}


def test_nothing_is_a_copy_of_itself():
    """Without anything after its `ema_` a name is that of every array of one part, its own among them."""
    assert list(selected({"ema_": normal(32, 32)}).tensors) == ["ema_"]


@pytest.mark.parametrize("name", ["b", "bias1", "token", "u", "vector_u"])
def test_a_row_has_two_axes(name):
    found = selected({name: normal(1, 20, 30), "other": normal(32, 32)})
    assert list(found.tensors) == [name, "other"]
    assert list(selected({name: normal(1, 600), "other": normal(32, 32)}).tensors) == ["other"]


def test_a_long_vector_beside_a_bias_of_its_length_is_no_normalisation():
    arrays = {"flat.weight": normal(70_000), "flat.bias": normal(70_000), "w": normal(32, 32)}
    assert list(selected(arrays).tensors) == ["flat.weight", "w"]
    arrays = {"norm.weight": normal(300, 300), "norm.bias": normal(300, 300), "w": normal(32, 32)}
    assert list(selected(arrays).tensors) == ["w"]


def test_what_is_asked_for_by_name_is_judged_whatever_stands_beside():
    arrays = {"w": normal(32, 32), "b.bias": normal(20, 20), "v": normal(300), "few": normal(3, 3)}
    assert list(selected(arrays).tensors) == ["w"]
    found = selected(arrays, include=["*"])
    assert list(found.tensors) == ["w", "b.bias", "v"]
    assert found.skipped == {"few": "fewer than 256 elements"}


def test_axes_that_are_asked_for_are_those_of_what_is_judged():
    arrays = {"a.w": normal(20, 30), "b.w": normal(20, 30)}
    found = selected(arrays, axes={"a*": 1}).tensors
    assert found["a.w"].axis == 1 and found["b.w"].axis is None
    assert {tensor.axis for tensor in selected(arrays).tensors.values()} == {None}


# --- codes and scales --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "note", "are_codes"),
    [((16, 16), "", True), ((256,), "", False), ((16, 16), "dequantized from int8", False)],
)
def test_scales_are_those_of_a_matrix_of_codes_that_nobody_read(shape, note, are_codes):
    tensors = tensors_of({"l.packed": np.ones(shape, np.int8), "k.zeros": normal(40, 50)})
    tensors["l.packed"] = tensors["l.packed"].renamed(note=note)
    found, skipped = joined(tensors, {})
    assert skipped == ({"k.zeros": SCALES} if are_codes else {}) and "l.packed" in found


def test_codes_by_the_name_of_scales_are_said_to_be_integers():
    arrays = {"l.packed": np.ones((16, 16), np.int32), "k.wscale": np.ones((16, 16), np.uint8)}
    found, skipped = joined(tensors_of(arrays), {})
    assert list(found) == list(arrays) and not skipped
    why = "uint8 values: already integers"
    assert selected(arrays | {"w": normal(32, 32)}).skipped["k.wscale"] == why


def test_values_that_cannot_be_read_have_no_product_with_their_mask():
    tensors = tensors_of({"l.weight": normal(32, 32), "l.mask": np.ones((32, 32), bool)})
    tensors["l.weight"] = tensors["l.weight"].renamed(skip="of a kind that is not read")
    found, skipped = joined(tensors, {})
    assert list(found) == list(tensors) and not skipped
    assert select(Contents(tensors=tensors)).skipped["l.weight"] == "of a kind that is not read"


def test_integers_beside_a_mask_are_codes_and_no_weights():
    arrays = {"l.weight": np.ones((32, 32), np.int8), "l.mask": np.ones((32, 32), bool)}
    found, skipped = joined(tensors_of(arrays), {})
    assert list(found) == list(arrays) and not skipped
    assert {tensor.note for tensor in found.values()} == {""}


@pytest.mark.parametrize("name", ["l.scales", "l.weight_scale", "l.absmax"])
def test_what_a_reader_dequantized_is_no_scale_whatever_its_name(name):
    tensors = {name: of_array(name, normal(32, 32)).renamed(note="dequantized from Q8")}
    found, skipped = joined(tensors, {})
    assert list(found) == [name] and not skipped


def test_integers_of_a_parametrization_are_no_part_of_weights():
    arrays = {"c.parametrizations.weight.0.step": np.ones((32, 32), int), "w": normal(32, 32)}
    found = selected(arrays)
    assert found.skipped == {"c.parametrizations.weight.0.step": "int64 values: already integers"}


# --- weights that a network computes -----------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 1, 1), (6,), (2,), (1, 2), (3, 1, 1), (6, 2, 1), (6, 1), (1, 6, 1, 1)])
def test_lengths_that_fit_no_axes_of_directions_leave_the_weights_unread(shape):
    arrays = {"l.weight_v": normal(6, 5, 3), "l.weight_g": normal(*shape)}
    found, skipped = joined(tensors_of(arrays), {})
    why = f"lengths of shape {shape} for directions of shape (6, 5, 3)"
    assert not found and skipped == dict.fromkeys(arrays, why)


@pytest.mark.parametrize(
    ("shape", "u", "v"),
    [((16, 20), 9, 20), ((16, 20), 16, 9), ((16, 20), 9, 16), ((12,), 12, 1), ((12,), 1, 12)],
)
def test_vectors_of_a_spectral_norm_are_those_of_a_matrix(shape, u, v):
    arrays = {"c.weight_orig": normal(*shape), "c.weight_u": normal(u), "c.weight_v": normal(v)}
    found, skipped = joined(tensors_of(arrays), {})
    why = f"vectors of shapes ({u},) and ({v},) for weights of shape {shape}"
    assert not found and skipped == dict.fromkeys(arrays, why)


def test_zeros_over_their_spectral_norm_are_zeros():
    arrays = {"c.weight_orig": np.zeros((3, 4)), "c.weight_u": normal(3), "c.weight_v": normal(4)}
    found, _ = joined(tensors_of(arrays), {})
    np.testing.assert_array_equal(found["c.weight"].load(), np.zeros((3, 4)))


@pytest.mark.parametrize("dtype", ["int32", "uint32"])
def test_words_with_a_scale_are_codes_that_are_packed_somehow(dtype):
    """A word may hold several of them: as numbers they would be other weights."""
    arrays = {
        "l.weight": np.arange(960, dtype=dtype).reshape(24, 40),
        "l.weight_scale": np.ones(1, np.float32),
    }
    arrays["l.weight_zero_point"] = np.ones(1, dtype)
    found, skipped = joined(tensors_of(arrays), {})
    assert not found
    why = "already quantized: packed codes in a convention that is not read"
    assert skipped == dict.fromkeys(arrays, why)


@pytest.mark.parametrize("shape", [(5, 4), (1, 5), (4, 1), (5,), (1,), ()])
def test_a_mask_of_another_shape_is_no_mask_of_these_weights(shape):
    """NumPy would spread most of them over all rows or columns."""
    found, skipped = joined(
        tensors_of({"fc.weight_orig": normal(4, 5), "fc.weight_mask": np.ones(shape)}), {}
    )
    why = f"a mask of shape {shape} for weights of shape (4, 5)"
    assert not found and skipped == dict.fromkeys(("fc.weight_orig", "fc.weight_mask"), why)


def test_what_a_format_keeps_apart_is_no_weight_whatever_its_name():
    tensors = tensors_of({"a.weight": normal(32, 32), "b.weight": normal(32, 32)})
    tensors["b.weight"] = tensors["b.weight"].renamed(apart=reasons.ADDED)
    found = select(Contents(tensors=tensors))
    assert list(found.tensors) == ["a.weight"] and found.skipped == {"b.weight": reasons.ADDED}


@pytest.mark.parametrize("stem", ["", "state_dict."])
def test_an_average_of_one_part_is_that_of_a_tensor_below_a_container_or_not(stem):
    arrays = {
        f"{stem}backbone.conv.weight": normal(20, 30),
        f"{stem}ema_backbone_conv_weight": normal(20, 30),
    }
    found = selected(arrays)
    assert list(found.tensors) == [f"{stem}backbone.conv.weight"]
    assert list(found.skipped.values()) == [f"an averaged copy of '{stem}backbone.conv.weight'"]


def test_sums_of_a_quantizer_stand_at_the_end_of_a_name():
    arrays = {name: normal(20, 30) for name in ("vq.ema_dw", "vq.ema_dw.hidden", "vq.ema_dw.conv.weight")}
    assert list(selected(arrays).tensors) == ["vq.ema_dw.conv.weight"]
