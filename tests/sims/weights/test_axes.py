"""Rows are outputs, and blocks run along inputs, whatever the order a framework keeps them in."""

import numpy as np
import pytest

from sims import weights
from sims.checkpoints import Contents, of_array
from sims.checkpoints.tensor import Grouped
from sims.weights import formats
from sims.weights.axes import from_rows, rows_of, with_axes
from sims.weights.judge import growing_report
from sims.weights.sources import in_memory
from theory.formats import FORMATS

RNG = np.random.default_rng(11)
BY_NAME = {form.name: form for form in FORMATS}


def axis_of(arrays, name, **options):
    tensors = {key: of_array(key, array) for key, array in arrays.items()}
    return with_axes(tensors, options.get("axes", {}))[name].axis


@pytest.mark.parametrize(
    ("name", "shape", "bias", "axis"),
    [
        ("fc.weight", (48, 32), 48, 0),
        ("h.0.attn.c_attn.weight", (32, 96), 96, 1),
        ("h.0.mlp.c_fc.weight", (32, 128), 128, 1),
        ("up.weight", (32, 16, 2, 2), 16, 1),  # a transposed convolution: inputs first
        ("up.weight", (8, 6, 3, 3), 12, Grouped(2)),  # in two groups
        ("up.weight", (8, 6, 3), 12, Grouped(2)),
        ("up.weight", (8, 6, 3, 3), 18, None),  # three groups of eight inputs there are not
        ("up.weight", (8, 6, 3, 3), 13, None),
        ("fc.weight", (8, 6), 12, None),
        ("norm.weight", (48, 32), (48, 32), None),  # a bias for every place is that of no axis
        ("fc.weight", (48, 32), (32, 1), None),
        ("depthwise.weight", (32, 1, 3, 3), 32, 0),
        ("layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE", (8, 6), None, 1),
        ("net.coefs_.0", (8, 6), None, 1),  # of scikit-learn
        ("net.coefs_.0", (8,), None, None),
        ("square.weight", (32, 32), 32, None),
        ("empty.weight", (8, 0, 3, 3), 12, None),
        ("net.coefs_.0", (4, 8, 6), None, None),  # scikit-learn keeps matrices
        ("encoder.pos_embedding", (1, 50, 64), None, 1),  # a row for every position
        ("vit.embeddings.position_embeddings", (1, 17, 32), None, 1),
        ("pos_embed", (1, 50, 64), None, 1),
        ("positional_embedding", (1, 50, 64), None, 1),
        ("pos_embed", (2, 50, 64), None, None),
        ("pos_embed", (1, 8, 8, 64), None, None),  # which of the others are the positions, no name says
        ("word_embed", (1, 50, 64), None, None),
        ("Dense_0/kernel", (32, 64), 64, 1),
        ("conv/kernel:0", (3, 3, 16, 32), 32, 3),
        ("lonely.weight", (48, 32), None, None),
        ("gru_cell/recurrent_kernel:0", (32, 96), None, 1),
        ("block_0/query/kernel", (32, 4, 8), None, (1, 2)),  # a row for every channel of every head
        ("block_0/out/kernel", (4, 8, 32), None, 2),
        ("dw/depthwise_kernel:0", (3, 3, 16, 2), None, (2, 3)),
        ("sep/pointwise_kernel:0", (1, 1, 32, 16), None, 3),
        ("up/conv2d_transpose/kernel", (2, 2, 8, 16), None, 2),
        ("up/kernel", (2, 2, 8, 16), 8, 2),  # by its bias
        ("up/kernel", (5, 8, 16), 8, 1),
        ("up/kernel", (2, 2, 2, 8, 16), 8, 3),
        ("up/kernel", (2, 2, 8, 16), 16, 3),
        ("up/kernel", (2, 2, 16, 16), 16, 3),
        ("odd/kernel", (32, 64), 32, 1),  # of a convolution alone a bias may be that of the axis before
        ("block_0/query/kernel", (32, 4, 8), 4, (1, 2)),
    ],
)
def test_axes_from_names_and_biases(name, shape, bias, axis):
    stem = name[: max(name.rfind("."), name.rfind("/")) + 1]
    arrays = {name: np.zeros(shape)} | ({f"{stem}bias": np.zeros(bias)} if bias else {})
    assert axis_of(arrays, name) == axis


