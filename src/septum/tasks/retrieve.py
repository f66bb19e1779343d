"""Find the same place in the same heart by its content alone (ConceptVAE, section 5.1).

    content round a landmark (ED) -> 5 x 5 descriptor -> five nearest of all ES key points -> mAP

A query is a landmark of an end-diastolic frame; the pool is every key point of every end-systolic
frame of the split. A result is a match if it lies in an ES frame of the query's acquisition (same
subject, same view), on the cell of the landmark there or one of its eight neighbours. Nothing is
trained. A model without concepts is described by single cells, at the same key points.

A landmark outside the key points counts as the nearest of them, and a query is left out if the pool
holds no frame of its acquisition with that landmark.

The paper does not define its mAP. `map5` averages the precision over the matches that were
retrieved, `map5_strict` over those that the pool holds, five at most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from matplotlib.figure import Figure
from torch import Tensor

from septum.contract import BadInput, Label, Metric, Model, Record, Report, Samples
from septum.metrics.interval import mean_by_subject
from septum.metrics.retrieval import map5, map5_strict
from septum.tasks import drawing, landmarks
from septum.tasks.frozen import encoded
from septum.tasks.regions import Descriptors, nearest, of_model

RESULTS = 5
EXAMPLES = 6
SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Frames:
    """All frames of one cardiac phase.

    Attributes:
        places: Where they are in the split.
        points: Their landmarks (x, y) in grid cells from the corner of the map; NaN where unknown.
    """

    places: Sequence[int]
    records: Sequence[Record]
    content: Float[Tensor, "n d h w"]
    points: Float[Tensor, "n 5 2"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The queries, what was found for each, and what would have been right.

    Attributes:
        frame: ED frame of a query.
        landmark: Its place in the names of the landmarks.
        hits: ES frame, row and column of the results, nearest first.
        same: Whether a result shows the query's acquisition.
        match: Whether it shows the query's landmark there.
        relevant: How many key points of the pool would match, at least 1.
        margin: Cells of the map before its first key point, in both directions.
    """

    frame: Int[Tensor, " q"]
    landmark: Int[Tensor, " q"]
    hits: Int[Tensor, "q k 3"]
    same: Bool[Tensor, "q k"]
    match: Bool[Tensor, "q k"]
    relevant: Int[Tensor, " q"]
    margin: int


def run(
    model: Model,
    train: Samples,  # noqa: ARG001 - nothing is trained
    test: Samples,
    seed: int,
    *,
    descriptors: Descriptors | None = None,
) -> Report:
    """Average precision of the five nearest key points, by landmark and over all queries.

    Raises:
        BadInput: If the split has no ED or no ES frames, or no landmark is known in both.
    """
    ed, es = frames(model, test, "ED"), frames(model, test, "ES")
    asked = ask(ed, es, descriptors or of_model(model))
    if len(asked.frame) == 0:
        raise BadInput(
            f"No acquisition of {test.name} ({test.split}) has a landmark in both its ED and its "
            "ES frame; add landmark labels, or masks of the left ventricle and the left atrium."
        )
    precision = {
        "map5": map5(asked.match),
        "map5_strict": map5_strict(asked.match, asked.relevant),
    }
    return Report(
        metrics=_metrics(precision, asked, ed, seed),
        rows=_rows(precision, asked, ed, es),
        figures={"retrieval": _examples(test, asked, ed, es, seed)},
    )


def frames(model: Model, samples: Samples, phase: str) -> Frames:
    """Encode the frames whose label `phase` is this one.

    Raises:
        BadInput: If there is none, or the model encodes clips only.
    """
    records = samples.records
    places = [i for i, record in enumerate(records) if record.labels.get("phase") == phase]
    if not places:
        raise BadInput(
            f"No image of {samples.name} ({samples.split}) has the label phase = {phase}; "
            "retrieval needs ED and ES frames, choose a data set or split that has both."
        )
    stated = landmarks.stated([records[place] for place in places])
    derive = bool(np.isnan(stated).all())
    contents: list[Tensor] = []
    derived: list[np.ndarray] = []
    cell_px = torch.ones(2)
    for batch, features in encoded(model, samples, places):
        contents.append(features.content)
        (height, width), (h, w) = batch.image.shape[-2:], features.content.shape[-2:]
        cell_px = torch.tensor([width / w, height / h])
        if derive and batch.mask is not None:
            derived += [landmarks.derived(mask, samples.classes) for mask in batch.mask.numpy()]
    xy_px = torch.from_numpy(np.stack(derived) if derived else stated)
    return Frames(
        places=places,
        records=[records[place] for place in places],
        content=torch.cat(contents),
        points=(xy_px + 0.5) / cell_px,
    )


