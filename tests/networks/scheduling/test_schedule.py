import dataclasses
import json
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitket.errors import InvalidInput
from bitket.networks.scheduling import (
    METHODS,
    ConcreteProtocol,
    Demand,
    Miss,
    Operation,
    PeriodicTask,
    QuantumNetwork,
    Qubit,
    balanced,
    find_protocol,
    place,
    plan,
    random_demands,
    schedule,
    schedule_demands,
    timetable,
)

NON_PREEMPTIVE = [m for m in METHODS if not m.endswith(("-pb", "-pbs"))]


def opaque(name, cost, period, nodes="ab"):
    """A task that makes one link between two nodes."""
    qubits = tuple(Qubit(node, "C", 0) for node in nodes)
    link = Operation("link", tuple(nodes), 0, cost, qubits, (), (), 0.9)
    protocol = ConcreteProtocol((link,), dict.fromkeys(qubits, ((0, cost),)), cost, (cost,) * 3, (0,) * 3)
    return PeriodicTask(name, protocol, period)


@cache
def pool():
    """Protocols of many shapes with their networks: up to five hops, with and without distillation, two kinds of links."""
    found = []
    for preset, fidelity, pairs in [
        ("line", 0.55, ("01", "02", "13", "24", "35", "03", "14")),
        ("line", 0.75, ("02", "13", "35", "14")),
        ("line", 0.85, ("01", "02", "24")),
        ("h", 0.6, ("05", "02", "35", "23")),
        ("star", 0.7, ("01", "02", "12")),
    ]:
        network = QuantumNetwork.preset(preset)
        for a, b in pairs:
            found.append((preset, place(find_protocol(network, network.path(a, b), fidelity, 0.2), network)))
    return found


@st.composite
def cases(draw):
    preset = draw(st.sampled_from(["line", "h", "star"]))
    mine = [protocol for name, protocol in pool() if name == preset]
    tasks = []
    for k in range(draw(st.integers(1, 7))):
        protocol = mine[draw(st.integers(0, len(mine) - 1))]
        least = next(p for p in (16, 32, 64, 128, 256) if p >= protocol.latency)
        period = draw(st.sampled_from([p for p in (16, 24, 32, 48, 64, 96, 128, 192) if p >= least] or [least]))
        tasks.append(PeriodicTask(f"t{k}", protocol, period))
    tasks = balanced(QuantumNetwork.preset(preset), tasks)
    method = draw(st.sampled_from(METHODS))
    budget = 0.0 if method in NON_PREEMPTIVE else draw(st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.5, 1.0]))
    return tasks, method, budget


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_every_schedule_passes_the_checker(case):
    tasks, method, budget = case
    made = schedule(tasks, method, budget=budget)
    made.check()
    assert all(run.suspended <= round(budget / 0.01) for run in made.instances)
    assert len(made.accepted) + len(made.rejected) == len(tasks)
    assert made.accepted  # the first always fits


@settings(max_examples=150, deadline=None)
@given(cases())
def test_budget_zero_is_the_non_preemptive_schedule(case):
    tasks, _, _ = case
    for method, plain in [("pts-pb", "pts-np-edf"), ("rcpsp-pb", "rcpsp-np-edf"), ("rcpsp-pbs", "rcpsp-np-fpr")]:
        one, other = schedule(tasks, method, budget=0.0), schedule(tasks, plain)
        assert one.instances == other.instances
        assert [t.name for t in one.accepted] == [t.name for t in other.accepted]


def test_budgets_are_used_and_kept():
    """Long protocols with points among short ones: suspension must happen somewhere."""
    network, used = QuantumNetwork.preset("line"), dict.fromkeys(("pts-pb", "rcpsp-pb", "rcpsp-pbs"), 0)
    for seed in range(6):
        tasks, _ = plan(network, random_demands(network, 15, 0.6, np.random.default_rng(seed)))
        for method in used:
            made = schedule(tasks, method, budget=0.5)
            made.check()
            used[method] += sum(run.suspended > 0 for run in made.instances)
    assert all(used.values()), used