@pytest.mark.parametrize(
    ("name", "shape", "beside", "bias", "axis"),
    [
        ("mlp/~/linear_0/w", (32, 48), "mlp/~/linear_0/b", (48,), 1),  # Haiku
        ("mlp/~/linear_0/w", (32, 32), "mlp/~/linear_0/b", (32,), 1),
        ("mlp/~/linear_0/w", (32, 48), "", (), 1),  # without a bias
        ("net/~/conv2_d/w", (3, 3, 4, 16), "net/~/conv2_d/b", (16,), 3),
        ("net/~/conv2_d/w", (3, 3, 16, 16), "net/~/conv2_d/b", (16,), 3),  # as many inputs
        ("net/conv2_d_transpose/w", (3, 3, 16, 4), "net/conv2_d_transpose/b", (16,), 2),
        ("conv1/weights", (3, 3, 4, 16), "conv1/biases", (16,), 3),  # TF-slim
        ("conv1/weights:0", (3, 3, 4, 16), "conv1/biases:0", (16,), 3),
        ("W1", (48, 32), "b1", (1, 32), 1),  # x W + b
        ("W1", (48, 32), "b1", (48, 1), 0),  # W x + b
        ("W1", (32, 32), "b1", (1, 32), 1),
        ("W1", (32, 32), "b1", (32, 1), None),
        ("W1", (32, 32), "b1", (32,), None),
        ("W1", (48, 32), "b2", (32,), None),  # of another layer
        ("W1", (48, 32), "b1", (2, 16), None),
        ("W1", (48, 32), "b1", (48, 32), None),
        ("W1", (1, 1), "b1", (), None),
        ("W1", (1, 20), "b1", (), None),  # a single number is no bias of one output
        ("net/x/w", (1, 20), "net/x/b", (), 1),
        ("W1", (32, 32), "b1", (1, 1, 32), None),
        ("net/x/w", (32, 32), "net/x/b", (32, 1), None),
        ("net/x/w", (16, 4, 3, 3), "net/x/b", (16,), 0),  # outputs first, as nothing of Haiku has them
        ("net/x/w", (32, 48), "net/x/b", (32,), 0),
        ("w_2", (48, 32), "b_2", (32,), 1),
        ("linear//weights", (6, 24, 40), "linear//bias", (6, 40), (0, 2)),  # AlphaFold: stacked layers
        ("linear//weights", (2, 24, 40), "linear//bias", (2, 40), (0, 2)),
        ("linear//weights", (6, 24, 2), "linear//bias", (6, 2), (0, 2)),
        ("linear//weights", (6, 24, 40), "linear//bias", (40,), 2),
        ("linear//weights", (6, 24, 40), "linear//bias", (6, 7), 2),
        ("linear//weights", (6, 24, 40), "linear//bias", (24, 40), 2),
        ("linear//weights", (1, 24, 40), "linear//bias", (1, 40), 2),  # a stack of one is a row
        ("linear//weights", (6, 24, 1), "linear//bias", (6, 1), 0),
        ("attention//query_w", (24, 4, 8), "", (), (1, 2)),
        ("attention//output_w", (4, 8, 24), "attention//output_b", (24,), 2),
        ("params:g/~/linear_0:w", (32, 32), "params:g/~/linear_0:b", (32,), 1),  # GraphCast
        ("conv1_w", (16, 4, 5, 5), "conv1_b", (16,), 0),  # Detectron
        ("attn.in_proj_weight", (96, 32), "attn.in_proj_bias", (96,), 0),
        ("l1/W", (32, 32), "l1/b", (32,), None),  # Chainer
        ("l1/W", (32, 48), "", (), None),
        ("layer.weights", (48, 32), "layer.biases", (32,), 1),
        ("layer.weight0", (48, 32), "layer.bias0", (32,), 1),
        ("layer.window", (48, 32), "layer.b", (32,), None),
        ("c.w", (16, 4, 3, 3), "c.b", (16,), 0),
        ("layers/up/vars/0", (2, 2, 8, 16), "layers/up/vars/1", (8,), 2),  # Keras 3: transposed
        ("layers/up/vars/0", (2, 2, 8, 16), "layers/up/vars/1", (16,), 3),
        ("layers/up/vars/2", (2, 2, 8, 16), "layers/up/vars/1", (8,), 3),  # of a kernel before it
        ("layers/up/my_kernel", (2, 2, 8, 16), "layers/up/my_bias", (8,), 3),
        ("layers/up/0", (2, 2, 8, 16), "layers/up/1", (8,), 3),  # known, and of another format
    ],
)
def test_weights_beside_biases_by_other_names(name, shape, beside, bias, axis):
    tensors = {name: of_array(name, np.zeros(shape))}
    if name.startswith("layers/"):  # its reader knows the format
        tensors[name] = tensors[name].renamed(axis=len(shape) - 1)
    if beside:
        tensors[beside] = of_array(beside, np.zeros(bias))
    assert with_axes(tensors, {})[name].axis == axis


