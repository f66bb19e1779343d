"""Questions to a frozen model: each file asks one, and answers with a report."""

from septum.contract import Task
from septum.tasks import (
    detect,
    disentangle,
    monitor,
    outliers,
    retrieve,
    segment,
    synthesise,
    usage,
)

TASKS: dict[str, Task] = {
    "segment": segment.run,
    "retrieve": retrieve.run,
    "outliers": outliers.run,
    "detect": detect.run,
    "synthesise": synthesise.run,
    "disentangle": disentangle.run,
    "usage": usage.run,
    "monitor": monitor.run,
}

WITHOUT_FLOOR = {"synthesise"}
"""Tasks that are not asked of an untrained model: what it draws augments nothing."""
