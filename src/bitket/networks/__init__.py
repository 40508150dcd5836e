"""Quantum networks: event simulation, schedules with quality of service, key distribution, signatures."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitket.networks.hardware import Hardware, MemoryHardware
    from bitket.networks.network import Network
    from bitket.networks.reservation import Reservation
    from bitket.networks.timeline import Timeline
    from bitket.networks.topology import load_topology

__all__ = ["Hardware", "MemoryHardware", "Network", "Reservation", "Timeline", "load_topology"]

_HOMES = {
    "Hardware": "hardware",
    "MemoryHardware": "hardware",
    "Network": "network",
    "Reservation": "reservation",
    "Timeline": "timeline",
    "load_topology": "topology",
}


def __getattr__(name: str) -> Any:
    # Signatures need neither networkx nor scipy.
    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
