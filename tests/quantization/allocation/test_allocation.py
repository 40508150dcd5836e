import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.quantization.allocation import resnet18

from bitket.errors import InvalidInput
from bitket.quantization.allocation import (
    Allocation,
    Problem,
    Share,
    frontier,
    greedy,
    parse_limit,
    restricted_frontier,
    solve,
)
from bitket.quantization.allocation import pareto as pareto_module


@pytest.mark.parametrize(("cost", "share"), resnet18.PUBLISHED)
def test_the_published_configurations_of_resnet18(cost, share):
    found = solve(resnet18.problem(**{cost: Share(share)}))
    assert "".join(str(c) for c in found.choices.values()) == resnet18.PUBLISHED[cost, share]
    assert not found.violations()


def test_the_published_frontier_of_resnet18():
    found = frontier(resnet18.problem())
    assert len(found) == 29
    assert found.merged == 0
    assert found.cost[[0, -1]].tolist() == [5_578_752, 11_157_504]
    assert found.harm[0] == pytest.approx(1.307713128516, abs=1e-12)
    assert found.harm[-1] == pytest.approx(0.004257874283, abs=1e-12)
    for share in (0.75, 0.5, 0.25):
        limit = 5_578_752 * (1 + share)
        best = "".join(str(c) for c in found.at(limit).choices.values())
        assert best == resnet18.PUBLISHED["size", share]


def brute(problem, name):
    """All undominated (cost, harm) of a small problem."""
    clusters = problem.clusters()
    points = {
        (
            sum(c.costs[name][k] for c, k in zip(clusters, picks, strict=True)),
            sum(c.harm[k] for c, k in zip(clusters, picks, strict=True)),
        )
        for picks in itertools.product(*(range(len(c.choices)) for c in clusters))
    }
    best, kept = math.inf, []
    for cost, harm in sorted(points):
        if harm < best:
            best = harm
            kept.append((cost, harm))
    return kept


def drawn(rng, groups, widths=(2, 4, 8), whole=True):
    """A random problem: few different whole numbers, so that there are ties; some groups are tied together, some are fixed."""
    names = [f"g{k}" for k in range(groups)]
    draw = (lambda n: int(rng.integers(n))) if whole else (lambda n: float(rng.uniform(0, n)))
    equal = [tuple(rng.choice(names, 2, replace=False))] if groups > 2 and rng.random() < 0.5 else []
    fixed = {names[0]: int(rng.choice(widths))} if rng.random() < 0.3 and not equal else {}
    return Problem(
        harm={g: {b: draw(12) for b in widths} for g in names},
        costs={name: {g: {b: draw(9) for b in widths} for g in names} for name in ("size", "latency")},
        equal=equal,
        fixed=fixed,
    )


@pytest.mark.parametrize("whole", [True, False])
def test_the_frontier_is_that_of_brute_force(whole):
    rng = np.random.default_rng(3)
    for _ in range(100):
        problem = drawn(rng, int(rng.integers(1, 8)), whole=whole)
        found = frontier(problem)
        points = brute(problem, "size")
        np.testing.assert_allclose(found.cost, [p[0] for p in points], rtol=1e-12)
        np.testing.assert_allclose(found.harm, [p[1] for p in points], rtol=1e-12, atol=1e-12)
        for k in range(len(found)):
            chosen = found.allocation(k)
            assert chosen.costs["size"] == pytest.approx(found.cost[k], rel=1e-12)
            assert chosen.harm == pytest.approx(found.harm[k], rel=1e-12, abs=1e-12)
            assert not chosen.violations()


def test_the_integer_program_is_brute_force_with_two_limits():
    rng = np.random.default_rng(4)
    infeasible = 0
    for _ in range(60):
        free = drawn(rng, int(rng.integers(2, 9)))
        clusters = free.clusters()
        limits = {name: float(rng.uniform(*free.reach(name))) for name in ("size", "latency")}
        problem = Problem(free.harm, free.costs, limits, free.equal, free.fixed)
        best = math.inf
        for picks in itertools.product(*(range(len(c.choices)) for c in clusters)):
            pairs = list(zip(clusters, picks, strict=True))
            if all(sum(c.costs[n][k] for c, k in pairs) <= bound for n, bound in limits.items()):
                best = min(best, sum(c.harm[k] for c, k in pairs))
        if best == math.inf:
            infeasible += 1
            with pytest.raises(InvalidInput, match="cannot be met together; with the others kept, size can reach"):
                solve(problem)
        else:
            found = solve(problem)
            assert found.harm == best
            assert not found.violations()
    assert infeasible > 0


