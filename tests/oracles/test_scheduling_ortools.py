"""Small task sets beside OR-tools' CP-SAT, which decides exactly whether a non-preemptive schedule exists, and beside exact conditions."""

import numpy as np
import pytest

from bitket.networks.scheduling import ConcreteProtocol, Miss, Operation, PeriodicTask, Qubit, hyperperiod, timetable

cp_model = pytest.importorskip("ortools.sat.python.cp_model")


def task(name, cost, period, spans):
    """A protocol of one long operation whose qubits are needed in given intervals only."""
    link = Operation("link", ("a", "b"), 0, cost, tuple(spans), (), (), 0.9)
    return PeriodicTask(name, ConcreteProtocol((link,), spans, cost, (cost,) * 3, (0,) * 3), period)


def random_tasks(rng):
    """Two to five tasks on up to three qubits; utilisation around 0.8 of the busiest."""
    tasks = []
    for k in range(int(rng.integers(2, 6))):
        period = int(rng.choice([4, 6, 8, 12, 24]))
        cost = int(rng.integers(1, max(2, round(0.6 * period)) + 1))
        spans = {}
        for q in rng.choice(3, size=int(rng.integers(1, 3)), replace=False).tolist():
            cuts = np.sort(
                rng.choice(cost + 1, size=min(cost + 1, 2 * int(rng.integers(1, 3))), replace=False)
            ).tolist()
            spans[Qubit("n", "C", q)] = tuple(zip(cuts[::2], cuts[1::2], strict=False))
        spans = {q: s for q, s in spans.items() if s} or {Qubit("n", "C", 0): ((0, cost),)}
        tasks.append(task(f"t{k}", cost, period, spans))
    return tasks


def exact(tasks, one_processor=False):
    """Whether all instances can be placed without suspension; exact."""
    model, users, horizon = cp_model.CpModel(), {}, hyperperiod(t.period for t in tasks)
    for t in tasks:
        for i in range(horizon // t.period):
            low, high = i * t.period, (i + 1) * t.period - t.cost
            if high < low:
                return False
            start = model.new_int_var(low, high, "")
            spans = {None: ((0, t.cost),)} if one_processor else t.protocol.intervals
            for qubit, pieces in spans.items():
                for a, b in pieces:
                    users.setdefault(qubit, []).append(model.new_fixed_size_interval_var(start + a, b - a, ""))
    for intervals in users.values():
        model.add_no_overlap(intervals)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = 20
    status = solver.solve(model)
    assert status in (cp_model.OPTIMAL, cp_model.FEASIBLE, cp_model.INFEASIBLE)
    return status != cp_model.INFEASIBLE


def test_nothing_infeasible_is_scheduled_and_most_of_the_feasible_is(capsys):
    rng = np.random.default_rng(7)
    accepted = dict.fromkeys(("rcpsp-np-edf", "rcpsp-np-fpr", "pts-np-edf", "pts-cedf"), 0)
    feasible = {False: 0, True: 0}
    for _ in range(200):
        tasks = random_tasks(rng)
        possible = {one: exact(tasks, one) for one in (False, True)}
        for one, yes in possible.items():
            feasible[one] += yes
        for method in accepted:
            made = timetable(tasks, method)
            if not isinstance(made, Miss):
                assert possible[method.startswith("pts")], (method, tasks)
                accepted[method] += 1
    with capsys.disabled():
        for method, count in accepted.items():
            of = feasible[method.startswith("pts")]
            print(f"\n{method}: {count} of {of} task sets that CP-SAT schedules ({count / of:.3f})", end="")
    assert 50 < feasible[True] < feasible[False] < 195  # the cases are neither all easy nor all hopeless
    assert accepted["rcpsp-np-edf"] >= accepted["rcpsp-np-fpr"]


def jeffay(tasks):
    """Non-preemptive EDF meets all deadlines, whatever the releases, iff utilisation is at most 1 and for each task i (by period) and every
    L between the shortest period and its own: L >= c_i + sum over j < i of floor((L - 1) / p_j) c_j (Jeffay, Stanat and Martel 1991)."""
    tasks = sorted(tasks, key=lambda t: t.period)
    if sum(t.cost / t.period for t in tasks) > 1 + 1e-12:
        return False
    for i, t in enumerate(tasks):
        for length in range(tasks[0].period + 1, t.period):
            if length < t.cost + sum((length - 1) // s.period * s.cost for s in tasks[:i]):
                return False
    return True


def test_edf_never_misses_what_jeffay_guarantees():
    rng, guaranteed = np.random.default_rng(11), 0
    for _ in range(3000):
        tasks = []
        for k in range(int(rng.integers(2, 6))):
            period = int(rng.choice([5, 6, 8, 10, 12, 15, 20, 24, 30]))
            cost = int(rng.integers(1, max(2, period // 2)))
            tasks.append(task(f"t{k}", cost, period, {Qubit("n", "C", 0): ((0, cost),)}))
        if jeffay(tasks):
            guaranteed += 1
            made = timetable(tasks, "pts-np-edf")
            assert not isinstance(made, Miss), (made, tasks)
            assert not isinstance(timetable(tasks, "pts-cedf"), Miss)
    assert guaranteed > 150
