"""Which arrays count: no copies, no optimizer state, no biases; what is left out is named with its reason."""

import numpy as np
import pytest

from sims import checkpoints, weights
from sims.checkpoints import Contents, of_array
from sims.checkpoints.tensor import unreadable
from sims.weights.select import canonical, select

RNG = np.random.default_rng(5)


def normal(*shape):
    return RNG.normal(size=shape)


def chosen(arrays, **options):
    tensors = {name: of_array(name, array) for name, array in arrays.items()}
    return select(Contents(tensors=tensors), **options)


def test_optimizer_state_is_no_weight():
    names = [
        "layer/kernel/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE",
        "state_dict.w/Adam_1",
        "state_dict.w/adam_m",
        "state_dict.w/RMSProp:0",
        "optimizer.state.0.exp_avg",
        "optimizer_states.0.state.1.exp_avg_sq",
        "optim_d.state.3.momentum_buffer",
        "opt_state/0/mu/Dense_0/kernel",
        "optimizer/vars/2",
        "generator_optimizer.state.0.exp_avg",
        "updater/optimizer:main/l1/W/m",  # Chainer
        "state_dict.w_momentum",  # Detectron
        *("quantize.embed_avg", "_vq._ema_w", "vq/ema_dw/hidden", "vq/ema_dw/average"),
        *("opt.state.0.sum", "state.3.ax", "net.solver.state.12.step_size"),  # of torch.optim, by their form
    ]
    arrays = {"state_dict.w": normal(32, 32)} | {name: normal(32, 32) for name in names}
    found = chosen(arrays)
    assert list(found.tensors) == ["state_dict.w"]
    assert {found.skipped[name] for name in names} == {"state of an optimizer"}


def test_gradients_and_tables_of_positions_are_no_weights():
    names = ["layers.0.rotary_emb.cos_cached", "rope.sin", "cos_cache", "h.0.alibi", "anchors.boxes"]
    fixed = ["mel_scale.fb", "stft.forward_basis", "x.melW", "noises.noise_12", "b64.noise_const"]
    names += ["head.anchors", *fixed]
    state = ["grads.fc.weight", "module.queue", "state_dict.m.queue", "image_queue", "master_params.0"]
    names += [*state, "norm.running_cov"]
    arrays = {name: normal(32, 32) for name in [*names, "optimizer/target/dense/kernel", "model.w"]}
    found = chosen(arrays)
    assert list(found.tensors) == ["optimizer/target/dense/kernel", "model.w"]
    assert found.skipped["rope.sin"] == "a table of positions, which no training changes"
    why = "a fixed array (of sound, of noise), which no training changes"
    assert {name for name in names if found.skipped[name] == why} == set(fixed)
    assert {found.skipped[name] for name in [*state, "norm.running_cov"]} == {"state of the training"}


@pytest.mark.parametrize(
    "name",
    [
        *("opt_model.decoder.weight", "optical_flow.weight", "options.weight", "model.opt.fc1"),
        *("adam.weight", "w/Adam", "net/momentum_encoder", "other_momentum", "text.boxes"),
        *(
            "target_embedding.weight",
            "actor_target.0.weight",
            "policy_old.0.weight",
            "running_net.weight",
            *("fb", "conv1.noise.weight", "noises.weight", "register_token.weight"),
        ),
        "vq.ema_dw.fc.weight",
        *("encoder.state.0.weight", "state.1.weight_hh_l0", "state.0", "queue.fc", "queue_net.weight"),
    ],
)
def test_words_that_only_look_like_an_optimizer(name):
    assert list(chosen({name: normal(32, 32)}).tensors) == [name]


def test_averaged_copies_count_once():
    arrays = {
        "model.block.0.weight": normal(32, 32),
        "model_ema.module.block.0.weight": normal(32, 32),
        "model_ema.block0weight": normal(32, 32),
        "ema.other.weight": normal(32, 32),  # no original is there: it is the network
    }
    found = chosen(arrays)
    assert list(found.tensors) == ["model.block.0.weight", "ema.other.weight"]
    assert found.skipped["model_ema.block0weight"] == "an averaged copy of 'model.block.0.weight'"
    assert canonical("state_dict_ema.layer.weight") == ("layerweight", True)
    assert canonical("weights") == ("weights", False)  # of one part: the tensor itself
    assert canonical("ema.online_model") == ("online_model", True)


