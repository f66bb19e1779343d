"""Is the model healthy on images it has not seen?

    frozen model -> its own monitors, on groups of whole subjects -> mean and interval over groups

Monitors such as the perplexity of concept usage belong to a set of images, not to one. So the
subjects of the split are dealt into groups, every group is one set, and the groups are averaged.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from septum.contract import BadInput, Label, Metric, Model, Monitors, Record, Report, Samples
from septum.metrics.interval import mean_by_subject
from septum.nn.device import device_of, on

GROUPS = 10
"""Sets of images; fewer where there are fewer subjects."""


def run(model: Model, train: Samples, test: Samples, seed: int) -> Report:
    """Every monitor of the model by its name; `n` counts groups, a row is an image.

    Raises:
        BadInput: If the model tells nothing of its health.
    """
    del train
    if not isinstance(model, Monitors):
        raise BadInput("The model has no monitors; ask it another question.")
    groups = grouped(test.records, seed)
    found = [_found(model, test, places) for places in groups]
    names = [f"group {i}" for i in range(len(groups))]
    rows: list[dict[str, Label]] = [
        {"id": test.records[place].id, "group": float(i), **said}
        for i, (places, said) in enumerate(zip(groups, found, strict=True))
        for place in places
    ]
    return Report(metrics={name: _metric(found, name, names, seed) for name in found[0]}, rows=rows)


def grouped(records: Sequence[Record], seed: int) -> list[list[int]]:
    """Places of the records of every group; no subject is in two of them."""
    subjects = sorted({record.subject for record in records})
    order = np.random.default_rng(seed).permutation(len(subjects))
    group_of = {subjects[k]: i % GROUPS for i, k in enumerate(order)}
    groups = [
        [place for place, record in enumerate(records) if group_of[record.subject] == i]
        for i in range(GROUPS)
    ]
    return [places for places in groups if places]


@torch.no_grad()
def _found(model: Monitors, test: Samples, places: Sequence[int]) -> dict[str, float]:
    batch = test.batch(list(places))
    assert isinstance(model, nn.Module)
    return dict(model.monitors(on(batch, device_of(model))))


def _metric(
    found: Sequence[dict[str, float]], name: str, groups: Sequence[str], seed: int
) -> Metric:
    values = np.array([said[name] for said in found])
    return mean_by_subject(values, groups, unit="", seed=seed)
