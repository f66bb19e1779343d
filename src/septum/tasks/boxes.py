"""The object of an image as a box, and its state (ConceptVAE, section 5.4).

    aortic valve, open or closed    valve_{upper_left,lower_right}_{x,y}_px, valve_open
    left atrium, at ED or ES        mask of the class left_atrium, phase

A split that states the columns is read by them, any other by masks. Images without the object,
or in neither state, are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from septum.contract import BadInput, Record, Samples

CORNERS = tuple(f"valve_{at}_{axis}_px" for at in ("upper_left", "lower_right") for axis in "xy")
VALVE_STATES = {1.0: "open", 0.0: "closed"}
ATRIUM = "left_atrium"
PHASES = ("ED", "ES")
BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """The images of a split that show the object in a known state.

    Attributes:
        names: Of the two states.
        places: Where the images are in the split.
        edges_px: Left, upper, right and lower edge, from the corner of the image: pixel i of a row
            lies between i and i + 1.
        state: Place in `names`.
    """

    names: tuple[str, str]
    places: Sequence[int]
    edges_px: Float[Tensor, "n 4"]
    state: Int[Tensor, " n"]

    def of(self, chosen: Sequence[int]) -> "Boxes":
        """Some of them, in this order."""
        return Boxes(
            names=self.names,
            places=[self.places[i] for i in chosen],
            edges_px=self.edges_px[list(chosen)],
            state=self.state[list(chosen)],
        )


def find(samples: Samples) -> Boxes:
    """The boxes that the columns of a split state, or else those round its masks.

    Stated corners are the box's first pixel and the one after its last. Preparing an image moves
    them as points: an edge is exact where the image kept its size, and otherwise off by half the
    change of a pixel's size.

    Raises:
        BadInput: If there is none, or one is empty.
    """
    boxes = _stated(samples)
    if not boxes.places:
        boxes = _drawn(samples)
    if not boxes.places:
        raise BadInput(
            f"No image of {samples.name} ({samples.split}) has a box with a state; detection needs "
            f"the columns {', '.join(CORNERS)} and valve_open (phantom, view PLAX), or masks of "
            f"{ATRIUM} and the label phase = ED or ES (phantom, camus)."
        )
    return boxes


def covered(
    edges_px: Float[Tensor, "n 4"], *, size: tuple[int, int], grid: tuple[int, int]
) -> Float[Tensor, "n h w"]:
    """Share of every grid cell that the box covers, for images of this height and width.

    >>> covered(torch.tensor([[4.0, 0.0, 10.0, 2.0]]), size=(4, 12), grid=(1, 3))
    tensor([[[0.0000, 0.5000, 0.2500]]])
    """
    (height, width), (h, w) = size, grid
    left, upper, right, lower = edges_px.unbind(1)
    down = _covered(upper * h / height, lower * h / height, h)
    across = _covered(left * w / width, right * w / width, w)
    return down[:, :, None] * across[:, None, :]


def _covered(first: Float[Tensor, " n"], last: Float[Tensor, " n"], k: int) -> Float[Tensor, "n k"]:
    """Share of every unit of a line of k units between two places on it."""
    start = torch.arange(k)
    inside = torch.minimum(last[:, None], start + 1) - torch.maximum(first[:, None], start)
    return inside.clamp(min=0)


def _stated(samples: Samples) -> Boxes:
    places = [i for i, r in enumerate(samples.records) if _states_valve(r)]
    records = [samples.records[place] for place in places]
    edges_px = [[float(r.labels[name]) for name in CORNERS] for r in records]
    for record, (left, upper, right, lower) in zip(records, edges_px, strict=True):
        if not (left < right and upper < lower):
            raise BadInput(
                f"The box of {record.id!r} is empty; valve_lower_right must lie to the right of "
                "valve_upper_left and below it."
            )
    names = ("open", "closed")
    found = [VALVE_STATES[float(r.labels["valve_open"])] for r in records]
    return _boxes(names, places, edges_px, found)


def _states_valve(record: Record) -> bool:
    corners = all(isinstance(record.labels.get(name), float) for name in CORNERS)
    return corners and record.labels.get("valve_open") in VALVE_STATES


def _drawn(samples: Samples) -> Boxes:
    """The smallest box that holds the atrium's pixels."""
    asked = [i for i, r in enumerate(samples.records) if r.labels.get("phase") in PHASES]
    places: list[int] = []
    edges_px: list[list[float]] = []
    index = samples.classes.index(ATRIUM) if ATRIUM in samples.classes else None
    for start in range(0, len(asked) if index else 0, BATCH):
        batch = asked[start : start + BATCH]
        mask = samples.batch(batch).mask
        for place, frame in zip(batch, mask if mask is not None else (), strict=False):
            y, x = (frame == index).nonzero(as_tuple=True)
            if len(y):
                places.append(place)
                edges = (x.min(), y.min(), x.max() + 1, y.max() + 1)
                edges_px.append([float(edge) for edge in edges])
    found = [str(samples.records[place].labels["phase"]) for place in places]
    return _boxes(PHASES, places, edges_px, found)


def _boxes(
    names: tuple[str, str],
    places: Sequence[int],
    edges_px: Sequence[Sequence[float]],
    found: Sequence[str],
) -> Boxes:
    return Boxes(
        names=names,
        places=places,
        edges_px=torch.tensor(edges_px).reshape(-1, 4),
        state=torch.tensor([names.index(name) for name in found], dtype=torch.int64),
    )