# -- defects ------------------------------------------------------------------------------------------------------------
@cache
def sound():
    network = QuantumNetwork.preset("line")
    demands = [
        Demand("0", "2", 0.85, 0.390625),
        Demand("1", "3", 0.55, 0.78125),
        Demand("2", "4", 0.75, 0.78125),
        Demand("0", "1", 0.85, 1.5625),
    ]
    made = schedule(plan(network, demands)[0], "rcpsp-np-edf")
    made.check()
    assert len(made.accepted) == 4
    return made


def swapped_in(made, number, **changes):
    runs = list(made.instances)
    runs[number] = dataclasses.replace(runs[number], **changes)
    return dataclasses.replace(made, instances=tuple(runs))


def of_task(made, task, index=0):
    return next(k for k, run in enumerate(made.instances) if (run.task, run.index) == (task, index))


def late(made):
    k = of_task(made, 3)
    cost = made.accepted[3].cost
    return swapped_in(made, k, pieces=((0, cost, made.instances[k].deadline - cost + 1),))


def early(made):
    k = of_task(made, 3, 1)
    return swapped_in(made, k, pieces=((0, made.accepted[3].cost, made.instances[k].release - 1),))


def overlap(made):
    """Two instances of different tasks on a common communication qubit at one time."""
    a = made.instances[of_task(made, 0)]
    return swapped_in(made, of_task(made, 3), pieces=((0, made.accepted[3].cost, a.start),))


def locked_qubit_used(made):
    """A task on the storage qubit in which another waits, at a time when that one's communication qubit is idle."""
    run = made.instances[of_task(made, 0)]
    task = made.accepted[0]
    working = {(q, t) for o in task.protocol.operations for q in o.qubits for t in range(o.start, o.end)}
    qubit, slot = next(
        (q, t)
        for q, spans in sorted(task.protocol.intervals.items())
        for a, b in spans
        for t in range(a, b)
        if (q, t) not in working
    )
    mates = tuple(Qubit(node, "C", 7) for node in (qubit.node, "x"))
    link = Operation("link", (qubit.node, "x"), 0, 1, (*mates, qubit), (), (), 0.9)
    intruder = PeriodicTask(
        "intruder",
        ConcreteProtocol((link,), dict.fromkeys(link.qubits, ((0, 1),)), 1, (1,) * 3, (0,) * 3),
        made.hyperperiod,
    )
    new = dataclasses.replace(run, task=len(made.accepted), index=0, release=0, deadline=made.hyperperiod)
    new = dataclasses.replace(new, pieces=((0, 1, run.start + slot),))
    return dataclasses.replace(made, accepted=(*made.accepted, intruder), instances=(*made.instances, new))


def suspended(made, point=None, wait=1):
    k = of_task(made, 0)
    run, cost = made.instances[k], made.accepted[0].cost
    t = made.accepted[0].protocol.points[0] if point is None else point
    return swapped_in(made, k, pieces=((0, t, run.start), (t, cost, run.start + t + wait)))


def interrupted(made):
    return dataclasses.replace(suspended(made, point=3), budget=100)


def shortened(made):
    k = of_task(made, 1)
    run = made.instances[k]
    return swapped_in(made, k, pieces=((0, made.accepted[1].cost - 1, run.start),))


def missing(made):
    return dataclasses.replace(made, instances=made.instances[:-1])


def twice(made):
    return dataclasses.replace(made, instances=(*made.instances, made.instances[0]))


def child_first(made):
    task = made.accepted[1]
    operations = list(task.protocol.operations)
    swap = operations[-1]
    operations[-1] = dataclasses.replace(swap, start=swap.start - 3, end=swap.end - 3)
    operations[0] = dataclasses.replace(operations[0], start=operations[0].start + 4, end=operations[0].end + 4)
    protocol = dataclasses.replace(task.protocol, operations=tuple(operations))
    accepted = (made.accepted[0], dataclasses.replace(task, protocol=protocol), *made.accepted[2:])
    return dataclasses.replace(made, accepted=accepted)


def moved_deadline(made):
    k = of_task(made, 3)
    return swapped_in(made, k, deadline=made.instances[k].deadline + 5)


