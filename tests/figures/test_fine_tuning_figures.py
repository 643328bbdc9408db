"""Figures of fine-tuning and representation: their tables say what the captions say, and they draw."""

import numpy as np

from figures import (
    fine_tuning_accuracy,
    fine_tuning_paper,
    fine_tuning_representation,
    fine_tuning_steps,
    representation_bias,
)

MODULES = (fine_tuning_accuracy, fine_tuning_steps, fine_tuning_representation)


def test_the_plain_estimator_follows_its_law_and_the_unbiased_one_the_truth(monkeypatch):
    monkeypatch.setattr(representation_bias, "TRIALS", {"quick": 25})
    table = representation_bias.data(samples=(16, 32))
    law, plain, unbiased = (table["estimator"] == name for name in ("law", "plain", "unbiased"))
    np.testing.assert_allclose(table["value"][plain], table["value"][law], atol=0.04)
    np.testing.assert_allclose(table["value"][unbiased], table["true"][unbiased], atol=0.06)
    assert len(representation_bias.draw(table).axes) == 2


def test_figures_of_the_finished_run_draw_and_say_what_their_captions_say():
    accuracy, steps, likeness = (module.data() for module in MODULES)
    for module, table in zip(MODULES, (accuracy, steps, likeness), strict=True):
        assert len({len(column) for column in table.values()}) == 1
        assert module.draw(table).axes

    def median(network, data, method, bits):
        rows = (accuracy["network"] == network) & (accuracy["data"] == data)
        rows &= (accuracy["method"] == method) & (accuracy["bits"] == bits)
        return float(accuracy["median"][rows][0])

    for network, data in (("dense", "digits"), ("dense", "mnist"), ("conv", "digits"), ("conv", "mnist")):
        for bits in (2, 1):
            assert median(network, data, "qat", bits) > median(network, data, "prune", bits)
            assert median(network, data, "prune", bits) > median(network, data, "magnitude", bits)
    law = steps["network"] == "law"
    np.testing.assert_allclose(steps["ratio"][law][:2], (1.0653, 1.0177), atol=1e-4)
    assert np.all(steps["ratio"][~law & (steps["bits"] <= 4)] > 1.05)
    change = likeness["after"] - likeness["before"]
    quantized, logits = likeness["kind"] == "quantized", likeness["layer"] == 3
    outputs = (likeness["measure"] == "outputs_snr") & logits
    assert np.all(change[outputs & ~quantized] > 0)
    assert change[outputs & quantized & (likeness["bits"] == 8)] < 0
    assert change[outputs & quantized & (likeness["bits"] == 2)] > 0
    assert np.all(change[(likeness["measure"] == "weights_snr") & quantized] < 0)


def test_the_papers_table_is_won_by_quantization_as_counted():
    table = fine_tuning_paper.data()
    paper = table["difference"][table["source"] == "paper"]
    assert (int((paper > 0).sum()), int((paper < 0).sum()), int((paper == 0).sum())) == (60, 2, 1)
    assert len(fine_tuning_paper.draw(table).axes) == 2