def test_of_two_originals_the_first_is_named():
    """A file may hold one network before and after, in containers that are no part of a name."""
    for first, second in (("model.fc.weight", "net.fc.weight"), ("net.fc.weight", "model.fc.weight")):
        for copy in ("ema.fc.weight", "ema_fc_weight"):
            found = chosen({name: normal(32, 32) for name in (first, second, copy)})
            assert found.skipped == {copy: f"an averaged copy of {first!r}"}


@pytest.mark.parametrize(("depth", "averaged"), [(0, True), (1, True), (2, True), (3, False)])
def test_one_of_the_first_three_parts_of_a_name_says_that_it_is_an_average(depth, averaged):
    before = "".join(f"part{k}." for k in range(depth))
    found = chosen({f"{before}{name}.conv.weight": normal(32, 32) for name in ("net1", "net1_ema")})
    assert (f"{before}net1_ema.conv.weight" in found.skipped) == averaged
    assert f"{before}net1.conv.weight" in found.tensors


def test_averages_by_the_names_of_their_originals():
    """g_ema is that of g; teachers, and encoders that follow another one, are averages as well."""
    pairs = {
        "g.conv.weight": "g_ema.conv.weight", "netG.fc.w": "ema_netG.fc.w", "params.a": "params_ema.a",
        "student.module.b": "teacher.b", "module.encoder_q.c": "module.encoder_k.c",
        "base_encoder.d": "momentum_encoder.d", "online_network.e": "target_network.e",
        "actor.0.w": "actor_target.0.w", "model.critic.f": "model.target_critic.f",
        "text_encoder.l": "text_encoder_m.l", "vision_proj.m": "vision_proj_m.m",
        "student_model.n": "teacher_model.n", "modelStudent.o": "modelTeacher.o",
        "backbone_q.p": "backbone_k.p", "head.q": "head_momentum.q",
        "online_model.h": "ema_model.h", "ema.online_model.i": "ema.ema_model.i",
        "online_encoder.f": "target_encoder.f",
    }  # fmt: skip
    others = ["d_ema.conv.weight", "teacher.other", "encoder_k.z"]  # of which no original is there
    others += ["embedding.j", "target_embedding.j", "token.k", "token_target.k"]  # of two languages
    others += ["attn.proj_k.w", "attn.proj_q.w", "to_k.w", "to_q.w", "conv_m.w", "conv.w"]
    names = [*pairs.values(), *pairs, *others]
    found = chosen({name: normal(32, 32) for name in names})
    assert list(found.tensors) == [*pairs, *others]
    assert found.skipped == {copy: f"an averaged copy of {name!r}" for name, copy in pairs.items()}


@pytest.mark.parametrize("word", ["embed", "embedding", "token", "vocab", "word", "word_vocab_x"])
@pytest.mark.parametrize("ending", [False, True])
def test_a_target_of_words_is_another_language(word, ending):
    """And of anything else the network that follows."""
    copy = f"{word}_target" if ending else f"target_{word}"
    assert [*chosen({f"{word}.w": normal(32, 32), f"{copy}.w": normal(32, 32)}).tensors] == [
        f"{word}.w", f"{copy}.w",
    ]  # fmt: skip
    copy = "policy_target" if ending else "target_policy"
    assert [*chosen({"policy.w": normal(32, 32), f"{copy}.w": normal(32, 32)}).tensors] == ["policy.w"]


