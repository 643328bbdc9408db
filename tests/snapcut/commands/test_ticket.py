"""What `snapcut ticket` takes, prints and refuses; its rows are tested with `sims.lottery.real`."""

import json

import numpy as np
import pytest

from snapcut.commands.ticket import ticket


def test_layers_at_several_widths_in_one_table(tmp_path, capsys):
    np.savez(tmp_path / "net.npz", w=np.random.default_rng(0).normal(size=(20, 13)))
    ticket(network=str(tmp_path / "net.npz"), layers=True, bits="2-3", json=tmp_path / "rows.json")
    head, *lines = capsys.readouterr().out.splitlines()
    rows = json.loads((tmp_path / "rows.json").read_text())["layers"]
    assert [(row["tensor"], row["bits"]) for row in rows] == [("w", 2), ("all", 2), ("w", 3), ("all", 3)]
    for line in lines:  # the last row has the columns of the others
        assert line.split()[head.split().index("bits") :][0] in ("2", "3")
        assert line.split()[-2] == "True"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": "t.safetensors"}, "--out belongs to the ticket of a whole network"),
        ({"data": "digits"}, "--data belongs to"),
        ({"construction": "depth_plus_one"}, "--construction belongs to"),
        ({"samples": 0}, "samples must be an integer from 1"),
        ({"bits": "1"}, "use at least 2 bits"),
    ],
)
def test_what_layers_do_not_have_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ticket(layers=True, **options)