@pytest.mark.parametrize(
    ("defect", "message"),
    [
        (late, "it is late"),
        (early, "before its release"),
        (overlap, "is also taken by"),
        (locked_qubit_used, r"\(link\) is also taken by task 'demand 0'|\(held\) is also taken by task 'intruder'"),
        (suspended, "suspended for 1 slots, above the budget of 0"),
        (interrupted, "is interrupted"),
        (shortened, "wrong length"),
        (missing, "instances are there"),
        (twice, "it is there twice"),
        (child_first, "starts before its inputs are there"),
        (moved_deadline, "against its period"),
        (lambda made: dataclasses.replace(made, method="pts-np-edf"), "of the one processor"),
    ],
)
def test_planted_defects_are_found(defect, message):
    with pytest.raises(InvalidInput, match=message):
        defect(sound()).check()


# -- metrics ------------------------------------------------------------------------------------------------------------
def test_metrics_of_one_task_worked_out():
    """Cost 3, period 10: every instance starts at its release."""
    made = schedule([opaque("a", 3, 10)], "pts-np-edf")
    assert [run.pieces for run in made.instances] == [((0, 3, 0),)]
    assert made.metrics() == {
        "throughput": pytest.approx(10.0),
        "wcrt": pytest.approx(0.03),
        "jitter": 0.0,
        "accepted": 1.0,
        "rejected": 0.0,
    }


def test_metrics_of_two_tasks_worked_out():
    """A: cost 2, period 4; B: cost 1, period 8. A runs at 0 and at 4, B at 2: three pairs in 8 slots of 10 ms."""
    made = schedule([opaque("a", 2, 4), opaque("b", 1, 8)], "pts-np-edf")
    assert [(run.task, run.start) for run in made.instances] == [(0, 0), (1, 2), (0, 4)]
    assert made.metrics()["throughput"] == pytest.approx(37.5)
    assert made.metrics()["wcrt"] == pytest.approx(0.03)
    assert made.metrics()["jitter"] == 0.0


def test_metrics_of_three_tasks_worked_out():
    """A: cost 2, period 6; B: cost 4, period 12; C: cost 5, period 24. A runs 0-2, B 2-6, A 6-8, C 8-13, A 13-15, B 15-19, A 19-21.
    The starts of A are off by 0, 1, 0 slots (variance 2/9), those of B by 1 (variance 0); C answers after 13 slots."""
    made = schedule([opaque("a", 2, 6), opaque("b", 4, 12), opaque("c", 5, 24)], "pts-np-edf")
    assert [(run.task, run.start) for run in made.instances] == [
        (0, 0),
        (1, 2),
        (0, 6),
        (2, 8),
        (0, 13),
        (1, 15),
        (0, 19),
    ]
    assert made.metrics()["jitter"] == pytest.approx(2 / 9 * 1e-4)
    assert made.metrics()["wcrt"] == pytest.approx(0.13)
    assert made.metrics()["throughput"] == pytest.approx(7 / 0.24)


# -- schedulers ---------------------------------------------------------------------------------------------------------
def test_critical_edf_idles_where_edf_fails():
    """At slot 3 only B is there; started then, it would end at 9, too late for A's second instance, due at 8."""
    tasks = [opaque("a", 1, 4), opaque("b", 6, 24), opaque("c", 2, 12)]
    plain, critical = timetable(tasks, "pts-np-edf"), timetable(tasks, "pts-cedf")
    assert isinstance(plain, Miss)
    assert str(plain) == "instance 1 of 'a' would end at slot 10, after its deadline, slot 8"
    critical.check()
    assert [(run.task, run.start) for run in critical.instances][:5] == [(0, 0), (2, 1), (0, 4), (1, 5), (0, 11)]


def test_side_by_side_only_as_a_project():
    tasks = [opaque("a", 6, 10, "ab"), opaque("b", 6, 10, "cd")]
    assert [t.name for t in schedule(tasks, "rcpsp-np-edf").accepted] == ["a", "b"]
    alone = schedule(tasks, "pts-np-edf")
    assert [t.name for t in alone.accepted] == ["a"]
    assert alone.rejected[0].reason == "the network would be busy 1.20 of the time"


