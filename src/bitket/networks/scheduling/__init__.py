"""Schedules with quality of service: protocols for users' demands, placed on qubits and slots of one repeating timetable.

>>> network = QuantumNetwork.preset("line")
>>> made = schedule_demands(network, [Demand("0", "2", 0.75, 3.125), Demand("3", "5", 0.75, 3.125), Demand("0", "5", 0.9, 1)])
>>> made.metrics()["throughput"], [r.name for r in made.rejected]
(6.25, ['demand 2'])
>>> made.check()
"""

from bitket.networks.scheduling.checker import check_placement, check_schedule
from bitket.networks.scheduling.demands import Demand, offered_rates, random_demands, read_demands
from bitket.networks.scheduling.network import Capability, QuantumNetwork, Qubit, nitrogen_vacancy
from bitket.networks.scheduling.placement import ConcreteProtocol, Operation, place
from bitket.networks.scheduling.processor import Miss
from bitket.networks.scheduling.protocol import RepeaterProtocol, Step
from bitket.networks.scheduling.schedule import (
    METHODS,
    Instance,
    Method,
    Schedule,
    ScheduledOperation,
    schedule,
    schedule_demands,
    timetable,
)
from bitket.networks.scheduling.search import find_protocol
from bitket.networks.scheduling.tasks import PeriodicTask, Rejection, balanced, hyperperiod, plan

__all__ = [
    "METHODS",
    "Capability",
    "ConcreteProtocol",
    "Demand",
    "Instance",
    "Method",
    "Miss",
    "Operation",
    "PeriodicTask",
    "QuantumNetwork",
    "Qubit",
    "Rejection",
    "RepeaterProtocol",
    "Schedule",
    "ScheduledOperation",
    "Step",
    "balanced",
    "check_placement",
    "check_schedule",
    "find_protocol",
    "hyperperiod",
    "nitrogen_vacancy",
    "offered_rates",
    "place",
    "plan",
    "random_demands",
    "read_demands",
    "schedule",
    "schedule_demands",
    "timetable",
]