def test_solvers_agree_on_sixty_layers():
    rng = np.random.default_rng(5)
    names = [f"g{k}" for k in range(60)]
    sizes = rng.integers(1000, 2_000_000, 60)
    scales = 10 ** rng.uniform(-6, 0, 60)
    problem = Problem(
        {g: {b: scales[k] * 4.0**-b for b in (2, 4, 8)} for k, g in enumerate(names)},
        {"size": {g: {b: float(sizes[k] * b // 8) for b in (2, 4, 8)} for k, g in enumerate(names)}},
        {"size": Share(0.4)},
    )
    exact, program, quick = frontier(problem), solve(problem), greedy(problem)
    limit = problem.bounds()["size"]
    assert program.costs["size"] <= limit
    assert exact.at(limit).harm >= program.harm * (1 - 1e-9)
    assert exact.at(limit).harm <= program.harm * (1 + 1e-9) + exact.merged
    assert quick.costs["size"] <= limit
    assert quick.harm >= program.harm * (1 - 1e-9)


def test_merging_is_within_its_stated_loss(monkeypatch):
    rng = np.random.default_rng(6)
    problem = drawn(rng, 12, whole=False)
    exact = frontier(problem)
    monkeypatch.setattr(pareto_module, "_MOST", 20)
    rough = frontier(problem)
    assert len(rough) <= 20 < len(exact)
    assert rough.merged > 0
    assert rough.cost[0] == exact.cost[0]
    for k in range(len(exact)):
        assert rough.at(exact.cost[k]).harm <= exact.harm[k] + rough.merged + 1e-12


def test_the_restricted_frontier_is_brute_force_over_orders_and_never_better():
    rng = np.random.default_rng(7)
    for _ in range(60):
        n = int(rng.integers(1, 7))
        names = [f"g{k}" for k in range(n)]
        problem = Problem(
            {g: {b: float(rng.integers(1, 20)) for b in (2, 4, 8)} for g in names},
            {
                "size": {
                    g: {b: b * w for b in (2, 4, 8)} for g, w in zip(names, rng.integers(1, 5, n).tolist(), strict=True)
                }
            },
        )
        order = [names[k] for k in rng.permutation(n)]
        found = restricted_frontier(problem, {g: n - order.index(g) for g in names})
        points = []
        for bits in itertools.product((2, 4, 8), repeat=n):
            if all(a >= b for a, b in itertools.pairwise(bits)):
                given_bits = dict(zip(order, bits, strict=True))
                a = problem.allocation(given_bits)
                points.append((a.costs["size"], a.harm))
        best, kept = math.inf, []
        for cost, harm in sorted(points):
            if harm < best:
                best = harm
                kept.append((cost, harm))
        assert list(zip(found.cost.tolist(), found.harm.tolist(), strict=True)) == kept
        for k in range(len(found)):
            a = found.allocation(k)
            bits = [a.choices[g] for g in order]
            assert bits == sorted(bits, reverse=True)
            assert (a.costs["size"], a.harm) == kept[k]
        exact = frontier(problem)
        assert found.gap(exact) >= 0
        assert exact.gap(exact) == 0


def test_the_restricted_frontier_with_shared_and_fixed_groups():
    problem = resnet18.problem()
    traces = dict(zip(resnet18.NAMES, resnet18.TRACES, strict=True))
    found, exact = restricted_frontier(problem, traces), frontier(problem)
    assert len(found) == 17  # two widths: every cut of the order of 16 clusters
    assert found.gap(exact) > 0
    fixed = Problem(problem.harm, problem.costs, {}, problem.equal, {"conv00": 8, "conv18": 8})
    held = restricted_frontier(fixed, traces)
    assert {a.choices["conv18"] for a in map(held.allocation, range(len(held)))} == {8}
    assert held.harm[0] >= exact.at(float(held.cost[0])).harm


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_greedy_way_keeps_all_limits_and_never_beats_the_program(seed):
    rng = np.random.default_rng(seed)
    free = drawn(rng, 6)
    problem = Problem(free.harm, free.costs, {"size": Share(float(rng.random()))}, free.equal, free.fixed)
    try:
        found = greedy(problem)
    except InvalidInput:
        return  # it says so where it ends above a limit
    assert not found.violations()
    assert found.harm >= solve(problem).harm


def test_an_impossible_limit_names_the_smallest_that_can_be_reached():
    problem = resnet18.problem(size="5 MB")
    for solver in (solve, greedy, frontier):
        with pytest.raises(
            InvalidInput, match="size: 5000000 cannot be met; the smallest that can be reached is 5578752"
        ):
            solver(problem)
    with pytest.raises(InvalidInput, match="5578752"):
        frontier(resnet18.problem()).at(5e6)
    cut = frontier(resnet18.problem(size="6 MB"))
    assert cut.cost[-1] <= 6e6


def test_an_allocation_prints_saves_and_is_edited(tmp_path):
    problem = resnet18.problem(size="8 MB")
    found = solve(problem)
    text = str(found)
    assert text.splitlines()[0].split()[:3] == ["group", "choice", "harm"]
    assert "sum (integer program)" in text
    assert len(text.splitlines()) == 21
    found.save(tmp_path / "a.json")
    assert Allocation.load(tmp_path / "a.json", problem) == found
    edited = found.edited({"conv18": 8, "conv04": 4})
    assert edited.costs["size"] == found.costs["size"] + resnet18.WEIGHTS[18] / 2 - resnet18.WEIGHTS[4] / 2
    assert edited.harm > found.harm - 1e-9 - problem.harm["conv18"][4]
    assert edited.violations() == [
        f"size is {edited.costs['size']:.6g}, its limit 8e+06",
        "conv04, conv06 differ",
    ]
    with pytest.raises(InvalidInput, match="group 'conv18' has no choice 3"):
        found.edited({"conv18": 3})
    for content in ("[]", "{}", '{"choices": {"conv18": true}}'):
        (tmp_path / "b.json").write_text(content)
        with pytest.raises(InvalidInput, match=r"b\.json: not an allocation"):
            Allocation.load(tmp_path / "b.json", problem)
    (tmp_path / "b.json").write_text('{"choices": {"conv18": 4}}')
    with pytest.raises(InvalidInput, match=r"b\.json: allocation: group 'conv00' is missing"):
        Allocation.load(tmp_path / "b.json", problem)


def test_a_frontier_is_saved_and_drawn(tmp_path):
    import json

    from matplotlib.figure import Figure

    found = frontier(resnet18.problem())
    found.save(tmp_path / "f.json")
    stored = json.loads((tmp_path / "f.json").read_text())
    assert [p["cost"] for p in stored["points"]] == found.cost.tolist()
    axes = Figure().subplots()
    found.plot(axes, "exact", 1e6)
    assert axes.get_yscale() == "log"
    assert axes.lines[0].get_xdata()[0] == pytest.approx(5.578752)


def test_constant_parts_count():
    problem = Problem({"a": {4: 1.0, 8: 0.0}}, {"size": {"a": {4: 4.0, 8: 8.0}}}, {"size": 17}, constant={"size": 10.0})
    assert solve(problem).costs["size"] == 14
    assert frontier(problem).cost.tolist() == [14]
    assert Problem(problem.harm, problem.costs, {}, constant={"size": 10.0}).reach("size") == (14, 18)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"harm": {}}, "there is no group"),
        ({"costs": {"size": {"a": {4: 1}}}}, "group 'b' is not both in harm and in the costs 'size'"),
        ({"costs": {"size": {"a": {4: 1}, "b": {4: 1}}}}, r"'size' of group 'a' has choices \[4\]; harm has \[4, 8\]"),
        ({"harm": {"a": {4: math.nan, 8: 1}}}, "'harm' of group 'a', choice 4 is nan"),
        (
            {"costs": {"size": {"a": {4: -1, 8: 1}, "b": {4: 1, 8: 1}}}},
            "choice 4 is -1; finite numbers, and costs from 0",
        ),
        ({"limits": {"time": 3}}, "there is no cost 'time'; there are none"),
        ({"equal": [("a", "c")]}, "there is no group 'c'"),
        ({"fixed": {"a": 5}}, "group 'a' has no choice 5"),
    ],
)
def test_malformed_problems_are_refused(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        Problem(**({"harm": {"a": {4: 1, 8: 0}, "b": {4: 1, 8: 0}}} | arguments))


def test_what_cannot_be_solved_is_refused():
    harm = {"a": {4: 1.0}, "b": {8: 1.0}}
    with pytest.raises(InvalidInput, match="groups a, b must be equal, but no choice suits"):
        Problem(harm, equal=[("a", "b")]).clusters()
    both = {"a": {4: 1.0, 8: 0.0}, "b": {4: 1.0, 8: 0.0}}
    with pytest.raises(InvalidInput, match="no choice suits"):
        Problem(both, equal=[("a", "b")], fixed={"a": 4, "b": 8}).clusters()
    with pytest.raises(InvalidInput, match="there is no cost 'size'"):
        frontier(Problem(both))
    with pytest.raises(InvalidInput, match="a limit on latency beside size"):
        frontier(resnet18.problem(latency=Share(0.5)))
    with pytest.raises(InvalidInput, match="group 'conv00' has no sensitivity"):
        restricted_frontier(resnet18.problem(), {})
    uneven = Problem(
        {"a": {2: 1, 4: 0}, "b": {2: 2, 4: 1, 8: 0}}, {"size": {"a": {2: 2, 4: 4}, "b": {2: 2, 4: 4, 8: 8}}}
    )
    with pytest.raises(InvalidInput, match="different numbers of choices"):
        restricted_frontier(uneven, {"a": 1, "b": 2})
    for text in ("", "MB", "5 parsecs", "1.2.3 MB", "-5 MB", "120 %"):
        with pytest.raises(InvalidInput, match="limit"):
            parse_limit(text)
    assert parse_limit("2e3 kB") == 2e6