def test_own_intervals_allow_more_than_whole_protocols():
    """Both need qubit x only for half of their time, at different ends."""

    def half(name, first, other):
        spans = {Qubit("x", "C", 0): ((0, 4),) if first else ((4, 8),), Qubit(other, "C", 0): ((0, 8),)}
        link = Operation("link", ("x", other), 0, 8, tuple(spans), (), (), 0.9)
        return PeriodicTask(name, ConcreteProtocol((link,), spans, 8, (8,) * 3, (0,) * 3), 8)

    tasks = [half("a", True, "y"), half("b", False, "z")]
    assert not isinstance(timetable(tasks, "rcpsp-np-edf"), Miss)
    assert isinstance(timetable(tasks, "rcpsp-np-fpr"), Miss)


def test_one_bad_demand_does_not_fail_the_others():
    network = QuantumNetwork.preset("line")
    demands = [
        Demand("0", "1", 0.85, 1.0),
        Demand("0", "5", 0.95, 1.0),
        Demand("2", "3", 0.85, 200.0),
        Demand("0", "2", 0.85, 1.4),
        Demand("4", "5", 0.8, 3.0),
    ]
    made = schedule_demands(network, demands)
    made.check()
    assert [t.demand for t in made.accepted] == [demands[0], demands[4]]
    reasons = {r.name: r.reason for r in made.rejected}
    assert "reaches fidelity 0.95" in reasons["demand 1"]
    assert "at most one pair a slot" in reasons["demand 2"]
    assert "would be needed" in reasons["demand 3"] or "deadline" in reasons["demand 3"]
    for task in made.accepted:  # a user gets at least what he asked for
        assert task.period * 0.01 <= 1 / task.demand.rate + 1e-12


def test_the_order_of_admission_counts_and_the_groups_keep_their_own_hyperperiods():
    tasks = [opaque("a", 2, 6, "ab"), opaque("b", 3, 7, "cd"), opaque("c", 1, 9, "cd")]
    made = schedule(tasks)
    made.check()
    assert made.hyperperiod == 126
    assert made.metrics()["throughput"] == pytest.approx((21 + 18 + 14) / 1.26)


# -- the rest of the interface ------------------------------------------------------------------------------------------
def test_operations_can_be_executed():
    made = sound()
    for k, o in enumerate(made.operations):
        assert all(i < k and made.operations[i].end_slot <= o.start_slot for i in o.inputs)
        assert all(
            made.operations[i].demand == o.demand and made.operations[i].instance == o.instance for i in o.inputs
        )
        assert o.kind in ("link", "swap", "distil")
    last = [o for o in made.operations if not o.locks]
    assert len(last) / (made.hyperperiod * made.slot) == pytest.approx(made.metrics()["throughput"])
    assert sorted(o.start_slot for o in made.operations) == [o.start_slot for o in made.operations]


def test_json_and_figure():
    made = sound()
    document = json.loads(made.to_json())
    assert document["metrics"] == made.metrics()
    assert len(document["operations"]) == len(made.operations)
    assert sum(b - a for spans in document["qubits"].values() for a, b, *_ in spans) == sum(
        b - a for spans in made.occupation().values() for a, b, *_ in spans
    )
    axes = made.figure((0, 64)).axes[0]
    assert len(axes.get_yticklabels()) == len(made.occupation())
    with pytest.raises(InvalidInput, match="slots 5 to 5"):
        made.figure((5, 5))