@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 4, 8, 3), (8, 3, 8, 5), (2, 3, 8, 8, 5)])
def test_only_where_outputs_come_last_may_a_bias_be_of_the_axis_before(shape):
    """A transposed convolution of Haiku; elsewhere the first axis is the one that fits, or none."""
    first = 0 if shape[0] == 8 else None
    for weight, bias in (("conv/W", "conv/b"), ("conv.w", "conv.b"), ("conv_w", "conv_b"), ("W3", "b3")):
        assert axis_of({weight: np.zeros(shape), bias: np.zeros(8)}, weight) == first
    assert axis_of({"net/up/w": np.zeros(shape), "net/up/b": np.zeros(8)}, "net/up/w") == len(shape) - 2


@pytest.mark.parametrize("prefix", ["arr_", "", "0.", "params/"])
@pytest.mark.parametrize(
    ("shape", "after", "axis"),
    [
        ((40, 24), (24,), 1),  # get_weights of Keras, stax of JAX
        ((24, 40), (24,), 0),  # the parameters of a torch network
        ((3, 3, 8, 16), (16,), 3),
        ((16, 8, 3, 3), (16,), 0),
        ((24, 24), (24,), None),
        ((40, 24), (30,), None),
        ((40, 24), (24, 1), None),
        ((40, 24), None, None),
    ],
)
def test_weights_in_a_list_before_their_biases(prefix, shape, after, axis):
    arrays = {f"{prefix}9": np.zeros(shape)} | ({f"{prefix}10": np.zeros(after)} if after else {})
    assert axis_of(arrays, f"{prefix}9") == axis
    square = {f"{prefix}11": np.zeros((6, 6)), f"{prefix}12": np.zeros(6)}
    following = 1 if axis == 1 and len(shape) == 2 else None
    assert axis_of(arrays | square, f"{prefix}11") == following


def test_a_modulated_convolution_has_a_batch_of_one_before_its_outputs():
    """Of StyleGAN 2; without a modulation it is a convolution of three axes with one output."""
    arrays = {"a.conv.weight": np.zeros((1, 32, 8, 3, 3)), "b.weight": np.zeros((1, 32, 8, 3, 3))}
    arrays["a.conv.modulation.weight"] = np.zeros((8, 48))
    assert axis_of(arrays, "a.conv.weight") == 1 and axis_of(arrays, "b.weight") is None
    for name, shape in (
        ("c.weight", (2, 32, 8, 3, 3)), ("d.weight", (1, 32, 8, 3)), ("e.weight", (1, 32)),
        ("f.noise", (1, 32, 8, 3, 3)),
    ):  # fmt: skip
        arrays |= {name: np.zeros(shape), f"{name[0]}.modulation.weight": np.zeros((8, 48))}
        assert axis_of(arrays, name) is None


def test_square_matrices_follow_all_others_that_have_a_bias():
    """Paddle keeps inputs first; one layer that does not leaves square ones open."""
    arrays = {"a.weight": np.zeros((32, 64)), "b.weight": np.zeros((64, 64)), "c.weight": np.zeros((64, 64))}
    arrays |= {"a.bias": np.zeros(64), "b.bias": np.zeros(64)}
    assert axis_of(arrays, "b.weight") == 1 and axis_of(arrays, "c.weight") is None
    torch = arrays | {"d.weight": np.zeros((8, 64)), "d.bias": np.zeros(8)}
    assert axis_of(torch, "b.weight") is None and axis_of(torch, "a.weight") == 1


