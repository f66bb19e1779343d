"""Questions to a frozen model: each file asks one, and answers with a report."""

from septum.contract import Task
from septum.tasks import monitor, retrieve, segment

TASKS: dict[str, Task] = {
    "segment": segment.run,
    "retrieve": retrieve.run,
    "monitor": monitor.run,
}
