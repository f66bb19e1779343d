"""What the parts of the library promise one another, and nothing else."""

from septum.contract.abilities import (
    Codes,
    Decodes,
    Discretises,
    Edits,
    Explains,
    Monitors,
    Regresses,
    Segments,
)
from septum.contract.answers import (
    Metric,
    Report,
    Task,
)
from septum.contract.facts import (
    BadInput,
    Batch,
    Clip,
    Films,
    Label,
    Outlined,
    Record,
    Samples,
    Source,
)
from septum.contract.training import (
    Features,
    Model,
    Paper,
    Phase,
    Recipe,
    Size,
    Terms,
)

__all__ = [
    "BadInput",
    "Batch",
    "Clip",
    "Codes",
    "Decodes",
    "Discretises",
    "Edits",
    "Explains",
    "Features",
    "Films",
    "Label",
    "Metric",
    "Model",
    "Monitors",
    "Outlined",
    "Paper",
    "Phase",
    "Recipe",
    "Record",
    "Regresses",
    "Report",
    "Samples",
    "Segments",
    "Size",
    "Source",
    "Task",
    "Terms",
]