def test_square_matrices_follow_matrices_alone():
    """Paddle keeps convolutions as torch does; a bias is a vector; what a format says of a square stays."""
    shapes = {"a.weight": (32, 64), "a.bias": (64,), "conv.weight": (16, 4, 3, 3), "conv.bias": (16,)}
    shapes |= {"b.weight": (64, 64), "b.bias": (64,), "same.weight": (16, 16, 3, 3), "same.bias": (16,)}
    shapes |= {"column.weight": (64, 64), "column.bias": (64, 1), "neither.weight": (64, 32)}
    arrays = {name: np.zeros(shape) for name, shape in shapes.items()} | {"neither.bias": np.zeros(9)}
    found = {name: axis_of(arrays, f"{name}.weight") for name in ("a", "b", "conv", "same", "column")}
    assert found == {"a": 1, "b": 1, "conv": 0, "same": None, "column": None}
    known = {name: of_array(name, array) for name, array in arrays.items()}
    known["c.weight"] = of_array("c.weight", np.zeros((64, 64))).renamed(axis=0)
    known["d.weight"] = of_array("d.weight", np.zeros((64, 64))).renamed(axis=1)
    for name in ("c", "d"):
        known[f"{name}.bias"] = of_array(f"{name}.bias", np.zeros(64))
    axes = with_axes(known, {})
    assert (axes["b.weight"].axis, axes["c.weight"].axis, axes["d.weight"].axis) == (None, 0, 1)


@pytest.mark.parametrize(
    ("name", "shape", "axis"),
    [
        ("experts.w1", (3, 32, 80), (0, 2)),
        ("experts.w1", (3, 32, 80), 1),
        ("Dense_0/kernel", (32, 64), 0),
        ("conv/kernel:0", (3, 3, 16, 32), 0),
        ("fc.weight", (48, 32), 1),
        ("pos_embed", (1, 50, 64), 2),
    ],
)
def test_what_a_format_says_of_an_axis_is_no_question_of_names(name, shape, axis):
    tensors = {name: of_array(name, np.zeros(shape)).renamed(axis=axis)}
    assert with_axes(tensors, {})[name].axis == axis


@pytest.mark.parametrize("shape", [(0,), ()])
def test_a_bias_without_elements_or_axes_is_one_of_no_axis(shape):
    arrays = {"up.weight": np.zeros((8, 6, 3, 3)), "up.bias": np.zeros(shape)}
    assert axis_of(arrays, "up.weight") is None


def test_rows_of_groups_are_literal_and_go_back():
    kernel = np.arange(8 * 3 * 2).reshape(8, 3, 2)
    rows = rows_of(kernel, Grouped(4))
    for row, (group, output) in zip(rows, np.ndindex(4, 3), strict=True):
        assert list(row) == [kernel[2 * group + i, output, x] for x in range(2) for i in range(2)]
    for axis, shape in (
        (1, (2, 3)),
        (Grouped(4), (8, 3, 2)),
        (Grouped(2, 2, 1), (3, 5, 4)),
        (Grouped(2, 1, 0), (3, 4, 2)),
    ):
        array = np.random.default_rng(3).normal(size=shape)
        np.testing.assert_array_equal(from_rows(rows_of(array, axis), shape, axis), array)


def test_square_matrices_of_gpt2_follow_the_others():
    arrays = {
        "h.0.attn.c_attn.weight": np.zeros((32, 96)), "h.0.attn.c_attn.bias": np.zeros(96),
        "h.0.attn.c_proj.weight": np.zeros((32, 32)), "h.0.attn.c_proj.bias": np.zeros(32),
    }  # fmt: skip
    assert axis_of(arrays, "h.0.attn.c_proj.weight") == 1
    torch = {name: array.T for name, array in arrays.items()}  # the same names with outputs first
    assert axis_of(torch, "h.0.attn.c_proj.weight") is None


