"""Questions to a frozen model: each file asks one, and answers with a report."""

from septum.contract import Task
from septum.tasks import (
    area,
    attributes,
    attribution,
    biplane,
    classify,
    colours,
    conditioning,
    conformal,
    continuity,
    delineate,
    detect,
    diagnose,
    disentangle,
    edit,
    interpolate,
    modality,
    monitor,
    offsets,
    outliers,
    reconstruct,
    regress_ef,
    retrieve,
    segment,
    speckle,
    synthesise,
    transform,
    traverse,
    usage,
)

TASKS: dict[str, Task] = {
    "segment": segment.run,
    "delineate": delineate.run,
    "area": area.run,
    "modality": modality.run,
    "transform": transform.run,
    "traverse": traverse.run,
    "retrieve": retrieve.run,
    "outliers": outliers.run,
    "detect": detect.run,
    "synthesise": synthesise.run,
    "disentangle": disentangle.run,
    "usage": usage.run,
    "monitor": monitor.run,
    "reconstruct": reconstruct.run,
    "attributes": attributes.run,
    "edit": edit.run,
    "interpolate": interpolate.run,
    "classify": classify.run,
    "speckle": speckle.run,
    "conditioning": conditioning.run,
    "offsets": offsets.run,
    "colours": colours.run,
    "biplane": biplane.run,
    "regress_ef": regress_ef.run,
    "conformal": conformal.run,
    "continuity": continuity.run,
    "attribution": attribution.run,
    "diagnose": diagnose.run,
}

OF_FILMS = {"regress_ef", "conformal", "continuity", "attribution", "diagnose"}
"""Tasks that are asked about films; the others about still images."""

WITHOUT_FLOOR = {"edit", "interpolate", "synthesise", "transform", "traverse"}
"""Tasks that are not asked of an untrained model: what it draws augments nothing, and masks that
are one class everywhere survive any change."""
