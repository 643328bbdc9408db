import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from sims.lottery import CONSTRUCTIONS, LAWS, Failure, embed, load, network_outputs, reduce_outputs
from sims.lottery.network import exact_product


def network(shape=(4, 5, 3, 2), limit=3, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(-limit, limit + 1, (b, a)) for a, b in itertools.pairwise(shape)]


def adversarial(fan_in, size, signed):
    """Zeros, extremes, unit vectors, alternating signs."""
    rows = [np.zeros(fan_in), np.full(fan_in, size), *(size * np.eye(fan_in)), np.arange(fan_in) % 2 * size]
    if signed:
        rows += [-row for row in rows] + [size * (-1.0) ** np.arange(fan_in)]
    return np.array(rows, np.int64)


def forward(ticket, inputs):
    """The pruned network as nothing but matrices: the drawn ones times their masks."""
    x = np.asarray(inputs).T
    for i, (matrix, mask) in enumerate(zip(ticket.matrices(), ticket.masks, strict=True)):
        x = (matrix * mask).astype(np.int64) @ (np.maximum(x, 0) if i else x)
    return x.T


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("signed", [False, True])
def test_the_pruned_matrices_alone_compute_the_target(construction, law, signed):
    limit = 9 if (law, construction) == ("product", "two_layer") else 3
    weights = network(limit=limit)
    ticket = embed(weights, 3, 24, 5, construction, law, signed)
    assert ticket.failures == []
    x = adversarial(4, 1000, signed)
    scale = np.prod([layer.scale for layer in ticket.layers])
    assert (forward(ticket, x) == scale * network_outputs(weights, x)).all()
    assert len(ticket.masks) == (2 * len(weights) if construction == "two_layer" else len(weights) + 1)
    for reduction in (1, 4, 7):
        assert ticket.verify(x, reduction)
        assert (ticket.outputs(x, reduction) == network_outputs(weights, x, reduction)).all()
    assert ticket.drawn_parameters == sum(m.size for m in ticket.matrices())
    assert ticket.kept_parameters == sum(int(m.sum()) for m in ticket.masks)


@given(st.data())
@settings(max_examples=40)
def test_effective_matrices_are_the_target(data):
    shape = data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    limit = data.draw(st.sampled_from([1, 2, 3, 7]))
    signed = data.draw(st.booleans())
    seed = data.draw(st.integers(0, 2**64 - 1))
    weights = network(shape, limit, seed)
    ticket = embed(weights, limit, 6, seed, signed_inputs=signed, retries=data.draw(st.integers(0, 2)))
    lost = {(f.layer, f.row, f.column) for f in ticket.failures}
    for i, ((positive, negative), w) in enumerate(zip(ticket.effective(), weights, strict=True)):
        wrong = positive != w
        if signed and i == 0:
            wrong |= negative != w
        assert {(i, int(r), int(c)) for r, c in np.argwhere(wrong)} == {f for f in lost if f[0] == i}
    assert ticket.verify() == (not lost)
    for f in ticket.failures:
        assert weights[f.layer][f.row, f.column] == f.weight != 0


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("law", LAWS)
def test_saved_ticket_is_verified_from_seed_masks_and_target_alone(tmp_path, construction, law):
    weights = network()
    x = adversarial(4, 50, signed=True)
    ticket = embed(weights, 3, 24, 2**63 + 1, construction, law, signed_inputs=True)
    ticket.save(tmp_path / "ticket.safetensors")
    again = load(tmp_path / "ticket.safetensors", weights)
    assert again.verify(x) and again.verify(x, reduction=5)
    assert (again.kept_parameters, again.drawn_parameters) == (
        ticket.kept_parameters,
        ticket.drawn_parameters,
    )
    other = [w.copy() for w in weights]
    other[1][0, 0] += 1 if other[1][0, 0] < 3 else -1
    assert not load(tmp_path / "ticket.safetensors", other).verify()


