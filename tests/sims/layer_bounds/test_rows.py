import contextlib

import pytest

from sims.layer_bounds import rows


@pytest.fixture
def steps(monkeypatch):
    found = []

    @contextlib.contextmanager
    def bar(total, label):
        found.append((total, label))
        yield found.append

    monkeypatch.setattr(rows.progress, "bar", bar)
    return found


def test_one_process_advances_row_by_row(steps):
    assert list(rows.over_rows(divmod, [(7, 2), (9, 4), (1, 3)], 1, "dividing")) == [(3, 1), (2, 1), (0, 1)]
    assert steps == [(3, "dividing"), 1, 1, 1]


def test_several_processes_advance_group_by_group(steps):
    cells = [(n, 3) for n in range(2 * rows.GROUP + 1)]
    assert list(rows.over_rows(divmod, cells, 2, "dividing")) == [divmod(*cell) for cell in cells]
    assert steps == [(len(cells), "dividing"), rows.GROUP, rows.GROUP, 1]


def test_one_group_starts_no_process(steps, monkeypatch):
    monkeypatch.setattr(rows.workers, "run", None)
    assert list(rows.over_rows(divmod, [(7, 2)] * rows.GROUP, 4, "dividing")) == [(3, 1)] * rows.GROUP