def test_axes_that_are_asked_for():
    arrays = {"a.w": np.zeros((4, 6)), "b.w": np.zeros((4, 6, 2)), "a.c": np.zeros(6)}
    assert axis_of(arrays, "a.w", axes={"*": 1}) == 1 and axis_of(arrays, "a.c", axes={"*": 1}) is None
    assert axis_of(arrays, "b.w", axes={"*": -1}) == 2 and axis_of(arrays, "a.w", axes={"b*": 1}) is None
    assert axis_of(arrays, "a.w", axes={"*": -2}) == 0 and axis_of(arrays, "b.w", axes={"b*": -3}) == 0
    for axis in (2, -3):
        with pytest.raises(ValueError, match=rf"tensor 'a\.w' has 2 axes, and no axis {axis}"):
            axis_of(arrays, "a.w", axes={"a.w": axis})


def test_rows_are_literal():
    kernel = RNG.normal(size=(5, 3, 2, 4))  # outputs, inputs, height, width
    rows = rows_of(kernel)
    turned = rows_of(np.transpose(kernel, (2, 3, 1, 0)), axis=3)  # as Keras keeps it
    across = rows_of(np.swapaxes(kernel, 0, 1), axis=1)  # a transposed convolution
    for o in range(5):
        expected = [kernel[o, i, y, x] for y in range(2) for x in range(4) for i in range(3)]
        for found in (rows, turned, across):
            assert list(found[o]) == expected


def literal_two_four(kernel):
    """2:4 along input channels, position by position."""
    lost = 0.0
    for o, y, x in np.ndindex(kernel.shape[0], *kernel.shape[2:]):
        for first in range(0, kernel.shape[1], 4):
            lost += sum(sorted(kernel[o, first : first + 4, y, x] ** 2)[:2])
    return lost / float((kernel**2).sum())


def test_groups_of_convolutions_run_along_input_channels(tmp_path):
    """Positions of one kernel are alike, channels are not: the order makes two decibels here."""
    kernel = RNG.normal(size=(8, 16, 3, 3)) * np.exp(1.5 * RNG.normal(size=(8, 16, 1, 1)))
    table = weights.analyse({"conv": kernel}, [4], every_format=True)
    found = {one.name: one.snr for one in table.rows[0].stored}
    assert found["2:4"] == pytest.approx(-10 * np.log10(literal_two_four(kernel)), abs=1e-9)
    along_positions = formats.noise(kernel.reshape(8, -1), BY_NAME["2:4"])
    assert found["2:4"] > -10 * np.log10(along_positions) + 2


def test_a_keras_kernel_has_the_numbers_of_the_torch_one():
    matrix = RNG.normal(size=(24, 130)) * np.exp(RNG.normal(size=(24, 1)))
    torch = weights.analyse({"a.weight": matrix}, [4], every_format=True).rows[0]
    keras = weights.analyse({"a/kernel": matrix.T.copy()}, [4], every_format=True).rows[0]
    for one, other in zip(torch.stored, keras.stored, strict=True):
        assert (
            one.name == other.name
            and one.bits == other.bits
            and one.snr == pytest.approx(other.snr, abs=1e-9)
        )