def test_averages_in_a_list_are_those_of_the_weights_beside():
    """torch_ema keeps them without names; alone, or of other shapes, they are the network."""
    arrays = {"model.fc.weight": normal(32, 32), "model.up.weight": normal(16, 32)}
    averages = {f"ema.shadow_params.{i}": normal(*shape) for i, shape in enumerate([(32, 32), (16, 32)])}
    found = chosen(arrays | averages | {"ema.shadow_params.2": normal(20, 20)})
    assert list(found.tensors) == [*arrays, "ema.shadow_params.2"]
    assert found.skipped == dict.fromkeys(averages, "an averaged copy of a weight of its shape")
    assert list(chosen(averages).tensors) == list(averages)
    assert list(chosen(arrays | {"layers.0": normal(32, 32)}).tensors) == [*arrays, "layers.0"]


def test_a_network_at_several_moments_counts_once():
    """Lottery tickets keep the first weights, trainers the best ones."""
    names = [
        "initial_state_dict.fc.w",
        "best_model.fc.w",
        "state_dict.fc.w",
        "best_model.other",
        "old_net2.fc.w",
        "policy.0.w",
        "policy_old.0.w",
    ]
    found = chosen({name: normal(32, 32) for name in names})
    assert list(found.tensors) == names[2:6]
    first = dict.fromkeys(names[:2], "another moment of 'state_dict.fc.w'")
    assert found.skipped == first | {"policy_old.0.w": "another moment of 'policy.0.w'"}


@pytest.mark.parametrize("dtype", ["int8", "int16", "complex64"])
def test_beside_matrices_that_are_not_read_vectors_are_no_network(dtype):
    """Biases and scales per channel of a quantized layer were judged in its place."""
    arrays = {"kernel": np.ones((300, 300), dtype), "bias": normal(300), "scale": normal(300)}
    with pytest.raises(ValueError, match="holds no weights to judge"):
        weights.report(arrays)
    small = {"kernel": np.ones((15, 17), dtype), "v": normal(300)}  # 255 elements
    assert list(chosen(small).tensors) == ["v"]


@pytest.mark.parametrize("before", ["", "state_dict."])
@pytest.mark.parametrize("net", ["net", "x"])
def test_averages_with_names_of_one_part(before, net):
    """mmdetection puts them into the same state dict, dots replaced."""
    names = [
        f"{net}.layer_1.conv.weight",
        f"ema_{net}_layer_1_conv_weight",
        "net.ema_scale.weight",
        "ema_other",
    ]
    found = chosen({before + name: normal(32, 32) for name in names})
    assert found.skipped == {before + names[1]: f"an averaged copy of {before + names[0]!r}"}


def test_only_averages_are_the_network():
    arrays = {f"ema_model.{i}.weight": normal(32, 32) for i in range(3)}
    assert list(chosen(arrays).tensors) == list(arrays)


def test_shared_memory_and_equal_contents_count_once():
    w = normal(64, 32)
    table = weights.analyse({"embed": w, "head": w, "copy": w.copy(), "other": normal(64, 32)}, [4])
    assert [row.name for row in table.rows] == ["embed", "other"]
    assert table.skipped == {"head": "the same memory as 'embed' (tied)", "copy": "equal to 'embed'"}
    assert table.total_bytes == 3 * w.nbytes and table.share_of_bytes == pytest.approx(2 / 3)


def test_include_and_exclude():
    arrays = {f"l{i}.{part}": normal(32, 32) for i in range(3) for part in ("mlp.w", "attn.w")}
    arrays["optimizer.state.0.exp_avg"] = normal(32, 32)
    found = chosen(arrays, include=["*.mlp.*"], exclude=["l1.*"])
    assert list(found.tensors) == ["l0.mlp.w", "l2.mlp.w"]
    assert found.skipped["l1.mlp.w"] == "left out by --exclude"
    assert found.skipped["l0.attn.w"] == "not named by --include"
    assert list(chosen(arrays, include=["optimizer.*"]).tensors) == ["optimizer.state.0.exp_avg"]
    found = chosen(arrays, include=["l0.mlp.*", "l2.attn.*"], exclude=["x", "*2.*"])
    assert list(found.tensors) == ["l0.mlp.w"] and found.skipped["l2.attn.w"] == "left out by --exclude"


