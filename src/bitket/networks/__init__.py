"""Quantum networks: event simulation, schedules with quality of service, key distribution, signatures."""

from bitket.networks.hardware import Hardware, MemoryHardware
from bitket.networks.network import Network
from bitket.networks.reservation import Reservation
from bitket.networks.timeline import Timeline
from bitket.networks.topology import load_topology

__all__ = ["Hardware", "MemoryHardware", "Network", "Reservation", "Timeline", "load_topology"]