def rewrite(path, change, headers=None):
    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = file.metadata()
    change(tensors)
    save_file(tensors, path, header | (headers or {}))


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        ("layer0.block0.units", lambda a: np.where(a == a[a[:, 0] == 0, 1], 0, a), "keeps two inputs"),
        ("layer0.block0.units", lambda a: a[::-1].copy(), "wrong sign"),
        ("layer0.block0.mask", lambda a: a[:, :-1].copy(), "do not have the shape"),
        ("layer0.block0.units", lambda a: np.where(a == a[0, 0], -1, a), "not there"),
        ("layer0.block0.units", lambda a: np.where(a == a[0, -1], 10**6, a), "beyond the width"),
        ("layer0.block0.units", lambda a: np.where(a == a[0, -1], a.max() + 1, a), "beyond the width"),
        ("layer0.block0.inputs", lambda a: a + 1, "do not have the shape"),
        ("layer0.block0.inputs", lambda a: np.where(a == 0, -1, a), "do not have the shape"),
        ("layer0.block0.sides", lambda a: a * 2, "do not have the shape"),
    ],
)
def test_spoiled_files_are_refused_in_one_sentence(tmp_path, name, spoil, words):
    weights = network()
    path = tmp_path / "t.safetensors"
    embed(weights, 3, 24, 1).save(path)
    rewrite(path, lambda tensors: tensors.update({name: spoil(tensors[name])}))
    with pytest.raises(ValueError, match=words):
        load(path, weights)


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("law", LAWS)
def test_a_saved_ticket_is_read_beside_weights_on_its_grid_alone(tmp_path, construction, law):
    path, limit = tmp_path / "t", 9 if (law, construction) == ("product", "two_layer") else 3
    embed([[[limit]]], 3, 40, 1, construction, law).save(path)
    assert load(path, [[[limit]]]).verify()
    assert not load(path, [[[-limit]]]).verify()
    with pytest.raises(ValueError, match=rf"= {limit + 1} is beyond the grid {{-{limit}..{limit}}}"):
        load(path, [[[limit + 1]]])


@pytest.mark.parametrize("spoil", [
    lambda t: {"inputs": t["inputs"][:, None], "sides": t["sides"][:, None]},
    lambda t: {"sides": t["sides"][:-1]},
    lambda t: {"units": t["units"][:, 0], "mask": t["mask"][:, :1]},  # four units, in as many bits
    lambda t: {"inputs": t["inputs"][:-1], "sides": t["sides"][:-1]},
], ids=["inputs", "sides", "units", "slots"])  # fmt: skip
def test_masks_of_another_shape_are_refused_though_the_rest_fits(tmp_path, spoil):
    """Other shapes that fit one another, but are not those of a block."""
    weights, path, name = network(), tmp_path / "t.safetensors", "layer0.block0."
    embed(weights, 3, 24, 1).save(path)

    def change(tensors):
        own = {key: tensors[name + key] for key in ("inputs", "sides", "units", "mask")}
        tensors.update({name + key: array.copy() for key, array in spoil(own).items()})

    rewrite(path, change)
    with pytest.raises(ValueError, match=r"masks of layer0\.block0 do not have the shape"):
        load(path, weights)


def test_a_block_without_slots_is_a_block_and_keeps_nothing(tmp_path):
    path, name = tmp_path / "t.safetensors", "layer0.block0."
    embed([[[1, 2]]], 3, 24, 1).save(path)

    def change(tensors):
        for key in ("inputs", "sides", "units"):
            tensors[name + key] = tensors[name + key][:0]
        tensors[name + "mask"] = tensors[name + "mask"][:, :0]

    rewrite(path, change)
    assert load(path, [[[0, 0]]]).verify() and not load(path, [[[1, 2]]]).verify()


@pytest.mark.parametrize(("unit", "kept"), [(-1, True), (0, False), (1, False)])
def test_units_that_are_not_there_keep_nothing_and_stand_last(tmp_path, unit, kept):
    weights, path, name = network(), tmp_path / "t.safetensors", "layer0.block0."
    ticket = embed(weights, 3, 24, 1)
    ticket.save(path)
    bits = ticket.layers[0].blocks[0].bits
    bits[:, 0, unit] = kept

    def change(tensors):
        tensors[name + "units"][0, unit] = -1
        tensors[name + "mask"] = np.packbits(bits.reshape(len(bits), -1), axis=1, bitorder="little")

    rewrite(path, change)
    with pytest.raises(ValueError, match="keep entries of units that are not there"):
        load(path, weights)


def test_a_flipped_mask_bit_or_another_seed_is_not_verified(tmp_path):
    weights = network()
    path = tmp_path / "t.safetensors"
    ticket = embed(weights, 3, 24, 1)
    ticket.save(path)

    def flip(tensors):
        tensors["layer1.block0.mask"][0, 0] ^= 1

    rewrite(path, flip)
    assert not load(path, weights).verify()
    ticket.save(path)
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["ticket"])
    rewrite(path, lambda tensors: None, {"ticket": json.dumps(header | {"seed": 2})})
    with pytest.raises(ValueError, match="wrong sign"):
        load(path, weights)