def test_long_vectors_are_judged_and_long_biases_are_not():
    arrays = {
        "flat_param": normal(70_000),
        "lm_head.bias": normal(70_000),
        "head.beta": normal(70_000),
        "norm.weight": normal(4096),
        "norm.running_mean": normal(4096),
        "flat.weight": normal(70_000),  # beside a bias of its length, as norms have them
        "flat.bias": normal(70_000),
        "w": normal(32, 32),
    }
    found = chosen(arrays)
    assert list(found.tensors) == ["flat_param", "flat.weight", "w"]
    assert found.skipped["norm.running_mean"] == found.skipped["norm.weight"]
    assert found.skipped["lm_head.bias"].startswith("a vector") and found.skipped["norm.weight"].startswith(
        "a vector"
    )


def test_a_training_checkpoint_is_judged_as_its_network(tmp_path, reference):
    """Moments are small and heavy-tailed, and three quarters of the bytes."""
    network = {"model.a": normal(40, 40), "model.b": normal(30, 40)}
    moments = {f"optimizer.state.{i}.exp_avg_sq": normal(40, 40) ** 8 for i in range(6)}
    np.savez(tmp_path / "a.npz", **network, **moments)
    table = weights.report(tmp_path / "a.npz", [3])
    errors = [reference.rounding_error(w, 3) for w in network.values()]
    signal = sum(reference.energy(w) for w in network.values())
    assert table.totals()[0].quantization == pytest.approx(reference.decibels(signal, sum(errors)), abs=1e-4)
    assert table.basis().startswith("Note: the verdict rests on only 22.6 % of the file's bytes")
    assert "skipped 6 (state of an optimizer): optimizer.state.0.exp_avg_sq" in table.skipped_lines()[0]


def test_expanded_views_are_judged_by_what_they_store():
    w = normal(1, 300)
    table = weights.analyse({"w": np.broadcast_to(w, (50, 300))}, [4])
    alone = weights.analyse({"w": w}, [4])
    assert table.rows[0].quantization == alone.rows[0].quantization and table.rows[0].size == 300


@pytest.mark.parametrize(("value", "is_mask"), [(1.0, True), (-1e4, True), (0.3, False), (-0.5, False)])
def test_masks_are_no_weights(value, is_mask):
    """Half of the signal of a small network may stand in its causal masks."""
    arrays = {"w": normal(32, 32), "mask": np.tril(np.full((64, 64), value))}
    table = weights.analyse(arrays, [4])
    assert ("mask" in table.skipped) == is_mask
    assert [row.name for row in weights.analyse({"mask": arrays["mask"]}, [4]).rows] == [
        "mask"
    ]  # nothing else


def test_what_is_said_of_copies_and_long_vectors():
    arrays = {"flat": normal(70_000), "w": normal(32, 32)}
    arrays |= {f"{top}.{i}.weight": normal(20, 20) for top in ("model", "ema") for i in range(4)}
    table = weights.analyse(arrays, [4])
    assert (
        "skipped 4 (an averaged copy of another): ema.0.weight, ema.1.weight, ema.2.weight, ..."
        in table.skipped_lines()
    )
    assert any("judged as flattened matrices: 1, such as flat." in s for s in table.sentences())


def test_names_of_the_file_are_kept():
    contents = Contents(file="a")
    contents.add(checkpoints.of_array("x", np.zeros(1)))
    assert contents.tensors["x"].file == "a"


def test_where_in_a_name_the_training_stands():
    names = {
        "run.last.optimizer.w": "state of an optimizer",
        "run.last.best.optimizer.w": "",
        "run.grads.w": "state of the training",
        "run.last.grads.w": "",
    }
    found = chosen({name: normal(32, 32) for name in names})
    assert found.skipped == {name: why for name, why in names.items() if why}


