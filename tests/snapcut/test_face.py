"""`import snapcut`: the same results as the commands, as objects that show themselves."""

import csv
import json
import sys

import numpy as np
import pytest

import snapcut as library
from paper_checks.claim import Claim, at_most
from sims import weights as own
from sims.networks import digits


def written(run, *words):
    """What a command writes with --json."""
    done = run(*words, "--json", "-")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_is_returned_is_what_the_command_writes(here, tmp_path):
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((4, 12)), rng.standard_normal((16, 12))
    np.save(tmp_path / "W.npy", w)
    np.save(tmp_path / "X.npy", x)
    files = ("--weights", tmp_path / "W.npy", "--inputs", tmp_path / "X.npy")
    pairs = [
        (library.weights("digits", 4), written(here, "weights", "digits", "--bits", "4")),
        (
            library.simulate("partition", n=8, max_value=50, trials=500),
            written(here, "simulate", "partition", "--n=8", "--max-value=50", "--trials=500"),
        ),
        (library.layer(w, x, sparsity=0.5), written(here, "layer", *files, "--sparsity", "0.5")),
    ]
    for table, content in pairs:
        ours = json.loads(json.dumps(table.to_dict()))
        assert ours == {key: content[key] for key in ours} and len(table) > 0
    ours = library.check("ku.gaussian_pruning", power=True).to_dict()["claims"]
    theirs = written(here, "check", "ku.gaussian_pruning", "--power")["claims"]
    for one in [*ours, *theirs]:
        del one["seconds"]
    assert ours == theirs and len(ours) > 1


def test_a_layer_of_a_network_at_hand_brings_its_inputs(here):
    shipped = digits.load()
    hidden = np.maximum(shipped.train_images @ shipped.weights[0].T, 0)
    ours = library.layer("digits:2", sparsity=0.5, methods=["OBS"])
    assert ours.rows == library.layer(shipped.weights[1], hidden, sparsity=0.5, methods=["OBS"]).rows
    words = ("layer", "--weights", "digits:2", "--sparsity", "0.5", "--method", "OBS")
    assert written(here, *words)["methods"] == ours.to_dict()["methods"]
    with pytest.raises(ValueError, match="no layer of digits ''; there are 1, 2, 3"):
        library.layer("digits")


def test_a_figure_is_drawn_again_and_saved(tmp_path):
    figure = library.figure("snr_gaussian", bits=3)
    image, _, table, _ = figure.save(tmp_path)
    assert image.read_bytes() == figure.png
    with table.open() as file:
        lines = list(csv.reader(file))
    data = figure.to_dict()["data"]
    assert lines[0] == list(data) and len(lines) == 1 + len(data["x"])
    assert figure.plot().axes and figure.caption in figure._repr_html_()
    assert repr(figure).startswith(f"snr_gaussian: {figure.title}\n")


def test_arrays_a_mapping_and_a_file_are_judged_alike(tmp_path):
    array = np.random.default_rng(1).standard_normal((32, 64))
    np.savez(tmp_path / "w.npz", weights=array)
    found = [library.weights(one, 4).to_dict() for one in (array, {"weights": array}, tmp_path / "w.npz")]
    assert [one["network"]["quantization_snr"] for one in found] == 3 * [
        found[0]["network"]["quantization_snr"]
    ]
    assert own.analyse(array, 4).rows == own.analyse({"weights": array}, [4]).rows


def test_tables_show_themselves_and_strangers_names_as_text():
    w = np.random.default_rng(2).standard_normal((32, 64))
    table = library.weights({"<b>x</b>\x1b": w}, bits=(2, 4), within=4.5)
    text, page = repr(table), table._repr_html_()
    assert r"<b>x</b>\x1b" in text and "Within 4.5 bits per weight" in text
    assert "<b>x" not in page and "&lt;b&gt;x&lt;/b&gt;" in page and page.count("<tr>") == 3
    assert len(table.plot().axes) == 2
    assert library.layer(w, np.eye(64), methods=["RTN"]).plot().axes
    with pytest.raises(ValueError, match="nothing draws this table"):
        library.check("ku.gaussian_pruning").plot()


def test_rows_become_a_data_frame_where_pandas_is(monkeypatch):
    table = library.simulate("partition", n=6, max_value=9, trials=100)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="to_pandas needs pandas, which is not installed"):
        table.to_pandas()

    class Pandas:
        DataFrame = staticmethod(list)

    monkeypatch.setitem(sys.modules, "pandas", Pandas)
    assert table.to_pandas() == table.rows


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: library.weights(3), TypeError, "a path, an array or a mapping of arrays, got 3"),
        (lambda: library.weights(np.eye(40), "4"), TypeError, "bits must be a width or several"),
        (lambda: library.weights(np.eye(40), []), ValueError, "bits must name at least one width"),
        (lambda: library.weights({}), ValueError, "'the arrays given' holds no weights to judge"),
        (lambda: library.layer(np.eye(3)), ValueError, "give either inputs or gram"),
        (lambda: library.layer(np.ones(3), np.eye(3)), ValueError, r"weights must have shape \(fan_out"),
        (lambda: library.simulate("partitoin"), ValueError, "must be one of partition, subset-sum"),
        (lambda: library.simulate("partition", m=3), TypeError, "no parameter 'm'; it takes n=20"),
        (lambda: library.figure("snr_gaussian", df=3), ValueError, "no parameter 'df'; it takes bits=4"),
        (lambda: library.check("kn.nothing"), ValueError, "no claim 'kn.nothing'"),
        (lambda: library.wieghts, AttributeError, "no attribute 'wieghts'"),
    ],
)
def test_bad_input_is_one_sentence(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_a_claim_of_ones_own_needs_neither_a_twin_nor_a_paper_of_the_house():
    def check(run, bound=2.0):
        yield at_most("1.5", 1.5, bound)

    words = {"title": "1.5 <= 2", "place": "my notes", "statement": "x", "hypotheses": "", "mark": "derived"}
    mine = Claim(id="my.claim", paper="mine", check=check, **words)
    assert library.check(mine, "ku.gaussian_pruning").source[-1].verdict == "holds"
    assert library.check(mine, power=True).rows[0]["verdict"] == "holds"
