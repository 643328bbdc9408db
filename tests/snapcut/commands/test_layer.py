"""What `snapcut layer` refuses; what it prints is tested with `path_following` and `layer_bounds`."""

from pathlib import Path

import numpy as np
import pytest

from snapcut.commands.layer import layer


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": 3, "padding": 1}, "--kernel and --padding belong to images given with --inputs"),
        ({"stride": 2}, "--stride belongs to images"),
        ({"rows": "0", "columns": "0-3", "step": "joint"}, "--rows, --columns and --step belong to --bounds"),
        ({"time_limit": 5.0}, "--time-limit belongs to --bounds"),
        (
            {"bounds": True, "method": "OPTQ", "out": Path("q.npy")},
            "--method and --out belong to the methods",
        ),
        ({"bounds": True, "scale": 2.0, "order": "norm", "seed": 1}, "--scale, --order and --seed belong"),
        ({"bounds": True, "rule": "max"}, "--rule belongs to methods that quantize"),
        ({"sparsity": 0.5, "per_neuron": True}, "--per-neuron belongs to methods that quantize"),
        ({"out": Path("q.npy")}, "name it with --method"),
        ({"inputs": [Path("x.npy")]}, "digits:1 brings its inputs: give it without --inputs and --gram"),
        ({"gram": Path("g.npy")}, "digits:1 brings its inputs"),
    ],
)
def test_options_that_would_go_unheard_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        layer(weights=Path("digits:1"), **options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.array(["a", "b"]), "must hold an array of real numbers, it holds none"),
        (np.ones((2, 2), dtype=complex), "must hold an array of real numbers, it holds none"),
        (np.zeros((0, 4)), r"must hold numbers, its array of shape \(0, 4\) has none"),
        (np.ones(4), r"must hold one array of 2 or 4 dimensions, it holds \[\(4,\)\]"),
    ],
)
def test_a_file_without_a_matrix_is_named_with_what_it_holds(tmp_path, content, message):
    np.save(tmp_path / "w.npy", content)
    np.save(tmp_path / "x.npy", np.ones((3, 4)))
    with pytest.raises(ValueError, match=rf"w\.npy {message}"):
        layer(weights=tmp_path / "w.npy", inputs=[tmp_path / "x.npy"])
