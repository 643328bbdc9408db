"""What `snapcut layer` refuses; what it prints is tested with `path_following` and `layer_bounds`."""

from pathlib import Path

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
    ],
)
def test_options_that_would_go_unheard_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        layer(weights=Path("digits:1"), **options)
