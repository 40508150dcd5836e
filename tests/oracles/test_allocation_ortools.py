"""The integer program beside OR-tools, on problems too large for brute force."""

import pytest

pytest.importorskip("ortools")

from benchmarks.allocation import by_ortools, problem
from tests.quantization.allocation import resnet18

from bitket.quantization.allocation import Problem, Share, frontier, solve


@pytest.mark.parametrize(("layers", "widths"), [(19, 2), (52, 3), (60, 4)])
@pytest.mark.parametrize("share", [0.1, 0.45, 0.8])
def test_the_same_optimum(layers, widths, share):
    free = problem(layers, widths)
    bound = Problem(free.harm, free.costs, {"size": Share(share)})
    ours = solve(bound)
    assert ours.harm == pytest.approx(by_ortools(bound), rel=1e-6)
    assert frontier(bound).harm[-1] == pytest.approx(ours.harm, rel=1e-9)


def test_three_limits_at_a_time():
    free = resnet18.problem()
    bound = Problem(free.harm, free.costs, {"size": Share(0.5), "bit operations": Share(0.6), "latency": Share(0.4)})
    assert solve(bound).harm == pytest.approx(by_ortools(bound), rel=1e-6)
