"""Rows in groups: all of them, in order, whatever their number and whoever computes them."""

import contextlib

import pytest

from sims.layer_bounds import rows


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("count", [0, 1, 8, 9, 16, 17, 24])
def test_every_row_comes_back_once_and_in_order(monkeypatch, count, processes):
    groups = []

    def run(function, calls, workers):
        assert workers == processes > 1
        for call in calls:
            groups.append(len(call[1]))
            yield function(*call)

    monkeypatch.setattr(rows.workers, "run", run)
    cells = [(i, 2) for i in range(count)]
    assert list(rows.over_rows(pow, cells, processes, "rows")) == [i**2 for i in range(count)]
    whole, rest = divmod(count, rows.GROUP)
    expected = [rows.GROUP] * whole + [rest] * bool(rest)
    assert groups == (expected if processes > 1 and len(expected) > 1 else [])


@pytest.mark.parametrize(("processes", "steps"), [(1, [1] * 17), (2, [8, 8, 1])])
def test_the_bar_moves_by_every_row_or_by_every_group(monkeypatch, processes, steps):
    found = []

    @contextlib.contextmanager
    def bar(total, label):
        assert (total, label) == (17, "rows")
        yield found.append

    monkeypatch.setattr(rows.progress, "bar", bar)
    monkeypatch.setattr(rows.workers, "run", lambda function, calls, _: (function(*call) for call in calls))
    assert len(list(rows.over_rows(pow, [(i, 2) for i in range(17)], processes, "rows"))) == 17
    assert found == steps