def test_biases_and_vectors_of_several_axes_are_no_weights():
    """A bias per direction, per expert, per gate; a scale per channel as ONNX and convolutions keep it."""
    kept = {
        "lstm/LSTM.bias": (1, 1024), "experts.up_bias": (8, 64), "model/gru/bias:0": (2, 384),
        "layers/gru_1/cell/vars/2": (2, 384), "layers/bidirectional/forward_layer/cell/vars/2": (2, 384),
        "b1": (1, 300), "net/b_2": (300, 1), "intercept": (1, 300), "attention//gating_b": (40, 8),
        "x/B2:0": (40, 8), "norm//offset": (48, 12),
        "h.0.attn.bias": (1, 1, 32, 32), "norm.beta": (4, 300),
    }  # fmt: skip
    vectors = {"scale": (1, 512, 1, 1), "gamma": (512, 1, 1), "token": (1, 1, 768)}
    vectors |= {"conv.u0": (1, 512), "sn/sn_u:0": (1, 512), "dense/vector_u": (1, 512)}  # of spectral norms
    vectors |= {"vit.mask_token": (1, 768)}
    judged = {
        "head.weight": (1, 512), "column": (512, 1), "relative_attention_bias.weight": (32, 12),
        "relative_position_bias_table": (169, 3), "layers/gru_1/cell/vars/1": (32, 96),
        "layers/conv2d/vars/2": (16, 32), "b": (2, 300), "tab1": (1, 300), "lora_b": (300, 1),
        "cell.u": (32, 32), "attention//gating_w": (24, 4, 8), "x/W2:0": (40, 8), "offset.weight": (16, 16),
    }  # fmt: skip
    found = chosen({name: normal(*shape) for name, shape in (kept | vectors | judged).items()})
    assert set(found.tensors) == set(judged)
    assert {found.skipped[name] for name in kept} == {"biases are kept as they are"}
    assert all(found.skipped[name].startswith("a vector") for name in vectors)
    alone = {"b.bias": normal(20, 20), "scale": normal(1, 512, 1, 1)}
    assert set(chosen(alone).tensors) == set(alone)  # where there is nothing else


def test_scales_of_a_normalisation_are_no_weights():
    """Over several axes they have as many values as a matrix, near 1: the largest part of a small network."""
    shapes = {"a.weight": (8, 8, 8), "a.bias": (8, 8, 8), "b/gamma": (16, 16), "b/beta": (16, 16)}
    shapes |= {"scan/norm/scale": (64, 12), "c.weight": (16, 16), "c.bias": (16,), "d/gamma:0": (16, 16)}
    shapes |= {"d/beta:0": (16, 16), "layers/layer_normalization_1/vars/0": (16, 16), "k.ia3_l": (512, 1)}
    slopes = ["layers/p_re_lu_1/vars/0", "p_re_lu/p_re_lu/alpha:0"]
    shapes |= dict.fromkeys(slopes, (14, 14, 8))
    found = chosen({name: normal(*shape) for name, shape in shapes.items()})
    assert list(found.tensors) == ["c.weight"]
    why = "scales of a normalisation are kept as they are"
    for name in ("a.weight", "b/gamma", "d/gamma:0", "layers/layer_normalization_1/vars/0"):
        assert found.skipped[name] == why
    for name in ("scan/norm/scale", "k.ia3_l", *slopes):
        assert found.skipped[name] == "scales are kept as they are"
    assert list(chosen({"scan/norm/scale": normal(64, 12)}).tensors)  # where there is nothing else
    asked = chosen({name: normal(*shape) for name, shape in shapes.items()}, include=["a.*"])
    assert list(asked.tensors) == ["a.weight", "a.bias"]


def test_a_vector_is_long_from_two_to_the_sixteenth_on():
    found = chosen({"long": normal(2**16), "short": normal(2**16 - 1), "w": normal(32, 32)})
    assert list(found.tensors) == ["long", "w"]


def test_vectors_are_judged_where_every_matrix_is_too_small():
    assert list(chosen({"m": normal(4, 4), "v": normal(300)}).tensors) == ["v"]
    assert list(chosen({"m": normal(16, 16), "v": normal(300)}).tensors) == ["m"]


