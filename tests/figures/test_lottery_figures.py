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


@pytest.mark.parametrize(("target", "size"), [((5, -3, -6, 7), 7), ((1, 2, -3, 3), 3)])
def test_the_drawn_ticket_adds_up_to_its_target(target, size, fits_a_page):
    table = lottery_ticket.data(target=target, max_value=size)
    first, kept_first = lottery_ticket._matrix(table, "A")
    second, kept_second = lottery_ticket._matrix(table, "B")
    effective = (second * kept_second) @ (np.maximum(first, 0) * kept_first)
    assert (effective.ravel() == target).all() and np.abs(second).max() == size
    assert (kept_first.sum(axis=1) <= 1).all()
    assert len(lottery_ticket.draw(table).axes) == 1
    fits_a_page(lottery_ticket, table)


def test_a_ticket_that_fits_no_page_is_said_to_be_none(monkeypatch):
    monkeypatch.setattr(lottery_ticket, "TRIES", 3)
    with pytest.raises(ValueError, match=r"none of 3 random networks has a ticket of at most 8 units"):
        lottery_ticket.data(units=8, samples=12)


def test_measured_success_agrees_with_the_laws(monkeypatch, fits_a_page):
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
    fits_a_page(lottery_success, table)


def test_products_fill_the_smaller_share_the_more_bits(fits_a_page):
    table = lottery_products.data()
    share = table["value"][table["panel"] == "share"]
    assert (np.diff(share) < 0).all() and share[0] == 1
    odd = (table["panel"] == "miss") & (table["series"] == "product") & (table["weight"] == 15)
    assert odd.sum() == 11
    assert (table["value"][odd] > 0.9 * 0.75 ** table["x"][odd]).all()
    assert len(lottery_products.draw(table).axes) == 3
    fits_a_page(lottery_products, table)


def test_every_construction_stays_above_the_counting_bound(monkeypatch, fits_a_page):
    monkeypatch.setattr(lottery_overparameterization, "TRIALS", {"quick": 800})
    table = lottery_overparameterization.data()
    bound = table["series"] == "counting bound"
    for panel in ("candidates", "parameters"):
        here = table["panel"] == panel
        least = dict(zip(table["bits"][here & bound], table["value"][here & bound], strict=True))
        for bits, value in zip(table["bits"][here & ~bound], table["value"][here & ~bound], strict=True):
            assert value > least.get(bits, bits if panel == "candidates" else 0)
    assert len(lottery_overparameterization.draw(table).axes) == 2
    fits_a_page(lottery_overparameterization, table)


def test_digits_tickets_are_identical_to_their_targets(fits_a_page):
    table = lottery_parameters.data(bits=(2, 4))
    assert set(table["identical"].tolist()) == {"450 of 450"}
    assert (table["kept"] < table["drawn"]).all()
    assert table["accuracy"][-1] == pytest.approx(
        435 / 450
    )  # of the 4-bit network, counted apart from the ticket
    assert len(lottery_parameters.draw(table).axes) == 1
    fits_a_page(lottery_parameters, table)
