"""The processes beside Hearth and Hearth itself: what they do, and starting, stopping and restarting them."""

from backend.system.services.child import ChildSupervisor
from backend.system.services.desk import ServiceDesk
from backend.system.services.own import OwnProcess
from backend.system.services.ports import Supervisor
from backend.system.services.s6 import S6Supervisor
from backend.system.services.status import Action, LastExit, Service, ServiceState

__all__ = [
    "Action",
    "ChildSupervisor",
    "LastExit",
    "OwnProcess",
    "S6Supervisor",
    "Service",
    "ServiceDesk",
    "ServiceState",
    "Supervisor",
]
