"""Which layer gets how many bits: tables of harm and cost, and the allocation that is best within limits."""

from bitket.quantization.allocation.greedy import greedy
from bitket.quantization.allocation.milp import solve
from bitket.quantization.allocation.pareto import Frontier, frontier, restricted_frontier
from bitket.quantization.allocation.problem import Allocation, Problem, Share, parse_limit

__all__ = [
    "Allocation",
    "Frontier",
    "Problem",
    "Share",
    "frontier",
    "greedy",
    "parse_limit",
    "restricted_frontier",
    "solve",
]