@pytest.mark.parametrize("content", [b"", b"not a ticket", b"\x08\0\0\0\0\0\0\0{}      "])
def test_files_that_are_no_tickets_are_refused(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a"):
        load(path, network())


def test_a_weight_without_solution_is_reported_and_never_approximated(tmp_path):
    weights = [np.array([[127, 0], [1, -127]])]
    ticket = embed(weights, 127, 3, 0)
    assert ticket.failures and all(isinstance(f, Failure) for f in ticket.failures)
    assert not ticket.verify()
    positive, _ = ticket.effective()[0]
    for f in ticket.failures:
        assert positive[f.row, f.column] == 0
    with pytest.raises(ValueError, match=r"samples=3 \(failure probability .*; 1\d samples bring it"):
        ticket.save(tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_retries_draw_new_units_for_failed_inputs_and_count_them():
    weights = network((6, 8, 4), 7, 3)
    once = embed(weights, 7, 5, 4)
    assert once.failures
    more = embed(weights, 7, 5, 4, retries=60)
    assert more.failures == [] and more.verify()
    for a, b in zip(once.layers, more.layers, strict=True):
        assert (a.blocks[0].words == b.blocks[0].words).all()  # the first attempt is the same network
        assert b.drawn >= a.drawn + sum(block.units.size for block in b.blocks[1:])
        assert b.drawn_parameters == b.drawn * (b.fan_in + b.rows)


def test_results_do_not_depend_on_the_number_of_threads():
    weights = network((40, 500), 3)
    words = [embed(weights, 3, 12, 8, threads=k).layers[0].blocks[0].words for k in (1, 2, 3)]
    assert (words[0] == words[1]).all() and (words[0] == words[2]).all()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("law", LAWS)
def test_block_allotment_uses_every_unit_of_the_right_sign(tmp_path, law, signed):
    weights = network()
    ticket = embed(weights, 3, 16, 2, law=law, signed_inputs=signed, allotment="block", retries=3)
    assert ticket.failures == [] and ticket.verify(adversarial(4, 30, signed))
    layer = ticket.layers[0]
    assert layer.blocks[0].counts.reshape(4, -1).sum(axis=1).max() <= 32
    if signed:  # either sign is of use
        assert (layer.blocks[0].counts.reshape(4, -1).sum(axis=1) == 32).all()
    assert layer.drawn == 32 * (4 + sum(np.unique(b.inputs).size for b in layer.blocks[1:]))
    ticket.save(tmp_path / "t")
    assert load(tmp_path / "t", weights).verify()


def test_layers_of_one_shape_may_be_one_array():
    weights = np.array([[[3, -1], [0, 2]], [[1, -3], [2, 2]]])
    ticket = embed(weights, 3, 24, 1)
    assert ticket.verify() and len(ticket.weights) == 2


def test_ternary_and_binary_members():
    ternary = network((5, 6, 2), 1)
    binary = [np.where(w == 0, 1, w) for w in ternary]
    for weights in (ternary, binary):
        for construction in CONSTRUCTIONS:
            ticket = embed(weights, 1, 20, 6, construction)
            assert ticket.failures == [] and ticket.verify(adversarial(5, 9, signed=False))
            assert set(np.unique(np.concatenate([m.ravel() for m in ticket.matrices()]))) == {-1, 1}


def test_pruned_copies_are_harmless_while_enough_remain():
    weights = network((6, 5, 4), 7, 1)
    ticket = embed(weights, 7, 9, 1, "depth_plus_one", copies=40)
    rows = ticket.layers[0].effective()[0]
    good = (rows == np.repeat(weights[0], 40, axis=0)).all(axis=1)
    assert 0 < good.sum() < good.size  # some copies failed ...
    assert (rows[~good] == 0).all()  # ... were pruned whole ...
    assert ticket.failures == [] and ticket.verify()  # ... and nobody misses them
    rows = embed(weights, 7, 5, 1, "depth_plus_one", copies=2).layers[0].effective()[0]
    good = (rows == np.repeat(weights[0], 2, axis=0)).all(axis=1)
    assert 0 < good.sum() < good.size and (rows[~good] == 0).all()  # two are copies, too


def test_outputs_are_reduced_towards_zero_by_any_divisor():
    for divisor, wanted in ((1, [-7, -2, 0, 3]), (2, [-3, -1, 0, 1]), (3, [-2, 0, 0, 1])):
        assert reduce_outputs(np.array([-7, -2, 0, 3]), divisor).tolist() == wanted


def test_a_copy_that_reads_a_pruned_copy_is_not_verified():
    weights = network((6, 5, 4), 7, 1)
    ticket = embed(weights, 7, 9, 1, "depth_plus_one", copies=40)
    first = ticket.layers[0].blocks[0]
    read = ticket.layers[1].blocks[0]
    column = int(read.units[0][np.any(read.bits[:, 0], axis=0)][0])
    first.words[column] = 0
    assert not ticket.verify()


def test_reduced_networks_are_not_uniform_and_still_exact():
    weights = network()
    for rounding in ("truncate", "nearest"):
        ticket = embed(weights, 3, 40, 1, reduced_from=4, rounding=rounding)
        assert ticket.verify(adversarial(4, 9, signed=False))
        assert (ticket.matrices()[1] == 0).any()


def test_operator_inside_a_pair_would_break_equality():
    weights = network((3, 4, 2), 3)
    ticket = embed(weights, 3, 20, 0)
    x = adversarial(3, 17, signed=False)
    matrices = [m * k for m, k in zip(ticket.matrices(), ticket.masks, strict=True)]
    h = x.T.astype(np.int64)
    for i, m in enumerate(matrices):
        h = reduce_outputs(m @ (np.maximum(h, 0) if i else h), 4)
    assert not np.array_equal(h.T, network_outputs(weights, x, 4))


def test_large_integers_are_exact_or_refused():
    weights = [np.full((1, 2), 32767), np.array([[32767]]), np.array([[32767]])]
    ticket = embed(weights, 32767, 40, 0)
    x = np.array([[2**16, 1]])
    assert ticket.outputs(x)[0, 0] == (2**16 + 1) * 32767**3
    with pytest.raises(ValueError, match="64-bit"):
        ticket.outputs(x * 2**10)
    for a, b in ((1, 2**53 + 1), (2**27 + 1, 2**27 - 1), (3, 2**52 + 1), (2**31, 2**32 - 1), (-(2**62), 1)):
        assert exact_product(np.array([[a, -a]]), np.array([[b, 0], [0, b]])).tolist() == [[a * b, -a * b]]
    for b in ([2**32, 0], [2**31, -(2**31)]):
        with pytest.raises(ValueError, match="64-bit"):
            exact_product(np.array([[2**31, 1]]), np.array([b]))
    same = [np.array([[1]])]
    for whole in (2**62, -(2**63)):
        assert network_outputs(same, np.array([[float(whole)]])).tolist() == [[whole]]
    x = np.array([[-(2**63), 5]])  # its magnitude is no 64-bit integer
    assert exact_product(x, np.array([[1, 1], [0, 3]])).tolist() == [[5 - 2**63, 15]]
    for row in ([-1, 0], [1, -1]):
        with pytest.raises(ValueError, match="64-bit"):
            exact_product(x, np.array([row]))
    with pytest.raises(ValueError, match="64-bit"):  # nor is the sum of these
        exact_product(np.array([[1, 1, 1]]), np.array([[2**62] * 3]))
    assert reduce_outputs(np.array([-(2**63), 1 - 2**63]), 2).tolist() == [-(2**62), 1 - 2**62]
    for beyond in ([[np.inf]], [[-(2.0**63) - 2048]], [[2.0**63]], np.array([[2**63]], np.uint64)):  # -2^63
        with pytest.raises(ValueError, match="inputs must be 64-bit integers"):
            network_outputs(same, beyond)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"weights": []}, ValueError, "weights is empty"),
        ({"weights": np.ones((2, 2), int)}, TypeError, "list of matrices"),
        ({"weights": [[1, 2]]}, ValueError, r"shape \(2,\)"),
        ({"weights": [np.ones((0, 2), int)]}, ValueError, r"shape \(0, 2\); a non-empty matrix"),
        ({"weights": [[[0.5]]]}, ValueError, r"weights\[0\]\[0, 0\] = 0.5 is off the grid"),
        ({"weights": [[[np.nan]]]}, ValueError, "off the grid"),
        ({"weights": [[[1, 4]]]}, ValueError, r"weights\[0\]\[0, 1\] = 4 is beyond the grid {-3..3}"),
        ({"weights": [[["a"]]]}, TypeError, "integers on the grid"),
        (
            {"weights": [[[1, 1]], [[1, 1]]]},
            ValueError,
            r"weights\[1\] reads 2 inputs, but weights\[0\] has 1 outputs",
        ),
        ({"max_value": 0}, ValueError, "max_value must be an integer from 1 to 32768, got 0"),
        ({"max_value": 2.5}, TypeError, "max_value must be an integer from 1 to 32768, got 2.5"),
        ({"samples": 0}, ValueError, "samples must be an integer from 1 to 62, got 0"),
        ({"samples": 63}, ValueError, "samples must be an integer from 1 to 62, got 63"),
        ({"seed": -1}, ValueError, "seed must be an integer from 0 to 18446744073709551615, got -1"),
        (
            {"construction": "deep"},
            ValueError,
            "construction must be one of two_layer, depth_plus_one, got 'deep'",
        ),
        ({"law": "gaussian"}, ValueError, "law must be one of nonzero, product, got 'gaussian'"),
        ({"rounding": "up"}, ValueError, "rounding must be one of truncate, nearest, got 'up'"),
        ({"retries": -1}, ValueError, "retries must be an integer from 0 to 1000, got -1"),
        ({"retries": 1, "construction": "depth_plus_one"}, ValueError, "retries belongs to"),
        ({"allotment": "free"}, ValueError, "allotment must be one of matched, block, got 'free'"),
        (
            {"allotment": "block", "samples": 32},
            ValueError,
            "samples must be an integer from 1 to 31, got 32",
        ),
        ({"copies": 5}, ValueError, "copies belongs to"),
    ],
)
def test_bad_input_gets_one_sentence(arguments, error, words):
    call = {"weights": [[[1, -3]]], "max_value": 3, "samples": 9, "seed": 0} | arguments
    with pytest.raises(error, match=words) as caught:
        embed(**call)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([[1]], r"\(samples, 2\) is needed"),
        ([1, 2], r"shape \(2,\); \(samples, 2\) is needed"),
        ([["1", "2"]], "integers"),
        ([[0.5, 1]], "integers"),
        ([[1, -1]], "signed_inputs=True"),
    ],
)
def test_bad_inputs_get_one_sentence(inputs, words):
    with pytest.raises(ValueError, match=words):
        embed([[[1, -3]]], 3, 12, 0).outputs(inputs)