def beside_a_network(names, shape=(32, 32)):
    """By name, why an array is left out where a matrix is there; "" of one that is judged."""
    arrays = {"state_dict.w": normal(32, 32)} | {name: normal(*shape) for name in names}
    found = chosen(arrays)
    assert "state_dict.w" in found.tensors
    return {name: found.skipped.get(name, "") for name in names}


@pytest.mark.parametrize(
    "moment",
    [
        *("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer"),  # of torch: Adam, AMSGrad, SGD
        *("exp_inf", "square_avg", "acc_delta", "grad_avg"),  # Adamax, RMSprop, Adadelta
        *("exp_avg_sq_row", "exp_avg_sq_col", "momentum", "grad", "sum_sq", "prev_update"),
        *("embed_avg", "ema_w"),
    ],
)
def test_names_of_moments_alone_say_what_they_are(moment):
    """Without an optimizer among the parts of the name, as a shard of its state has it."""
    assert beside_a_network([f"shard.0.{moment}", f"shard.0.{moment}s"]) == {
        f"shard.0.{moment}": "state of an optimizer",
        f"shard.0.{moment}s": "",
    }


@pytest.mark.parametrize(
    "slot",
    [
        *("Adam", "Adam_1", "RMSProp_1", "Momentum_1", "Adagrad", "Adadelta", "Ftrl_1", "LAMB", "LAMB_1:0"),
        "ExponentialMovingAverage",
    ],
)
def test_slots_of_tensorflow_stand_below_their_variable(slot):
    names = [f"state_dict.w/{slot}", f"elsewhere/{slot}"]
    assert beside_a_network(names) == {names[0]: "state of an optimizer", names[1]: ""}


@pytest.mark.parametrize(
    ("part", "is_optimizer"),
    [
        *((name, True) for name in ("optim", "optimizer", "optims", "optimizers", "optimizer_states")),
        *((name, True) for name in ("optimizer:main", "opt_state", "opt_states", "g_optim", "g_optimizers")),
        *((name, True) for name in ("d_optimizer_state", "d_optim_states")),
        *((name, False) for name in ("optimum", "opt", "doptim", "optimizing", "g_optimizer_statement")),
    ],
)
def test_words_for_an_optimizer(part, is_optimizer):
    why = "state of an optimizer" if is_optimizer else ""
    assert beside_a_network([f"{part}.0.x"]) == {f"{part}.0.x": why}


@pytest.mark.parametrize(
    "part",
    [
        *("grads", "gradients", "lr_scheduler", "lr_schedulers", "scheduler", "grad_scaler", "loss_scaler"),
        *("rng_state", "callbacks"),
    ],
)
def test_what_a_trainer_keeps_beside_the_network(part):
    names = [f"{part}.x", f"run.{part}.x", f"the_{part}.x"]
    state = "state of the training"
    assert beside_a_network(names) == dict(zip(names, [state, state, ""], strict=True))


@pytest.mark.parametrize(
    "name",
    [
        *("cos", "sin", "cos_cached", "sin_cached", "cos_cache", "sin_cache", "inv_freq"),  # of rotations
        *("freqs_cos", "freqs_sin", "freqs_cis", "relative_coords_table", "alibi"),
        *("anchors", "anchor_grid", "priors", "prior_boxes", "anchors.boxes"),  # of detectors
    ],
)
def test_names_of_tables(name):
    names = [f"layers.0.{name}", f"layers.0.{name}.weight"]
    assert beside_a_network(names) == {
        names[0]: "a table of positions, which no training changes",
        names[1]: "",
    }


@pytest.mark.parametrize(
    "container",
    [
        *("state_dict", "model", "model_state_dict", "model_state", "module", "net", "network", "params"),
        *(
            "weights",
            "student",
            "_orig_mod",
            "_fsdp_wrapped_module",
            "model.module",
            "state_dict.net._orig_mod",
        ),
    ],
)
def test_what_training_scripts_put_around_a_network(container):
    """The names inside are those of its averaged copy, which has no such container."""
    found = chosen({f"{container}.fc.weight": normal(32, 32), "ema.fc.weight": normal(32, 32)})
    assert found.skipped == {"ema.fc.weight": f"an averaged copy of '{container}.fc.weight'"}


