"""Cells, their sweep, the table, and the networks that go on to lottery tickets."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sims import sweep, weights
from sims.fine_tuning import Setting, available, cells, compare, study
from sims.fine_tuning.backend import NEEDED
from sims.fine_tuning.methods import sparsity_of
from sims.fine_tuning.training import Trained
from sims.representation import layer_snr, linear_cka
from sims.weights.scales import integer_codes

needs_jax = pytest.mark.skipif(not available(), reason="the train extra is not installed")
SMALL = Setting(seeds=3, pretraining=4, epochs=2, hidden=(16,))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    setting = Setting(seeds=3, pretraining=3, epochs=2, grid="symmetric")
    return study.study(setting, [3], ("qat", "prune", "magnitude"), folder=folder, processes=1), folder


@needs_jax
def test_methods_share_networks_and_differ_in_what_they_make(found):
    table, _ = found
    before = {
        json.dumps([row[f"accuracy before, seed {i}, measured"] for i in range(3)]) for row in table.rows
    }
    assert len(before) == 1
    assert len({tuple(study.accuracies(row)) for row in table.rows}) == 3
    (line,) = table.lines()
    assert line["bits"] == 3 and line["sparsity"] == 1 - 3 / 16
    assert {"original", "qat", "prune", "magnitude", "qat - prune", "p", "seeds won"} <= set(line)
    test = study.paired(table.of("qat", 3), table.of("prune", 3))
    mean = float(np.mean(study.accuracies(table.of("qat", 3)) - study.accuracies(table.of("prune", 3))))
    assert test["difference"] == pytest.approx(mean, abs=1e-12)


@needs_jax
def test_a_finished_study_resumes_without_training(found, monkeypatch):
    table, folder = found
    monkeypatch.setattr(cells, "compare", None)
    again = study.study(
        table.setting, [3], ("qat", "prune", "magnitude"), folder=folder, processes=1, resume=True
    )
    assert again.rows == table.rows
    with pytest.raises(ValueError, match="holds 3 finished cells"):
        study.study(table.setting, [3], ("qat", "prune", "magnitude"), folder=folder, processes=1)


@needs_jax
def test_saved_networks_are_exactly_on_their_grid(found, tmp_path):
    table, _ = found
    paths = table.save_networks(tmp_path)
    assert sorted(path.stem for path in paths) == [
        "dense-digits-float",
        "dense-digits-magnitude-3",
        "dense-digits-prune-3",
        "dense-digits-qat-3",
    ]
    for array in weights.load(tmp_path / "dense-digits-qat-3.npz").values():
        codes, scale = integer_codes(array, 3, "symmetric")
        np.testing.assert_allclose(codes * scale.scale, array, atol=1e-6 * np.abs(array).max())
        assert np.abs(codes).max() <= 3
    for seed in (0, 2):
        first, *_ = table.save_networks(tmp_path / str(seed), seed)
        before = cells.originals(table.setting, table.seed, table.store).weights
        for array, layer in zip(weights.load(first).values(), before, strict=True):
            np.testing.assert_array_equal(array, layer[seed])


@needs_jax
def test_a_cell_measures_what_its_functions_measure():
    cell = compare(SMALL, "magnitude", 4)
    _network, data, *_ = SMALL.made()
    w, other = cell.original.network(1), cell.trained.network(1)
    assert cell.weights_snr["layer1"][1] == pytest.approx(layer_snr(w, other)["layer1"])
    hidden = [np.maximum(data.test_images.astype(np.float64) @ m[0].T, 0) for m in (w, other)]
    assert cell.cka["layer1"][1] == pytest.approx(linear_cka(*hidden), abs=1e-9)
    assert cell.outputs_snr["layer1"][1] == pytest.approx(layer_snr(hidden[:1], hidden[1:])["layer1"])
    assert cell.sparsity == 0.75 and cell.trained.sparsity() == pytest.approx(0.75, abs=0.01)
    logits = np.maximum(data.test_images.astype(np.float64) @ other[0].T, 0) @ other[1].T
    assert cell.accuracy[1] == np.mean(logits.argmax(1) == data.test_labels)


@needs_jax
def test_prune_then_quantize_is_both():
    cell = compare(Setting(seeds=2, pretraining=1, epochs=2, hidden=(16,)), "prune-then-quantize", 2)
    for w, steps, mask in zip(cell.trained.weights, cell.trained.steps, cell.trained.masks, strict=True):
        assert np.count_nonzero(mask) == mask.size // 2
        assert not w[mask == 0].any()
        codes = w / steps
        np.testing.assert_allclose(codes, np.rint(codes), atol=1e-4)
        assert np.rint(codes).min() >= -8 and np.rint(codes).max() <= 7  # 4 bits on half of the weights


@needs_jax
@pytest.mark.parametrize(("bits", "low"), [(3, -32), (5, -512), (7, -8192), (8, -32768), (12, -32768)])
def test_steps_of_pruned_halves_are_compared_on_the_grid_of_twice_the_bits(monkeypatch, bits, low):
    """As they were trained, and never on more than 16 bits."""
    setting = Setting(seeds=2, hidden=(16,))
    latent = [np.ones((2, *shape)) for shape in setting.made()[0].matrices]
    made = Trained(latent, latent, latent, [np.full((2, 1, 1), 0.5) for _ in latent])
    monkeypatch.setattr(cells, "fine_tuned", lambda *_, **__: made)
    monkeypatch.setattr(cells, "originals", lambda *_: made)
    asked = []
    monkeypatch.setattr(cells, "best_steps", lambda _, codes, *__: asked.append(codes) or made.steps)
    compare(setting, "prune-then-quantize", bits)
    assert [(codes.low, codes.high) for codes in asked] == [(low, -low - 1)]


@needs_jax
@pytest.mark.parametrize(("method", "bits", "width", "per_channel"), [
    ("qat", 3, 3, False), ("qat", 2, 2, True),
    ("prune-then-quantize", 2, 4, False), ("prune-then-quantize", 1, 2, True),
])  # fmt: skip
def test_a_learned_step_stands_over_the_one_of_least_error(monkeypatch, method, bits, width, per_channel):
    """Of the latent weights that the method keeps, on its grid; groups by their geometric mean."""
    setting = Setting(seeds=2, hidden=(40,), per_channel=per_channel)
    rng = np.random.default_rng(bits)
    latent = [rng.normal(size=(2, *shape)) for shape in setting.made()[0].matrices]
    masks = [np.where(np.abs(w) > 0.7, 1.0, 0.0) for w in latent]
    steps = [rng.uniform(0.1, 0.9, (2, w.shape[1] if per_channel else 1, 1)) for w in latent]
    made = Trained(latent, latent, masks, steps)
    monkeypatch.setattr(cells, "fine_tuned", lambda *_, **__: made)
    monkeypatch.setattr(cells, "originals", lambda *_: made)
    cell = compare(setting, method, bits)
    low, high = -(2 ** (width - 1)), 2 ** (width - 1) - 1
    for i, (w, s, mask) in enumerate(zip(latent, steps, masks, strict=True), start=1):
        for seed in range(2):
            ratios = []
            for group in range(s.shape[1]):
                at = (seed, group) if per_channel else seed
                kept = w[at][mask[at] > 0] if method == "prune-then-quantize" else w[at].ravel()
                tried = np.abs(kept).max() * np.geomspace(0.03, 1.2, 1500)[:, None]
                errors = ((kept - tried * np.clip(np.rint(kept / tried), low, high)) ** 2).sum(axis=1)
                ratios.append(s[seed, group, 0] / tried[errors.argmin(), 0])
            mean = np.exp(np.mean(np.log(ratios)))
            assert cell.steps[f"layer{i}"][seed] == pytest.approx(mean, rel=0.02)


@needs_jax
@pytest.mark.parametrize("method", ["qat", "prune-then-quantize", "optq"])
def test_a_cell_is_computed_as_its_setting_says(monkeypatch, tmp_path, method):
    """Grid, steps per row, seed and store go to the training, and the grid to the best steps."""
    setting = Setting(seeds=2, hidden=(16,), grid="symmetric", per_channel=True)
    latent = [np.ones((2, *shape)) for shape in setting.made()[0].matrices]
    steps = None if method == "optq" else [np.full((2, w.shape[1], 1), 0.5) for w in latent]
    made, asked = Trained(latent, latent, latent, steps), {}

    def record(name, found):
        def called(*given, **options):
            asked[name] = given, options
            return found

        monkeypatch.setattr(cells, name, called)

    record("originals", made)
    record("fine_tuned", made)
    record("post_training", made)
    record("best_steps", steps)
    compare(setting, method, 3, 5, str(tmp_path))
    assert asked["originals"] == ((setting, 5, str(tmp_path)), {})
    if method == "optq":
        assert asked["post_training"][1] == {"seed": 5} and "fine_tuned" not in asked
        return
    options = asked["fine_tuned"][1]
    keep = options.pop("keep")
    assert options == {"grid": "symmetric", "per_channel": True, "seed": 5}
    assert keep("a").path.parent == tmp_path and keep("a").path != keep("b").path
    _, codes, per_channel, masks = asked["best_steps"][0]
    assert (codes.low, codes.high) == ((-31, 31) if method.startswith("prune") else (-3, 3))
    assert per_channel and (masks is None) == (method == "qat")


@needs_jax
def test_kill_minus_nine_in_a_cell_changes_nothing(tmp_path):
    """The process is killed after an epoch was kept; the cell is resumed to the same bits."""
    code = """
