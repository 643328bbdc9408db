"""Exact cuts against every set of columns that fills the quotas."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sims.kernels import layer_bounds_pruning as kernels
from sims.kernels.layer_bounds_fits import fit_in_box

seeds = st.integers(0, 2**32)


def positive(seed, n):
    x = np.random.default_rng(seed).standard_normal((n + 2, n)) @ (np.eye(n) + 0.4)
    return x.T @ x


@st.composite
def quotas(draw, n):
    """Groups 0, 1 and -1 (never cut), and how many of 0 and 1 to cut: at least one."""
    others = draw(st.lists(st.sampled_from([0, 0, 1, -1]), min_size=n - 1, max_size=n - 1))
    group = np.array([*others, 0])
    first = draw(st.integers(1, int(np.sum(group == 0))))
    return group, np.array([first, draw(st.integers(0, int(np.sum(group == 1))))])


def sets(group, quota):
    for first in itertools.combinations(np.flatnonzero(group == 0), quota[0]):
        for second in itertools.combinations(np.flatnonzero(group == 1), quota[1]):
            gone = np.zeros(len(group), bool)
            gone[[*first, *second]] = True
            yield gone


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), min_size=1, max_size=9), st.data())
def test_what_the_quotas_still_cost(pairs, data):
    values, group = (np.array(part) for part in zip(*pairs, strict=True))
    order = np.array(data.draw(st.permutations(range(len(pairs)))))
    first, count = sorted(data.draw(st.integers(0, len(pairs))) for _ in range(2))
    quota = np.array([data.draw(st.integers(0, 3)) for _ in range(2)])
    least = [sorted(values[i] for i in order[first:count] if group[i] == g)[: quota[g]] for g in (0, 1)]
    short = any(len(some) < need for some, need in zip(least, quota, strict=True))
    arguments = (values.astype(float), first, count, order, group, quota, np.empty(9))
    assert kernels._rest(*arguments) == (np.inf if short else sum(map(sum, least)))
    largest = max((some[-1] for some in least if some), default=0)
    assert kernels._largest_rest(*arguments) == (np.inf if short else largest)


@pytest.mark.parametrize("box", [(-np.inf, np.inf), (-0.5, 0.75), (-0.5, np.inf), (-np.inf, 0.25)])
@settings(max_examples=50)
@given(seed=seeds, n=st.integers(1, 6), data=st.data())
def test_the_best_cut_is_that_of_every_set(box, seed, n, data):
    G, w = positive(seed, n), np.random.default_rng(seed + 1).standard_normal(n)
    group, quota = data.draw(quotas(n))
    errors = {tuple(gone): fit_in_box(G, w, gone, *box, np.empty(n)) for gone in sets(group, quota)}
    least = min(errors.values())
    s = np.full(n, 0.9 * np.linalg.eigvalsh(G)[0])
    arguments = (G, np.linalg.inv(G), w, s, group, quota, *box, np.inf, 1e-9)
    best = np.zeros(n, bool)
    error, lower, nodes, ended = kernels.best_cut(*arguments, 10**6, best)
    assert ended and lower == error
    np.testing.assert_allclose([error, errors[tuple(best)]], least, rtol=1e-8, atol=1e-9)
    for limit in range(1, nodes, 1 + nodes // 8):
        best = np.zeros(n, bool)
        error, lower, spent, ended = kernels.best_cut(*arguments, limit, best)
        assert spent == limit and not ended
        assert lower <= least + 1e-8 and error >= least - 1e-8
        assert error == np.inf or abs(errors[tuple(best)] - error) <= 1e-8 * (1 + error)


@pytest.mark.parametrize("box", [(-0.5, np.inf), (-np.inf, 0.5), (-0.5, 0.5)])
def test_a_search_that_never_began_knows_what_the_box_costs_uncut(box):
    """Orthogonal columns, and weights of 3 and -3: the box alone takes 2.5^2 of each that it holds back."""
    w = np.array([3.0, -3.0, 0.1])
    outside = (box[1] < 3) + (box[0] > -3)
    group, quota, best = np.zeros(3, np.int64), np.array([1]), np.zeros(3, bool)
    arguments = (np.eye(3), np.eye(3), w, np.ones(3), group, quota, *box, np.inf, 0.0, 0, best)
    error, lower, nodes, ended = kernels.best_cut(*arguments)
    assert (error, nodes, ended) == (np.inf, 0, False)
    assert lower == pytest.approx(outside * 2.5**2 + 0.1**2, rel=1e-9)


def smallest_sums(own, group, quota):
    """[g, k, r]: the r smallest of the first k own numbers that are in group g, added up."""
    n = len(own)
    tail = np.full((2, n + 1, int(quota.max()) + 1), np.inf)
    for g, k in itertools.product(range(2), range(n + 1)):
        smallest = sorted(own[i] for i in range(k) if group[i] == g)
        for r in range(min(len(smallest), int(quota.max())) + 1):
            tail[g, k, r] = sum(smallest[:r])
    return tail


@settings(max_examples=80)
@given(seed=seeds, n=st.integers(1, 7), data=st.data())
def test_the_best_frozen_cut_is_that_of_every_set(seed, n, data):
    G, w = positive(seed, n), np.random.default_rng(seed + 1).standard_normal(n)
    group, quota = data.draw(quotas(n))
    errors = {tuple(gone): (w * gone) @ G @ (w * gone) for gone in sets(group, quota)}
    least = min(errors.values())
    s = np.full(n, 0.9 * np.linalg.eigvalsh(G)[0])
    V = np.linalg.cholesky(G - np.diag(s)).T
    own = s * w**2
    tail = smallest_sums(own, group, quota)
    u = np.triu(V / np.diag(V)[:, None], 1)
    arguments = (np.diag(V) ** 2, u, w, own, tail, group, quota, np.inf, 1e-9)
    best = np.zeros(n, bool)
    error, lower, nodes, ended = kernels.best_frozen_cut(*arguments, 10**6, best)
    assert ended and lower == error
    np.testing.assert_allclose([error, errors[tuple(best)]], least, rtol=1e-8, atol=1e-9)
    for limit in range(1, nodes, 1 + nodes // 8):
        best = np.zeros(n, bool)
        error, lower, spent, ended = kernels.best_frozen_cut(*arguments, limit, best)
        assert spent == limit and not ended
        assert lower <= least + 1e-8 and error >= least - 1e-8
        assert error == np.inf or abs(errors[tuple(best)] - error) <= 1e-8 * (1 + error)


@pytest.mark.parametrize(("n", "cut"), [(4, 2), (5, 3), (6, 2)])
def test_cuts_within_the_slack_above_the_best_are_looked_at(n, cut):
    """With slack for every set each beginning of one is a node; without any, no more than the first."""
    G, w = positive(n, n), np.random.default_rng(n).standard_normal(n)
    group, quota = np.zeros(n, np.int64), np.array([cut])
    every = list(itertools.combinations(range(n), cut))
    begun = {one[:k] for one in every for k in range(cut)}
    s = np.full(n, 0.5 * np.linalg.eigvalsh(G)[0])
    V = np.linalg.cholesky(G - np.diag(s)).T
    tail = smallest_sums(s * w**2, group, np.array([cut, 0]))[:1]
    frozen = (np.diag(V) ** 2, np.triu(V / np.diag(V)[:, None], 1), w, s * w**2, tail, group, quota)
    free = (G, np.linalg.inv(G), w, s, group, quota, -np.inf, np.inf)

    def nodes(search, given, slack):
        _, _, spent, ended = search(*given, 0.0, slack, 10**6, np.zeros(n, bool))
        assert ended
        return spent

    assert [nodes(kernels.best_cut, free, slack) for slack in (0.0, 1e6)] == [1, len(begun)]
    assert nodes(kernels.best_frozen_cut, frozen, 0.0) == 1
    assert nodes(kernels.best_frozen_cut, frozen, 1e6) > len(every)
    least = min((w[list(one)] @ G[np.ix_(one, one)] @ w[list(one)], one) for one in every)
    best = np.zeros(n, bool)
    error, *_ = kernels.best_frozen_cut(*frozen, np.inf, 1e6, 10**6, best)
    assert error == pytest.approx(least[0]) and tuple(np.flatnonzero(best)) == least[1]


@pytest.mark.parametrize("size", [0.5, 1.5])
def test_orthogonal_columns_are_judged_at_the_root(size):
    """Cuts cost w^2 each, which is all that the bound on the rest can say: beyond it nothing is begun."""
    w = size * np.array([1.2, -1.0, 1.1, 1.3])
    given = np.eye(4), np.eye(4), w, np.ones(4), np.zeros(4, np.int64), np.array([2]), -np.inf, np.inf
    least = w[1] ** 2 + w[2] ** 2
    error, lower, nodes, ended = kernels.best_cut(*given, 0.999 * least, 0.0, 10**6, np.zeros(4, bool))
    assert (error, lower, nodes, ended) == (0.999 * least, 0.999 * least, 1, True)
    best = np.zeros(4, bool)
    error, lower, _, ended = kernels.best_cut(*given, 1.001 * least, 0.0, 10**6, best)
    assert ended and error == lower == pytest.approx(least) and best.tolist() == [False, True, True, False]


def frontier(V, w, own, group, quota, limit):
    """Least of the best set and of what a depth-first search left open when it stopped, by recursion.

    A node decides the last levels. What it costs at least: |V e|^2 least over the errors of the others, own
    of what is cut, and the smallest own of others that fill the quotas.
    """
    n, nodes, best, left_open = len(w), 0, np.inf, []

    def decided(gone):
        first = n - len(gone)
        e = np.where(gone, -w[first:], 0.0)
        free, given = V[:, :first], V[:, first:] @ e
        rest = given + free @ np.linalg.lstsq(free, -given, rcond=None)[0] if first else given
        return rest @ rest + own[first:] @ gone

    def bound(gone):
        total = decided(gone)
        if any(cut and group[n - len(gone) + i] < 0 for i, cut in enumerate(gone)):
            return np.inf
        for g, wanted in enumerate(quota):
            cut = sum(gone[i] for i in range(len(gone)) if group[n - len(gone) + i] == g)
            others = sorted(own[i] for i in range(n - len(gone)) if group[i] == g)
            if cut > wanted or cut + len(others) < wanted:
                return np.inf
            total += sum(others[: wanted - cut])
        return total

    def stopped(gone):
        nonlocal nodes, best
        if nodes == limit:
            left_open.append(bound(gone))
            return True
        nodes += 1
        end = False
        for child in sorted(([False, *gone], [True, *gone]), key=decided):
            if end:
                left_open.append(bound(child))
            elif bound(child) <= best + 1e-9 and bound(child) < np.inf:
                if len(child) < n:
                    end = stopped(child)
                else:
                    best = min(best, bound(child))
        return end

    stopped([])
    return min([best, *left_open]), nodes


@pytest.mark.parametrize("seed", range(12))
def test_a_stopped_search_of_frozen_cuts_says_the_least_of_what_it_left_open(seed):
    """Two groups with quotas of one or two, after every number of nodes."""
    rng = np.random.default_rng(seed)
    n = 6
    G, w = positive(seed, n), rng.standard_normal(n)
    group, quota = rng.permutation([0, 0, 0, 1, 1, -1 if seed % 3 else 1]), np.array([1 + seed % 2, 1])
    s = np.full(n, 0.9 * np.linalg.eigvalsh(G)[0])
    V, own = np.linalg.cholesky(G - np.diag(s)).T, s * w**2
    tail = smallest_sums(own, group, quota)
    u = np.triu(V / np.diag(V)[:, None], 1)
    whole = frontier(V, w, own, group, quota, 10**6)[1]
    for limit in (*range(1, whole), 10**6):
        arguments = (np.diag(V) ** 2, u, w, own, tail, group, quota, np.inf, 1e-9, limit, np.zeros(n, bool))
        _, lower, nodes, ended = kernels.best_frozen_cut(*arguments)
        wanted, spent = frontier(V, w, own, group, quota, limit)
        assert (nodes, ended) == (spent, limit > whole) and lower == pytest.approx(wanted, rel=1e-7)


def refitted_frontier(G, w, s, group, quota, limit):
    """Least of the best set and of what the search of refitted cuts left open, by recursion.

    Below a node columns are cut in turn, the dearest first, each with those behind it. They cost at least
    the smallest s v^2 of what is to come, or as much as the dearest of the cheapest columns alone.
    """
    nodes, best, left_open = 0, np.inf, []

    def refit(gone):
        v, kept = np.zeros(len(w)), [i for i in range(len(w)) if i not in gone]
        v[kept] = np.linalg.solve(G[np.ix_(kept, kept)], (G @ w)[kept])
        return (v - w) @ G @ (v - w), v

    def bound(gone, behind):
        cost, v = refit(gone)
        total, most = 0.0, 0.0
        for g, wanted in enumerate(quota):
            need = wanted - sum(group[i] == g for i in gone)
            others = [i for i in behind if group[i] == g]
            if need > len(others):
                return np.inf
            if need:
                total += sum(sorted(s[i] * v[i] ** 2 for i in others)[:need])
                most = max(most, sorted(refit([*gone, i])[0] - cost for i in others)[need - 1])
        return cost + max(total, most)

    def stopped(gone, behind):
        nonlocal nodes, best
        behind = [i for i in behind if sum(group[j] == group[i] for j in gone) < quota[group[i]]]
        if nodes == limit:
            left_open.append(bound(gone, behind))
            return True
        nodes += 1
        behind.sort(key=lambda i: -refit([*gone, i])[0])
        while bound(gone, behind) <= best + 1e-9 and behind:
            i = behind.pop(0)
            error = refit([*gone, i])[0]
            if len(gone) + 1 == sum(quota):
                best = min(best, error)
            elif error <= best + 1e-9 and stopped([*gone, i], behind):
                left_open.append(bound(gone, behind))
                return True
        return False

    stopped([], [i for i in range(len(w)) if group[i] >= 0])
    return min([best, *left_open]), nodes


@pytest.mark.parametrize("seed", range(12))
def test_a_stopped_search_of_refitted_cuts_says_the_least_of_what_it_left_open(seed):
    """Two groups with quotas of one to three, after every number of nodes."""
    rng = np.random.default_rng(seed)
    G, w = positive(seed, 7), rng.standard_normal(7)
    if seed % 2:  # little feedback: the sum of what is to come is dearer than its dearest column
        G = np.eye(7) + 0.02 * G
    group = rng.permutation([0, 0, 0, 0, 1, 1, -1 if seed % 3 else 1])
    quota = np.array([1 + seed % 3, 1 + seed % 2])
    s = np.linalg.eigvalsh(G)[0] * rng.choice([0.1, 0.9], 7)
    whole = refitted_frontier(G, w, s, group, quota, 10**6)[1]
    for limit in (*range(1, whole), 10**6):
        arguments = (G, np.linalg.inv(G), w, s, group, quota, -np.inf, np.inf, np.inf, 1e-9, limit)
        _, lower, nodes, ended = kernels.best_cut(*arguments, np.zeros(7, bool))
        wanted, spent = refitted_frontier(G, w, s, group, quota, limit)
        assert (nodes, ended) == (spent, limit > whole) and lower == pytest.approx(wanted, rel=1e-7)


@pytest.mark.parametrize("left", [0.0, -1e-17])
def test_a_cost_that_rounding_took_away_counts_as_nothing(left):
    """Nothing is left of a place of the inverse: what its column costs is unknown, and G decides."""
    w, free = np.array([3.0, 0.5, 2.0]), np.zeros(3, np.int64)
    inverse, gone = np.diag([1.0, left, 1.0]), np.array([True, False, False])
    box = np.eye(3), inverse, w, np.zeros(3), free
    error, lower, _, ended = kernels.best_cut(*box, np.array([1]), -np.inf, np.inf, 9.0, 0.0, 100, gone)
    assert gone.tolist() == [False, True, False] and error == lower == 0.25 and ended
    gone = np.array([True, True, False])  # of two columns the last two cost least, 0.25 + 4
    _, lower, _, ended = kernels.best_cut(*box, np.array([2]), -np.inf, np.inf, 9.25, 0.0, 1, gone)
    assert lower <= 4.25 and not ended