@pytest.mark.parametrize(
    ("shapes", "axes"),
    [
        # (experts, outputs, inputs), as most keep them
        ({"experts.gate_up_proj": (3, 80, 32), "experts.down_proj": (3, 32, 40)}, [(0, 1), (0, 1)]),
        # (experts, inputs, outputs), known by what the layers hand on
        ({"experts.gate_up_proj": (3, 32, 80), "experts.down_proj": (3, 40, 32)}, [(0, 2), (0, 2)]),
        ({"experts.gate_up_proj": (3, 32, 64), "experts.down_proj": (3, 32, 32)}, [(0, 2), (0, 2)]),
        ({"experts.gate_up_proj": (3, 64, 32), "experts.down_proj": (3, 32, 32)}, [(0, 1), (0, 1)]),
        ({"experts.gate_up_proj": (3, 32, 80), "experts.down_proj": (40, 32)}, [(0, 1), None]),
        # or by a bias for every expert
        ({"experts.w1": (3, 32, 80), "experts.w1_bias": (3, 80)}, [(0, 2), None]),
        ({"experts.w1": (3, 32, 80), "experts.w1_bias": (3, 32)}, [(0, 1), None]),
        ({"experts.w1.weight": (3, 32, 80), "experts.w1.bias": (3, 80)}, [(0, 2), None]),
        ({"experts.w1": (3, 32, 80), "experts.w1_bias": (4, 80)}, [(0, 1), None]),
        ({"experts.w1": (3, 32, 32), "experts.w1_bias": (3, 32)}, [(0, 1), None]),
        ({"blk.0.ffn_gate_exps.weight": (3, 32, 80)}, [(0, 1)]),
        ({"mlp.switch_mlp.up_proj.weight": (3, 32, 80)}, [(0, 1)]),
        ({"block_sparse_moe.input_linear.weight": (3, 32, 80)}, [(0, 1)]),
        ({"moe/wi/kernel": (3, 32, 80)}, [(0, 2)]),
        *(({name: (3, 32, 80)}, [(0, 1)]) for name in ("a.moe", "a.moe.w", "a_moe.w", "a/moe_w", "moe.w")),
        ({"a.moes": (3, 32, 80)}, [None]),
        ({"smoed.weight": (3, 32, 80)}, [None]),
        ({"exps.weight": (32, 80)}, [None]),
    ],
)  # fmt: skip
def test_stacks_of_experts(shapes, axes):
    tensors = {name: of_array(name, np.zeros(shape)) for name, shape in shapes.items()}
    assert [tensor.axis for tensor in with_axes(tensors, {}).values()] == axes


@pytest.mark.parametrize("name", ["gate_up_proj", "down_proj", "up_proj", "gate_proj.weight", "w1"])
@pytest.mark.parametrize(
    "shape", [(3, 32, 64), (3, 64, 32), (3, 32, 32), (64, 32, 64), (2, 5, 10), (2, 10, 5), (5, 5, 10)]
)
def test_a_stack_beside_which_nothing_stands_has_outputs_before_inputs(name, shape):
    """Twice as many inputs as outputs are no sign of another order, nor half as many."""
    assert axis_of({f"mlp.experts.{name}": np.zeros(shape)}, f"mlp.experts.{name}") == (0, 1)


@pytest.mark.parametrize("hidden", [31, 33, 64])
def test_stacks_that_do_not_hand_on_to_each_other_say_nothing(hidden):
    """Inputs and outputs of both must meet: of the two conditions neither is enough."""
    shapes = {"experts.gate_up_proj": (3, 32, 80), "experts.down_proj": (3, 40, hidden)}
    shapes |= {"moe.gate_up_proj": (3, 32, 2 * hidden), "moe.down_proj": (3, 40, 32)}
    tensors = {name: of_array(name, np.zeros(shape)) for name, shape in shapes.items()}
    assert {tensor.axis for tensor in with_axes(tensors, {}).values()} == {(0, 1)}


@pytest.mark.parametrize(
    ("name", "turned"), [("blk.0.ffn_up_exps.weight", (0, 1, 2)), ("moe/wi/kernel", (0, 2, 1))]
)
def test_experts_are_rotated_by_themselves(name, turned):
    """As the matrices that they are, whatever the order in which they are kept."""
    rng = np.random.default_rng(12)
    stack = rng.normal(size=(3, 8, 64)) * np.exp(rng.normal(size=(3, 8, 1)))
    tables = [
        list(growing_report(in_memory(arrays), [4], rotated=True))[-1]
        for arrays in ({name: stack.transpose(turned)}, {"w": stack.reshape(24, 64)})
    ]
    assert tables[0].rows[0].quantization[4] == pytest.approx(tables[1].rows[0].quantization[4], abs=1e-9)


def test_rows_of_several_output_axes_are_literal():
    heads = np.random.default_rng(13).normal(size=(5, 2, 3))  # inputs, heads, channels
    rows = rows_of(heads, (1, 2))
    assert rows.shape == (6, 5)
    for head, channel in np.ndindex(2, 3):
        np.testing.assert_array_equal(rows[3 * head + channel], heads[:, head, channel])
    np.testing.assert_array_equal(from_rows(rows, heads.shape, (1, 2)), heads)