def test_weights_that_are_no_integers_are_not_cut_to_some():
    with pytest.raises(ValueError, match=r"weights\[1\] must hold integers"):
        network_outputs([[[1.0]], [[1.5]]], [[2]])


def test_a_file_without_its_layers_or_for_another_network_is_one_sentence(tmp_path):
    weights, path = network(), tmp_path / "t.safetensors"
    embed(weights, 3, 24, 1).save(path)
    with pytest.raises(ValueError, match=rf"t\.safetensors holds {len(weights)} layers but weights has 1$"):
        load(path, weights[:1])
    for headers in ({"layers": "no JSON"}, {"layers": "[{}, {}, {}]"}, {"ticket": "{}"}):
        embed(weights, 3, 24, 1).save(path)
        rewrite(path, lambda tensors: None, headers)
        with pytest.raises(ValueError, match=r"t\.safetensors is not a whole ticket: .*"):
            load(path, weights)


def test_a_unit_that_reads_a_copy_of_another_input_is_refused(tmp_path):
    """Units of the second layer of copies are numbered input by input."""
    weights, path = network(), tmp_path / "t.safetensors"

    def swap(tensors):
        units = tensors["layer2.block0.units"]
        units[[0, 1]] = units[[1, 0]]

    def borrow(tensors):
        tensors["layer2.block0.units"][1, 0] = 0  # the first copy of the first input

    for spoil in (swap, borrow):
        embed(weights, 3, 24, 1, "depth_plus_one").save(path)
        load(path, weights)
        rewrite(path, spoil)
        with pytest.raises(ValueError, match=r"layer2\.block0 reads a copy of another input"):
            load(path, weights)


@pytest.mark.parametrize(
    ("name", "most", "others"),
    [
        ("max_value", 2**15, {}),
        ("samples", 62, {}),
        ("samples", 31, {"allotment": "block"}),
        ("seed", 2**64 - 1, {}),
        ("retries", 1000, {}),
        ("reduced_from", 2**15, {}),
        ("copies", 62, {"construction": "depth_plus_one"}),
    ],
)
def test_the_largest_of_every_number_is_taken_and_no_larger_one(name, most, others):
    target = [np.array([[1, 0]]), np.array([[1]])]
    given = {"max_value": 1, "samples": 8, "seed": 0, **others}
    ticket = embed(target, **(given | {name: most}))
    assert getattr(ticket, name, most) == most
    with pytest.raises(ValueError, match=f"{name} must be an integer from .* to {most}, got {most + 1}"):
        embed(target, **(given | {name: most + 1}))
