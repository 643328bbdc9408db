"""`snapcut tune`, and the ticket of what it made."""

import json

import pytest

from sims.fine_tuning import available


@pytest.mark.skipif(not available(), reason="the train extra is not installed")
def test_fine_tuning_a_network_and_its_ticket(here, tmp_path):
    options = ("--seeds", 2, "--pretraining", 3, "--epochs", 2, "--grid", "symmetric", "--processes", 1)
    done = here("tune", "--bits", "2", *options, "--out", tmp_path / "out", "--json", "-")
    assert done.returncode == 0, done.stderr
    (line,) = json.loads(done.stdout)["table"]
    assert {"bits", "sparsity", "original", "qat", "prune", "qat - prune", "p", "seeds won"} == set(line)
    network = tmp_path / "out" / "networks" / "dense-digits-qat-2.npz"
    ticket = here("ticket", "--network", network, "--data", "digits", "--bits", "2", "--json", "-")
    (row,) = json.loads(ticket.stdout)["tickets"]
    assert row["ticket accuracy"] == row["quantized accuracy"] == row["float accuracy"] > 0.8
    again = here("tune", "--bits", "2", *options, "--out", tmp_path / "out")
    assert again.returncode == 2 and "holds 2 finished cells" in again.stderr


@pytest.mark.skipif(not available(), reason="the train extra is not installed")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seeds", "1"), "seeds must be at least 2 for the paired test, got 1"),
        (("--data", "cifar"), "data must be one of digits, mnist or a .npz file, got 'cifar'"),
        (("--method", "qat,none"), "method must be one of qat, ste, prune"),
        (("--bits", "17"), "bits must be an integer from 1 to 15, got 17"),
        (("--resume",), "--resume needs --out"),
    ],
)
def test_fine_tuning_that_cannot_be_is_one_sentence(here, options, message):
    done = here("tune", *options)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
