"""The kit on which every twin stands: clock, faults on demand, traffic book, rate limit, server and control API.

A twin never imports a client, a plugin or anything else that it judges: shared code would prove nothing.
"""

from crossdock.twins.kit.clock import VirtualClock
from crossdock.twins.kit.control import build, control, read
from crossdock.twins.kit.faults import Fault, FaultKind, Faults
from crossdock.twins.kit.server import run, serve
from crossdock.twins.kit.traffic import Exchange, RateLimit, TrafficBook
from crossdock.twins.kit.twin import Clock, Refused, Twin

__all__ = [
    "Clock",
    "Exchange",
    "Fault",
    "FaultKind",
    "Faults",
    "RateLimit",
    "Refused",
    "TrafficBook",
    "Twin",
    "VirtualClock",
    "build",
    "control",
    "read",
    "run",
    "serve",
]