def test_delivered_fidelities():
    made = sound()
    kept = made.delivered_fidelities((np.inf, np.inf))
    for task in made.accepted:
        assert kept[task.name] == pytest.approx([task.protocol.fidelity] * (made.hyperperiod // task.period), abs=1e-12)
    short, long = made.delivered_fidelities((1.0, 0.5)), made.delivered_fidelities((10.0, 5.0))
    assert all(s < x < k for s, x, k in zip(short["demand 1"], long["demand 1"], kept["demand 1"], strict=True))
    # A swap of two links of 0.7473, the first of which waits for four slots: by hand.
    task = made.accepted[1]
    first, second, swap = task.protocol.operations
    wait = [(swap.end - o.end) * 0.01 for o in (first, second)]
    values = []
    for seconds in wait:
        x, z = (1 - np.exp(-seconds)) / 4, (1 - np.exp(-seconds / 0.5)) / 2 - (1 - np.exp(-seconds)) / 4
        none = (1 - 2 * x - z) ** 2 + 2 * x**2 + z**2
        values.append(0.7473 * none + 0.2527 * (1 - none) / 3)
    f, g = values
    assert short["demand 1"][0] == pytest.approx(f * g + (1 - f) * (1 - g) / 3, abs=1e-12)
    storage = {q: (1.0, 1.0) for q in made.occupation() if q.kind == "S"}
    assert made.delivered_fidelities(storage)["demand 1"][0] < kept["demand 1"][0]
    with pytest.raises(InvalidInput, match="T2 at most 2 T1"):
        made.delivered_fidelities((1.0, 3.0))


def test_what_is_refused_at_once():
    tasks = [opaque("a", 2, 6)]
    for call, message in [
        (lambda: schedule(tasks, "edf"), "method 'edf' is unknown; there are pts-np-edf"),
        (lambda: schedule(tasks, "pts-pb", budget=-1), "budget of -1 s"),
        (lambda: schedule(tasks, "pts-np-edf", budget=0.1), "never suspends"),
        (lambda: schedule(tasks, slot=0.0), "a slot of 0.0 s"),
        (lambda: schedule(tasks * 2), "two tasks are named 'a'"),
        (lambda: opaque("a", 2, 6.5), r"its period is 6\.5; a whole number"),
        (lambda: opaque("a", 2, 0), "its period is 0"),
        (lambda: timetable([opaque("a", 2, 10_000_001)]), "repeat after 10000001 slots"),
        (lambda: timetable([opaque("a", 2, 9973), opaque("b", 2, 9967)]), "repeat after 99400891 slots"),
        (
            lambda: schedule_demands(QuantumNetwork.preset("star"), [Demand("0", "x", 0.6, 1.0)]),
            "demand 0: there is no node 'x'",
        ),
    ]:
        with pytest.raises(InvalidInput, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)
    made = schedule([opaque("a", 2, 9973), opaque("b", 2, 9967), opaque("c", 2, 9973), opaque("d", 2, 10_000_001)])
    assert [r.name for r in made.rejected] == ["b", "d"]
    assert all("repeat after" in r.reason for r in made.rejected)
    assert schedule([]).metrics()["throughput"] == 0.0


def test_a_refused_demand_names_what_is_possible():
    """Whoever asks for what is named gets it."""
    network = QuantumNetwork.preset("line")
    asked = [
        Demand("0", "2", 0.9, 1),
        Demand("0", "2", 0.75, 6.25),
        Demand("0", "3", 0.85, 3),
        Demand("1", "2", 0.94, 5),
    ]
    made = schedule_demands(network, [*asked, Demand("0", "1", 0.999, 1), Demand("0", "2", 0.7, 200)])
    assert len(made.rejected) == 6
    *refused, never, fast = made.rejected
    for demand, rejection in zip(asked, refused, strict=True):
        assert demand.fidelity > rejection.best_fidelity > 0.5
        assert demand.rate > rejection.best_rate > 0
        fidelity, rate = (
            float(x) for x in re.search(r"possible: fidelity ([\d.]+) at .* or ([\d.]+) Hz", str(rejection)).groups()
        )
        for other in (replace(demand, fidelity=fidelity), replace(demand, rate=rate)):
            assert not schedule_demands(network, [other]).rejected
    assert 0.9 < never.best_fidelity < 0.999
    assert never.best_rate is None
    assert fast.best_fidelity is None
    assert 1 < fast.best_rate < 100


@pytest.mark.parametrize("method", ["rcpsp-np-edf", "pts-np-edf"])
def test_a_demand_refused_beside_others_names_what_fits_beside_them(method):
    network = QuantumNetwork.preset("line")
    first, second = Demand("0", "2", 0.7, 3.125), Demand("0", "2", 0.75, 6.25 / 2)
    made = schedule_demands(network, [first, first, second], method)
    (rejection,) = made.rejected
    assert "no protocol" not in rejection.reason
    assert rejection.best_rate == pytest.approx(
        second.rate / 2 ** round(np.log2(second.rate / rejection.best_rate)), rel=0.1
    )
    slower = schedule_demands(network, [first, first, replace(second, rate=rejection.best_rate)], method)
    assert not slower.rejected
    if rejection.best_fidelity is not None:
        other = replace(second, fidelity=rejection.best_fidelity)
        assert not schedule_demands(network, [first, first, other], method).rejected
    assert json.loads(made.to_json())["rejected"][0]["best_rate"] == rejection.best_rate
