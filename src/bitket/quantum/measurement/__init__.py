"""Measurement: which product bases to measure for an operator, and what the outcomes say about its value.

`propose` gives a plan, `measure` simulates its shots (or `MeasurementPlan.circuits` gives them to a device), `estimate` gives the value
with its error; `one_shot_variance` says beforehand how many shots an accuracy needs.
"""

from bitket.quantum.measurement.derandomised import Derandomised
from bitket.quantum.measurement.diagram import DecisionDiagram
from bitket.quantum.measurement.estimation import Estimate, estimate, measure
from bitket.quantum.measurement.plan import BasisDistribution, MeasurementPlan, Outcomes
from bitket.quantum.measurement.product import ClassicalShadow, LocallyBiased, diagonal_cost
from bitket.quantum.measurement.proposals import METHODS, adaptive_bases, propose
from bitket.quantum.measurement.variance import one_shot_variance, shots_to

__all__ = [
    "METHODS",
    "BasisDistribution",
    "ClassicalShadow",
    "DecisionDiagram",
    "Derandomised",
    "Estimate",
    "LocallyBiased",
    "MeasurementPlan",
    "Outcomes",
    "adaptive_bases",
    "diagonal_cost",
    "estimate",
    "measure",
    "one_shot_variance",
    "propose",
    "shots_to",
]