import sys, numpy as np
from sims.fine_tuning import Setting, compare, store
store.Store.__init__.__defaults__ = (0.0,)  # keep every epoch
folder, epochs, out = sys.argv[1:]
setting = Setting(seeds=2, pretraining=1, epochs=int(epochs), hidden=(8,))
np.save(out, compare(setting, "qat", 3, store=folder).trained.weights[0])
"""

    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), "60", str(tmp_path / "never.npy")])
    give_up = time.monotonic() + 120
    while len(list(tmp_path.glob("*.run"))) < 2:  # the pretrained networks, and the run under way
        assert process.poll() is None and time.monotonic() < give_up
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "never.npy").exists()
    setting = Setting(seeds=2, pretraining=1, epochs=60, hidden=(8,))
    resumed, whole = compare(setting, "qat", 3, store=tmp_path), compare(setting, "qat", 3)
    np.testing.assert_array_equal(resumed.trained.weights[0], whole.trained.weights[0])


def test_sparsities_that_stand_beside_widths():
    assert sparsity_of("obs", 2) == 0.875 and sparsity_of("optq", 2) == 0.0
    with pytest.raises(ValueError, match="method must be one of qat, ste, prune"):
        sparsity_of("distil", 4)


@needs_jax
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: study.study(Setting(seeds=1)), "seeds must be at least 2 for the paired test, got 1"),
        (lambda: study.study(Setting(), bits=[16]), "bits must be an integer from 1 to 15, got 16"),
        (lambda: study.study(Setting(), methods=["prune", "no"]), "^method must be one of qat"),
        (lambda: study.study(Setting(), bits=[]), "at least one width and one method"),
        (lambda: study.study(Setting(), methods=[]), "at least one width and one method"),
        (lambda: study.study(Setting(data="nothing.npz")), "cannot read"),
        (lambda: Setting(seeds=0), "seeds must be an integer >= 1, got 0"),
        (lambda: Setting(grid="other"), "grid must be one of"),
        (
            lambda: compare(Setting(seeds=2, pretraining=1, epochs=1), "prune-then-quantize", 4),
            "at least 2 epochs",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_without_the_extra_one_sentence_says_how_to_get_it():
    code = (
        "import sys; sys.modules['jax'] = None\n"
        "from sims.fine_tuning import Setting, load, study\n"
        "load('digits')\n"  # what does not train needs no extra
        "try: study.study(Setting())\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == NEEDED, done.stderr


@needs_jax
def test_a_sweep_file_names_a_cell_by_its_address(tmp_path):
    (tmp_path / "tune.toml").write_text(
        'simulation = "sims.fine_tuning:simulate"\nseeds = 2\n'
        "pretraining = 1\nepochs = 1\n[grid]\nbits = [4]\n"
    )
    (row,) = sweep.run(sweep.load(tmp_path / "tune.toml"), tmp_path / "out", processes=1)
    assert row["low"] <= row["estimate"] <= row["high"] and row["trials"] == 2


@needs_jax
def test_originals_are_kept_for_everything_that_made_them(tmp_path, monkeypatch):
    """What comes after the pretraining may differ; data, network and recipe may not."""
    trained = []
    monkeypatch.setattr(cells, "pretrained", lambda *_, keep, **__: trained.append(keep("pretraining").path))

    def path(seed=0, **changes):
        cells.originals(dataclasses.replace(SMALL, **changes), seed, str(tmp_path))
        return trained[-1]

    after = ({"epochs": 9}, {"tuning_rate": 0.9}, {"grid": "symmetric"}, {"per_channel": True})
    assert {path(**change) for change in after} == {path()}
    assert len(trained) == 1  # and they are not trained again either
    before = ({"rate": 0.2}, {"batch": 32}, {"pretraining": 5}, {"hidden": (8,)}, {"seeds": 4}, {"seed": 1})
    assert len({path(), *(path(**change) for change in before)}) == 7
    own = tmp_path / "own.npz"
    for samples in (80, 96):  # a file that was written again
        np.savez(own, images=np.zeros((samples, 4)), labels=np.arange(samples) % 2)
        path(data=str(own))
    assert len(set(trained)) == 9


def test_a_seed_on_which_both_are_equal_is_won_by_neither():
    """Of the 450 digits the first gets 2 more, as many, and 1 fewer: a third of an image more on average.

    All signs of (2, 0, -1) that reach the sum 1: those of 2 positive, four of eight.
    """
    first, second = (
        {"data": "digits", "seeds": 3}
        | {f"accuracy of seed {i}, measured": count / 450 for i, count in enumerate(counts)}
        for counts in ((402, 400, 399), (400, 400, 400))
    )
    found = study.paired(first, second)
    assert found["won"] == "1 of 3, 1 lost" and found["p"] == 0.5
    assert found["difference"] == pytest.approx(1 / 3 / 450, rel=1e-12)


@pytest.fixture
def sweeps(monkeypatch):
    """What a study would have run: its sweep, folder and options, and the originals that it trains before."""
    asked = []
    monkeypatch.setattr(study, "load_backend", lambda: None)
    monkeypatch.setattr(study, "originals", lambda *given: asked.append(given))

    def run(sweep, folder, **options):
        asked.append((sweep, folder, options))
        return []

    monkeypatch.setattr(study.sweep, "run", run)
    return asked


def test_a_study_without_a_folder_is_the_same_in_a_passing_one(sweeps, tmp_path):
    setting, methods = Setting(seeds=3), ("magnitude", "qat", "prune")
    options = {"seed": 5, "processes": 2, "backend": "loky"}
    study.study(setting, [3, 2], methods, folder=tmp_path, resume=True, **options)
    study.study(setting, [3, 2], methods, **options)
    for before, (asked, folder, given) in zip(sweeps[::2], sweeps[1::2], strict=True):
        assert before == (setting, 5, str(Path(folder) / "runs"))
        assert asked.grid == {"bits": [3, 2], "method": ["magnitude", "qat", "prune"]} and asked.seed == 5
        assert asked.fixed["seeds"] == 3 and asked.fixed["store"] == str(Path(folder) / "runs")
        assert given["processes"] == 2 and given["backend"] == "loky"
    assert [call[2]["resume"] for call in sweeps[1::2]] == [True, False]
    assert sweeps[1][1] == tmp_path != sweeps[3][1] and not Path(sweeps[3][1]).exists()


@pytest.mark.parametrize("methods", [("qat",), ("prune", "ste")])
def test_one_seed_is_enough_where_nothing_is_paired(sweeps, tmp_path, methods):
    study.study(Setting(seeds=1), [3], methods, folder=tmp_path)
    assert sweeps[1][0].fixed["seeds"] == 1 and sweeps[1][0].grid["method"] == list(methods)


def test_saved_networks_are_those_of_the_studys_seed_and_store(monkeypatch, tmp_path):
    asked = []

    class Made:
        weights = (np.ones((2, 3, 4)), np.ones((2, 2, 3)))
        trained = SimpleNamespace(weights=(np.zeros((2, 3, 4)), np.zeros((2, 2, 3))))

    monkeypatch.setattr(study, "originals", lambda *given: asked.append(given) or Made())
    monkeypatch.setattr(study, "compare", lambda *given: asked.append(given) or Made())
    setting = Setting(seeds=2)
    rows = [{"method": "prune", "bits": 3}]
    written = study.Study(setting, 5, rows, "runs").save_networks(tmp_path, 1)
    assert asked == [(setting, 5, "runs"), (setting, "prune", 3, 5, "runs")]
    with np.load(written[0]) as one, np.load(written[1]) as other:
        assert one["layer1"].shape == (3, 4) and one["layer1"].all() and not other["layer2"].any()


def test_saved_networks_bear_the_name_of_a_file_of_data_without_its_folder_and_ending(monkeypatch, tmp_path):
    monkeypatch.setattr(study, "originals", lambda *_: SimpleNamespace(weights=[np.ones((2, 3, 4))]))
    cell = SimpleNamespace(trained=SimpleNamespace(weights=[np.zeros((2, 3, 4))]))
    monkeypatch.setattr(study, "compare", lambda *_: cell)
    rows = [{"method": "magnitude after", "bits": 3}]
    setting = Setting(data="own/letters.v2.npz", network="conv")
    written = study.Study(setting, 0, rows).save_networks(tmp_path / "made")
    assert [path.name for path in written] == [
        "conv-letters.v2-float.npz",
        "conv-letters.v2-magnitude-after-3.npz",
    ]
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == sorted(p.name for p in written)


def test_originals_are_trained_with_the_seed_of_the_study(monkeypatch):
    """Nothing is trained, and no JAX is needed: any version of it serves."""
    asked = []
    monkeypatch.setattr("importlib.metadata.version", lambda _: "0")
    monkeypatch.setattr(cells, "pretrained", lambda *_, **given: asked.append(given["seed"]))
    cells._originals.__wrapped__(Setting(seeds=2), 7, None, "")
    assert asked == [7]
