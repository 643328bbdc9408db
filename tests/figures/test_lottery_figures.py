"""Figures of lottery tickets: their tables say what the captions claim, and they draw."""

import numpy as np
import pytest

from figures import (
    lottery_overparameterization,
    lottery_parameters,
    lottery_products,
    lottery_success,
    lottery_ticket,
)


def test_the_drawn_ticket_adds_up_to_its_target():
    table = lottery_ticket.data()
    first, kept_first = lottery_ticket._matrix(table, "A")
    second, kept_second = lottery_ticket._matrix(table, "B")
    effective = (second * kept_second) @ (np.maximum(first, 0) * kept_first)
    assert (effective == np.array(lottery_ticket.TARGET)).all()
    assert (kept_first.sum(axis=1) <= 1).all()
    assert len(lottery_ticket.draw(table).axes) == 1


def test_measured_success_agrees_with_the_laws(monkeypatch):
    monkeypatch.setattr(lottery_success, "TRIALS", {"quick": 4000})
    table = lottery_success.data(seed=1)
    measured = table["kind"] == "measured"
    for panel, series, n, low, high in zip(
        *(table[c][measured] for c in ("panel", "series", "n", "low", "high")), strict=True
    ):
        if panel == "network":
            law = (table["kind"] == "law") & (table["series"] == series) & (table["n"] == n)
            assert low - 0.08 <= table["value"][law][0] <= high + 0.08
    assert len(lottery_success.draw(table).axes) == 2


def test_products_fill_the_smaller_share_the_more_bits():
    table = lottery_products.data()
    share = table["value"][table["panel"] == "share"]
    assert (np.diff(share) < 0).all() and share[0] == 1
    odd = (table["panel"] == "miss") & (table["series"] == f"product {lottery_products.ODD}")
    assert (table["value"][odd] > 0.9 * 0.75 ** table["x"][odd]).all()
    assert len(lottery_products.draw(table).axes) == 3


def test_every_construction_stays_above_the_counting_bound(monkeypatch):
    monkeypatch.setattr(lottery_overparameterization, "TRIALS", {"quick": 800})
    table = lottery_overparameterization.data()
    bound = table["series"] == "counting bound"
    for panel in ("candidates", "parameters"):
        here = table["panel"] == panel
        least = dict(zip(table["bits"][here & bound], table["value"][here & bound], strict=True))
        for bits, value in zip(table["bits"][here & ~bound], table["value"][here & ~bound], strict=True):
            assert value > least.get(bits, bits if panel == "candidates" else 0)
    assert len(lottery_overparameterization.draw(table).axes) == 2


def test_digits_tickets_are_identical_to_their_targets(monkeypatch):
    monkeypatch.setattr(lottery_parameters, "BITS", {"quick": (2, 4)})
    table = lottery_parameters.data()
    assert set(table["identical"].tolist()) == {"450 of 450"}
    assert (table["kept"] < table["drawn"]).all()
    assert table["accuracy"][-1] == pytest.approx(
        435 / 450
    )  # of the 4-bit network, counted apart from the ticket
    assert len(lottery_parameters.draw(table).axes) == 1