def ask(ed: Frames, es: Frames, descriptors: Descriptors) -> Asked:
    """Search the ES frames for every landmark of the ED frames that they hold."""
    keys = descriptors(ed.content)
    grid = keys.shape[1:3]
    margin = (ed.content.shape[2] - grid[0]) // 2
    ed_cells, es_cells = _cells(ed.points, grid, margin), _cells(es.points, grid, margin)
    acquisition = _same_acquisition(ed.records, es.records)
    relevant = (acquisition.double() @ _neighbours(es_cells, grid)).long()
    frame, landmark = (~ed_cells[..., 0].isnan() & (relevant > 0)).nonzero(as_tuple=True)
    row, column = ed_cells[frame, landmark].long().unbind(1)
    hits = nearest(keys[frame, row, column], es.content, descriptors, results=RESULTS)
    same = acquisition[frame[:, None], hits[..., 0]]
    away = (hits[..., 1:] - es_cells[hits[..., 0], landmark[:, None]]).abs().amax(2)
    return Asked(
        frame=frame,
        landmark=landmark,
        hits=hits,
        same=same,
        match=same & (away <= 1),
        relevant=relevant[frame, landmark],
        margin=margin,
    )


def _cells(
    points: Float[Tensor, "n 5 2"], grid: Sequence[int], margin: int
) -> Float[Tensor, "n 5 2"]:
    """Row and column of the key point nearest to every landmark; NaN where it is unknown."""
    last = torch.tensor(grid) - 1
    cells = points.flip(2).floor() - margin
    return torch.minimum(cells.clamp(min=0), last)


def _neighbours(cells: Float[Tensor, "n 5 2"], grid: Sequence[int]) -> Float[Tensor, "n 5"]:
    """How many key points are the cell or one of its eight neighbours; 0 where it is unknown."""
    last = torch.tensor(grid) - 1
    spans = torch.minimum(cells + 1, last) - (cells - 1).clamp(min=0) + 1
    return spans.prod(2).nan_to_num(0)


def _same_acquisition(ed: Sequence[Record], es: Sequence[Record]) -> Bool[Tensor, "n_ed n_es"]:
    views = [np.array([str(r.labels.get("view", "")) for r in records]) for records in (ed, es)]
    subjects = [np.array([r.subject for r in records]) for records in (ed, es)]
    same_view = views[0][:, None] == views[1]
    return torch.from_numpy(same_view & (subjects[0][:, None] == subjects[1]))


def _metrics(
    precision: Mapping[str, Tensor], asked: Asked, ed: Frames, seed: int
) -> dict[str, Metric]:
    subjects = np.array([ed.records[i].subject for i in asked.frame.tolist()])
    chosen = {name: asked.landmark.numpy() == i for i, name in enumerate(landmarks.NAMES)}
    chosen["mean"] = np.ones(len(subjects), dtype=bool)
    return {
        f"{name}/{landmark}": mean_by_subject(
            values.double().numpy()[of], subjects[of].tolist(), unit="", seed=seed
        )
        for name, values in precision.items()
        for landmark, of in chosen.items()
        if of.any()
    }


def _rows(
    precision: Mapping[str, Tensor], asked: Asked, ed: Frames, es: Frames
) -> list[dict[str, Label]]:
    rows: list[dict[str, Label]] = []
    for q, (frame, landmark) in enumerate(zip(asked.frame, asked.landmark, strict=True)):
        record = ed.records[int(frame)]
        row: dict[str, Label] = {"id": record.id, "subject": record.subject}
        row["view"] = record.labels.get("view", "")
        row["landmark"] = landmarks.NAMES[int(landmark)]
        row |= {name: float(values[q]) for name, values in precision.items()}
        row["relevant"] = float(asked.relevant[q])
        for rank, (hit, match) in enumerate(zip(asked.hits[q], asked.match[q], strict=True), 1):
            row[f"hit_{rank}"] = es.records[int(hit[0])].id
            row[f"match_{rank}"] = float(match)
        rows.append(row)
    return rows


def _examples(test: Samples, asked: Asked, ed: Frames, es: Frames, seed: int) -> Figure:
    """Some queries and their first results (Figure 5)."""
    count = min(EXAMPLES, len(asked.frame))
    chosen = np.random.default_rng(seed).choice(len(asked.frame), count, replace=False)
    return drawing.marked(
        [
            [_query(test, asked, ed, q), *(_hit(test, asked, es, q, rank) for rank in range(SHOWN))]
            for q in chosen.tolist()
        ]
    )


def _query(test: Samples, asked: Asked, ed: Frames, q: int) -> drawing.Marked:
    frame, landmark = int(asked.frame[q]), int(asked.landmark[q])
    h, w = ed.content.shape[2:]
    x, y = ed.points[frame, landmark].tolist()
    name = landmarks.NAMES[landmark].replace("_", " ")
    image = test.batch([ed.places[frame]]).image[0, 0]
    title = f"{name}, {_shown(ed.records[frame])}"
    return drawing.Marked(image=image, x=x / w, y=y / h, title=title)


def _hit(test: Samples, asked: Asked, es: Frames, q: int, rank: int) -> drawing.Marked:
    frame, row, column = asked.hits[q, rank].tolist()
    h, w = es.content.shape[2:]
    return drawing.Marked(
        image=test.batch([es.places[frame]]).image[0, 0],
        x=(column + asked.margin + 0.5) / w,
        y=(row + asked.margin + 0.5) / h,
        title=_shown(es.records[frame]) + "*" * bool(asked.same[q, rank]),
        match=bool(asked.match[q, rank]),
    )


def _shown(record: Record) -> str:
    return f"{record.labels.get('view', '')} {record.labels.get('phase', '')}".strip()
