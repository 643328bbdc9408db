"""Threads: results in order, and none started when one is asked for."""

import concurrent.futures
import itertools
import os
import threading

import numpy as np
import pytest

from sims.lottery import embed
from sims.path_following.pruning import optimal_brain_surgeon
from sims.subset_sum.algorithms import lists
from sims.subset_sum.rare import estimate_rare
from sims.support.threads import default_threads, in_order


def test_results_come_in_order_whatever_ends_first():
    second = threading.Event()

    def wait(item: int) -> int:
        if item == 0:
            assert second.wait(10)
        else:
            second.set()
        return item

    assert list(in_order(wait, range(5), threads=2)) == [0, 1, 2, 3, 4]


def test_items_are_taken_as_needed_and_dropped_when_the_caller_stops():
    taken = []

    def numbers():
        for i in itertools.count():
            taken.append(i)
            yield i

    results = in_order(lambda i: i, numbers(), threads=3)
    assert [next(results), next(results)] == [0, 1]
    results.close()
    assert len(taken) <= 3 * 2 + 1


def test_a_caller_who_stops_waits_for_what_is_under_way_and_nothing_else_begins(monkeypatch):
    gate, begun, ended = threading.Event(), [], []
    shutdown = concurrent.futures.ThreadPoolExecutor.shutdown

    def told(pool, wait):
        gate.set()
        shutdown(pool, wait)

    monkeypatch.setattr(concurrent.futures.ThreadPoolExecutor, "shutdown", told)

    def work(item: int) -> int:
        begun.append(item)
        assert item == 0 or gate.wait(60)
        ended.append(item)
        return item

    results = in_order(work, itertools.count(), threads=2)
    assert next(results) == 0
    results.close()
    assert gate.is_set() and sorted(begun) == sorted(ended) and len(begun) <= 3


def test_an_interruption_waits_for_nothing():
    gate, left = threading.Event(), []

    def work(item: int) -> None:
        if item == 0:
            raise KeyboardInterrupt
        gate.wait(60)
        left.append(item)

    try:
        with pytest.raises(KeyboardInterrupt):
            list(in_order(work, range(3), threads=2))
        assert not left
    finally:
        gate.set()


def test_large_items_begin_first_and_results_stay_in_order():
    begun, sizes = [], [1] * 40 + [30, 2, 50]
    gate = threading.Event()

    def work(item: int) -> int:
        begun.append(item)
        assert gate.wait(60)
        return item

    results = in_order(work, range(43), threads=2, sizes=sizes)
    threading.Timer(0.05, gate.set).start()
    assert list(results) == list(range(43))
    assert begun[:2] == [42, 40] and sorted(begun) == list(range(43)) and begun.index(41) > 30


def test_an_error_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda i: 1 // i, [1, 0], threads=2))


@pytest.mark.parametrize("value", ["0", "two", "-1"])
def test_a_wrong_number_of_threads_is_one_sentence(monkeypatch, value):
    monkeypatch.setenv("SNAPCUT_THREADS", value)
    with pytest.raises(ValueError, match="SNAPCUT_THREADS must be a positive integer"):
        default_threads()


@pytest.mark.parametrize(("cores", "threads"), [(5, 5), (None, 1)])
def test_where_no_system_says_which_cores_are_ours_all_are_or_one(monkeypatch, cores, threads):
    monkeypatch.delenv("SNAPCUT_THREADS", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert default_threads() == threads


def test_the_cores_are_those_of_this_process_and_of_no_other(monkeypatch):
    monkeypatch.delenv("SNAPCUT_THREADS", raising=False)
    cores = {0: {1, 4, 5}, os.getpid(): {1, 4, 5}}  # the system takes 0 for the caller
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: cores.get(process, set()), raising=False)
    assert default_threads() == 3


@pytest.mark.parametrize(
    ("named", "items", "pool"), [(1, 5, False), (2, 5, True), (None, 5, True), (2, 2, True), (2, 1, False)]
)
def test_the_number_that_is_named_stands_over_the_default(monkeypatch, named, items, pool):
    monkeypatch.setattr("sims.support.threads.default_threads", lambda: 3)
    used = set(in_order(lambda _: threading.get_ident(), range(items), threads=named))
    assert (used != {threading.get_ident()}) is pool


def _mask_solver():
    rng = np.random.default_rng(0)  # 20,000 weights: enough for the mask solver to spread them
    return embed([rng.integers(-3, 4, (200, 100))], 3, 14, seed=1)


@pytest.mark.parametrize(
    "work",
    [
        _mask_solver,
        lambda: lists(np.arange(3, 3 + 44), 200, counting=False),
        lambda: estimate_rare(6, 3, 1, seed=1, particles=50, replicates=4),
        lambda: optimal_brain_surgeon(np.ones((4, 3)), np.eye(3), 0.5, 0.0),
    ],
    ids=["masks", "lists", "splitting", "pruning"],
)
def test_one_thread_starts_no_other(monkeypatch, work):
    def submit(*args):
        raise AssertionError("a pool was used")

    monkeypatch.setenv("SNAPCUT_THREADS", "1")
    monkeypatch.setattr(concurrent.futures.ThreadPoolExecutor, "submit", submit)
    work()
