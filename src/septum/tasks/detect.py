"""Find an object of an unseen view, and tell its state (ConceptVAE, section 5.4).

    frozen model -> content | content and style -> linear k x k -> objectness, one logit per state

A cell of the grid is an object cell if the box covers more than the share `overlap` of it. The head
is one linear layer, on 5 x 5 windows where the content is a distribution over concepts and 1 x 1
elsewhere, as in the paper. It says of every cell how likely it is an object cell, and how likely an
object cell is in each state.

The paper does not define the average precision of a state. Here, as in detectors that score an
object apart from its class, a cell scores objectness times the probability of the state, and the
object cells in that state are the positives; every cell of every image is ranked. So a cell counts
against `open` if it is no object, or if it is a closed one: the number mixes place and state. The
two are also told apart. `average_precision/*/objectness` asks for the place alone, and
`auroc/*/state` for the state alone: it ranks only object cells, by how likely the first state is.

The claim that style tells the state and concepts the place is read off `both` against `content`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from septum.contract import BadInput, Discretises, Label, Metric, Model, Record, Report, Samples
from septum.metrics.detection import average_precision_by_subject
from septum.metrics.ranking import auroc_by_subject
from septum.tasks import boxes, drawing_boxes
from septum.tasks.boxes import Boxes
from septum.tasks.frozen import encoded
from septum.tasks.probe import Kernel

WINDOW = 5
EXAMPLES = 3
"""Of either state."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """How the linear layer is fitted.

    Attributes:
        images: Most training images that are used, drawn at random.
        decay: Weight of half the squared weights, beside losses that are averaged over cells. On
            the phantom and on CAMUS a tenth or ten times of it changes no metric by more than .05.
        steps: Most L-BFGS steps.
    """

    images: int = 2_000
    decay: float = 1e-2
    steps: int = 300


@dataclass(frozen=True, kw_only=True)
class Located:
    """The images of a split that show the object, as a frozen model sees them.

    Attributes:
        inputs: Features by name: `content`, and where the model has a style `both`.
        occupied: The object cells.
        in_state: The object cells of either state.
    """

    boxes: Boxes
    records: Sequence[Record]
    inputs: Mapping[str, Float[Tensor, "n _ h w"]]
    occupied: Bool[Tensor, "n h w"]
    in_state: Bool[Tensor, "n 2 h w"]


@dataclass(frozen=True, kw_only=True)
class Said:
    """Probabilities of every cell: that it is an object cell, and if so, in either state."""

    objectness: Float[Tensor, "n h w"]
    state: Float[Tensor, "n 2 h w"]


def run(
    model: Model,
    train: Samples,
    test: Samples,
    seed: int,
    *,
    overlap: float = 0.5,
    head: Head | None = None,
) -> Report:
    """Average precision of both states and of objectness, and the AUROC of the state.

    Raises:
        BadInput: If a split has no boxes, not those of the other, or none of a state; or the model
            encodes clips only.
    """
    head = head or Head()
    learnt, asked = boxes.find(train), boxes.find(test)
    if learnt.names != asked.names:
        raise BadInput(
            f"{train.name} ({train.split}) has objects that are {' or '.join(learnt.names)}, "
            f"{test.name} ({test.split}) {' or '.join(asked.names)}; choose splits of the same."
        )
    drawn = np.random.default_rng(seed).permutation(len(learnt.places))[: head.images]
    known = located(model, train, learnt.of(sorted(drawn.tolist())), overlap=overlap)
    tested = located(model, test, asked, overlap=overlap)
    side = WINDOW if isinstance(model, Discretises) else 1
    said = {
        name: predicted(known, tested.inputs[name], name, side=side, head=head)
        for name in known.inputs
    }
    return Report(
        metrics=_metrics(said, tested, seed),
        rows=_rows(said, tested),
        figures={
            "detection": _examples(test, tested, said),
            "precision_recall": _curves(tested, said),
        },
    )


def located(model: Model, samples: Samples, found: Boxes, *, overlap: float) -> Located:
    """Encode these images, and bring their boxes down to the grid.

    Raises:
        BadInput: If no cell shows the object in one of its states, or every cell shows it; or the
            model encodes clips only.
    """
    inputs, size = _encoded(model, samples, found.places)
    h, w = inputs["content"].shape[-2:]
    occupied = boxes.covered(found.edges_px, size=size, grid=(h, w)) > overlap
    in_state = occupied[:, None] & F.one_hot(found.state, 2).bool()[:, :, None, None]
    for name, shown in zip(found.names, in_state.transpose(0, 1), strict=True):
        if not shown.any():
            raise BadInput(
                f"No box of {samples.name} ({samples.split}) that is {name} covers more than "
                f"{overlap:g} of a grid cell; choose a split with both states, or less overlap."
            )
    if occupied.all():
        raise BadInput(
            f"The boxes of {samples.name} ({samples.split}) cover every cell of the grid and "
            "leave nothing to tell them from; correct them, or ask for more overlap."
        )
    return Located(
        boxes=found,
        records=[samples.records[place] for place in found.places],
        inputs=inputs,
        occupied=occupied,
        in_state=in_state,
    )


def _encoded(
    model: Model, samples: Samples, places: Sequence[int]
) -> tuple[dict[str, Tensor], tuple[int, int]]:
    """Features by name, and height and width of the images."""
    contents: list[Tensor] = []
    styles: list[Tensor] = []
    height = width = 1
    for batch, features in encoded(model, samples, places):
        contents.append(features.content)
        styles += [] if features.style is None else [features.style]
        height, width = batch.image.shape[-2:]
    inputs = {"content": torch.cat(contents)}
    if styles:
        inputs["both"] = torch.cat([inputs["content"], torch.cat(styles)], dim=1)
    return inputs, (height, width)


def predicted(
    known: Located, asked: Float[Tensor, "m d h w"], name: str, *, side: int, head: Head
) -> Said:
    """What a head fitted to one of the inputs says of other images.

    Channels are standardised on the training images, so that the map is continued by their mean.
    """
    x = known.inputs[name]
    mean, std = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True).clamp(min=1e-6)
    kernel = fit((x - mean) / std, known.occupied, known.in_state, side=side, head=head)
    p = kernel.logits((asked - mean) / std).sigmoid()
    return Said(objectness=p[:, 0], state=p[:, 1:])


def fit(
    x: Float[Tensor, "n d h w"],
    occupied: Bool[Tensor, "n h w"],
    in_state: Bool[Tensor, "n 2 h w"],
    *,
    side: int,
    head: Head,
) -> Kernel:
    """L-BFGS on the balanced cross-entropies of objectness and states: convex, with one minimum.

    The state is asked of object cells alone. Its two outputs mirror one another.
    """
    weight = torch.zeros(3, x.shape[1], side, side, requires_grad=True)
    kernel = Kernel(weight=weight, bias=torch.zeros(3, requires_grad=True))
    optimiser = torch.optim.LBFGS(
        [kernel.weight, kernel.bias],
        max_iter=head.steps,
        history_size=20,
        tolerance_grad=1e-5,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Float[Tensor, ""]:
        optimiser.zero_grad()
        objectness, *states = kernel.logits(x).unbind(1)
        value = balanced_cross_entropy(objectness, occupied)
        for logits, shown in zip(states, in_state.unbind(1), strict=True):
            value = value + balanced_cross_entropy(logits[occupied], shown[occupied])
        value = value + head.decay / 2 * weight.square().sum()
        value.backward()
        return value.detach()

    optimiser.step(loss)
    return Kernel(weight=weight.detach(), bias=kernel.bias.detach())


def balanced_cross_entropy(
    logits: Float[Tensor, "*n"], positive: Bool[Tensor, "*n"]
) -> Float[Tensor, ""]:
    """Binary cross-entropy in nats, in which positives and negatives weigh the same in all.

    >>> balanced_cross_entropy(torch.zeros(3), torch.tensor([True, False, False]))  # ln 2
    tensor(0.6931)
    """
    missed, false = F.softplus(-logits[positive]), F.softplus(logits[~positive])
    return (missed.mean() + false.mean()) / 2


def _metrics(said: Mapping[str, Said], tested: Located, seed: int) -> dict[str, Metric]:
    first, second = tested.boxes.names
    columns = {first: [0], second: [1], "mean": [0, 1], "objectness": [2]}
    subjects = np.repeat([r.subject for r in tested.records], tested.occupied[0].numel())
    object_cells = tested.occupied.flatten().numpy()
    metrics: dict[str, Metric] = {}
    for name, told in said.items():
        scores, positive = _ranked(told, tested)
        for what, of in columns.items():
            metrics[f"average_precision/{name}/{what}"] = average_precision_by_subject(
                scores[:, of], positive[:, of], subjects.tolist(), seed=seed
            )
        metrics[f"auroc/{name}/state"] = auroc_by_subject(
            told.state[:, 0].flatten().double().numpy()[object_cells],
            positive[object_cells, 0],
            subjects[object_cells].tolist(),
            seed=seed,
        )
    return metrics


def _ranked(
    told: Said, tested: Located
) -> tuple[Float[np.ndarray, "cells 3"], Bool[np.ndarray, "cells 3"]]:
    """What every cell scores as either state and as an object, and whether it is."""
    objectness = told.objectness[:, None].double()
    scores = torch.cat([objectness * told.state, objectness], dim=1)
    positive = torch.cat([tested.in_state, tested.occupied[:, None]], dim=1)
    return scores.movedim(1, 3).flatten(0, 2).numpy(), positive.movedim(1, 3).flatten(0, 2).numpy()


def _rows(said: Mapping[str, Said], tested: Located) -> list[dict[str, Label]]:
    """By image: its state, and what is said of the likeliest cell."""
    rows: list[dict[str, Label]] = []
    for i, record in enumerate(tested.records):
        row: dict[str, Label] = {"id": record.id, "subject": record.subject}
        row["state"] = tested.boxes.names[int(tested.boxes.state[i])]
        row["object_cells"] = float(tested.occupied[i].sum())
        for name, told in said.items():
            peak = told.objectness[i].argmax()
            row[f"found/{name}"] = float(tested.occupied[i].flatten()[peak])
            row[f"state/{name}"] = _state(told, tested, i)
            row[f"objectness/{name}"] = float(told.objectness[i].max())
        rows.append(row)
    return rows


def _state(told: Said, tested: Located, image: int) -> str:
    """The likelier state of the likeliest cell."""
    peak = told.objectness[image].argmax()
    return tested.boxes.names[int(told.state[image].flatten(1)[:, peak].argmax())]


def _examples(test: Samples, tested: Located, said: Mapping[str, Said]) -> Figure:
    """Images of both states, spread evenly over the split."""
    chosen: list[int] = []
    for state in range(2):
        places = (tested.boxes.state == state).nonzero().flatten()
        spread = torch.linspace(0, len(places) - 1, min(EXAMPLES, len(places))).round().long()
        chosen += places[spread].tolist()
    images = test.batch([tested.boxes.places[i] for i in chosen]).image[:, 0]
    return drawing_boxes.searched(
        {
            f"from {name}": [
                drawing_boxes.Searched(
                    image=image,
                    edges_px=tested.boxes.edges_px[i],
                    objectness=told.objectness[i],
                    title=f"{tested.boxes.names[int(tested.boxes.state[i])]}, "
                    f"said {_state(told, tested, i)}",
                )
                for i, image in zip(chosen, images, strict=True)
            ]
            for name, told in said.items()
        }
    )


def _curves(tested: Located, said: Mapping[str, Said]) -> Figure:
    ranked = {name: _ranked(told, tested) for name, told in said.items()}
    return drawing_boxes.precision_recall(
        {
            what: {
                name: drawing_boxes.Ranked(score=scores[:, c], positive=positive[:, c])
                for name, (scores, positive) in ranked.items()
            }
            for c, what in enumerate((*tested.boxes.names, "objectness"))
        }
    )