def test_rows_of_lists_are_those_of_arrays():
    np.testing.assert_array_equal(rows_of([[1, 2, 3], [4, 5, 6]], 1), [[1, 4], [2, 5], [3, 6]])


def test_experts_are_matrices_of_their_own():
    stack = RNG.normal(size=(3, 8, 130))
    found = weights.analyse({"experts.up": stack}, [4], every_format=True).rows[0]
    flat = weights.analyse({"w": stack.reshape(24, 130)}, [4], every_format=True).rows[0]
    assert [one.snr for one in found.stored] == [one.snr for one in flat.stored]


def test_zeros_that_are_there_cost_nothing(reference):
    """80 % zeros: kept without loss in 4.2 bits, or as INT8 in 2.6."""
    w = RNG.normal(size=(50, 80)) * 0.05
    w.reshape(-1)[RNG.permutation(4000)[:3200]] = 0
    found = {one.name: one for one in weights.analyse({"w": w}, [4], every_format=True).rows[0].stored}
    assert found["own zeros"].bits == pytest.approx(1 + 0.2 * 16) and found["own zeros"].snr == np.inf
    eight = found["own zeros + INT8"]
    assert eight.bits == pytest.approx(1 + 0.2 * 8)
    expected = reference.decibels(reference.energy(w), reference.rounding_error(w, 8))
    assert eight.snr == pytest.approx(expected, abs=1e-3) and eight.snr > 40
    assert found["prune 75 %"].snr == np.inf and found["prune 75 %"].bits == pytest.approx(4.2)
    assert found["prune 87.5 %"].bits == 1 + 0.125 * 16 and found["prune 87.5 %"].snr < 30
    table = weights.analyse({"w": w}, [4], every_format=True)
    assert table.best_format(4.2).startswith(
        "Within 4.2 bits per weight own zeros keeps the most signal: everything"
    )
    assert table.best_format(2.6).startswith(
        "Within 2.6 bits per weight own zeros + INT8 keeps the most signal: 4"
    )


def test_dense_tensors_have_no_zeros_to_use():
    table = weights.analyse({"w": RNG.normal(size=(50, 80))}, [4], every_format=True)
    assert not [one for one in table.format_means() if one.name.startswith("own zeros")]
    assert Contents().tensors == {}


def test_a_square_matrix_follows_the_others_only_where_nothing_is_known_of_it():
    known = {"c_attn.weight": np.zeros((3, 9)), "c_attn.bias": np.zeros(9)}
    tensors = {f"h.0.attn.{name}": of_array(name, array) for name, array in known.items()}
    square = of_array("c_proj.weight", np.zeros((3, 3)))
    for axis, expected in ((None, 1), (0, 0)):
        found = with_axes({**tensors, "h.0.attn.c_proj.weight": square.renamed(axis=axis)}, {})
        assert found["h.0.attn.c_attn.weight"].axis == 1
        assert found["h.0.attn.c_proj.weight"].axis == expected


@pytest.mark.parametrize("mark", [".", "/"])
def test_square_layers_of_gpt2_follow_its_others(mark):
    """Where one of them keeps inputs first; beside a layer of torch that does not."""
    shapes = {"h.attn.c_attn.weight": (32, 96), "h.attn.c_attn.bias": (96,)}
    shapes |= {"fc.weight": (48, 32), "fc.bias": (48,), "h.2.c_fc.weight": (32, 48)}
    for layer in ("h.1.attn.c_attn", "h.attn.c_proj", "h.mlp.c_fc", "other", "h.c_out"):
        shapes |= {f"{layer}.weight": (32, 32), f"{layer}.bias": (32,)}
    shapes = {name.replace(".", mark): shape for name, shape in shapes.items()}
    tensors = with_axes({name: of_array(name, np.zeros(shape)) for name, shape in shapes.items()}, {})
    found = {
        name.replace(mark, ".").removesuffix(".weight"): tensors[name].axis
        for name in shapes
        if name.endswith("weight")
    }
    assert found == {
        **{"h.attn.c_attn": 1, "fc": 0, "h.1.attn.c_attn": 1, "h.attn.c_proj": 1, "h.mlp.c_fc": 1},
        **{"other": None, "h.c_out": None, "h.2.c_fc": None},
    }