def test_any_other_word_is_a_part_of_the_network():
    names = ["backbone.fc.weight", "ema.fc.weight"]
    assert list(chosen({name: normal(32, 32) for name in names}).tensors) == names


@pytest.mark.parametrize("word", ["ema", "swa", "averaged", "shadow"])
def test_words_for_an_average(word):
    for copy in (f"{word}.w", f"model_{word}.w", f"{word}_model.w", f"my_{word}_state.w"):
        found = chosen({"model.w": normal(32, 32), copy: normal(32, 32)})
        assert found.skipped == {copy: "an averaged copy of 'model.w'"}
    for other in (f"{word}s.w", f"model{word}.w", f"{word}1.w"):
        assert not chosen({"model.w": normal(32, 32), other: normal(32, 32)}).skipped


@pytest.mark.parametrize(
    "moment", ["best", "last", "init", "initial", "rewind", "old", "prev", "previous", "original"]
)
def test_words_for_another_moment(moment):
    for copy in (f"{moment}_model.w", f"{moment.upper()}_state_dict.w"):
        found = chosen({"model.w": normal(32, 32), copy: normal(32, 32)})
        assert found.skipped == {copy: "another moment of 'model.w'"}
    assert not chosen({"model.w": normal(32, 32), f"{moment}.w": normal(32, 32)}).skipped


@pytest.mark.parametrize(
    ("name", "shape", "kept"),
    [
        *((name, (40, 8), True) for name in ("l.bias", "l.biases", "l.beta", "l.offset")),
        *((f"l.up_{name}", (40, 8), True) for name in ("bias", "biases", "beta", "offset")),
        *((name, (1, 300), True) for name in ("b", "b2", "bias_1", "bias1", "biases_2", "biases2")),
        *((name, (1, 300), True) for name in ("intercept", "intercepts_1")),
        *((name, (2, 150), False) for name in ("b", "bias_1", "biases_2", "intercepts_1")),
        *((name, (40, 8), False) for name in ("l.unbias", "l.betas", "l.offset_net")),
        ("cell/vars/2", (2, 384), True),
        ("gru/cell/vars/2", (2, 384), True),
        ("my_cell/vars/2", (2, 384), False),
    ],
)
def test_names_of_biases(name, shape, kept):
    assert beside_a_network([name], shape) == {name: "biases are kept as they are" if kept else ""}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((name, "scales are kept as they are") for name in ("l.scale", "l.my_scale", "l.a_scales")),
        *((name, "") for name in ("l.scaled", "l.rescale", "l.scale_w")),
        *(
            (f"{name}/vars/0", "scales of a normalisation are kept as they are")
            for name in (
                "normalization",
                "a/normalization",
                "batch_normalization_2",
                "a/b/unit_normalization",
            )
        ),
        *((f"{name}/vars/0", "") for name in ("renormalization", "normalization_net", "normalization_a")),
    ],
)
def test_names_of_scales(name, why):
    assert beside_a_network([name], (40, 8)) == {name: why}


def test_logarithms_of_decay_rates_are_no_weights():
    """Of Mamba: (channels, states), which no product takes."""
    names = ["layers.0.mixer.A_log", "a_log", "layers.0.mixer.A_logits"]
    rates = "decay rates of a state space are kept as they are"
    assert beside_a_network(names) == dict(zip(names, [rates, rates, ""], strict=True))


@pytest.mark.parametrize(("shape", "judged"), [((15, 17), ["v"]), ((16, 16), []), ((300,), ["v"])])
def test_beside_a_matrix_that_is_not_read_vectors_are_no_network(shape, judged):
    """A matrix of weights has 256 of them or more."""
    known = {"w": unreadable("w", "not read", 9, shape), "v": of_array("v", np.arange(300.0))}
    assert list(select(Contents(tensors=known)).tensors) == judged
