"""Are the embeddings of films ordered by ejection fraction (CoReEcho, section 4.1 and Figure 1)?

    film --first of its drawn clips--> model --pooled--> embedding -> distances, neighbours, planes

Maani et al., CoReEcho, MICCAI 2024, arXiv:2403.10164, shows a plane and leaves it to the eye. Here
numbers stand beside it, all of films of one split and with Euclidean distances:

* `spearman`, `kendall`: over all pairs of films of different subjects, whether
  those further apart in ejection fraction (EF) lie further apart.
* `spearman/first_axis`: EF along the first principal axis, which points to higher EF.
* `mae/neighbours`: of the mean EF of the five nearest films of other subjects, in points of EF;
  `mae/others`: of the mean EF of all films of other subjects, which is to know nothing.

The figure has the plane of the two principal axes and, where umap-learn is installed, UMAP's
(McInnes, Healy, Melville: UMAP, arXiv:1802.03426), which keeps neighbours and not distances.
"""

import importlib
import importlib.util
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist

from septum.contract import BadInput, Films, Label, Metric, Model, Record, Report, Samples
from septum.metrics.continuity import (
    Pairs,
    kendall_of_pairs,
    of_neighbours,
    paired,
    spearman_by_subject,
    spearman_of_pairs,
)
from septum.metrics.interval import mean_by_subject
from septum.metrics.labels import number
from septum.tasks import drawing_films
from septum.tasks.filmed import EF, clip_starts, embedded, films_in

FILMS = 2_000
"""Most films that are asked about; of more, so many are drawn."""
NEIGHBOURS = 5
FEWEST = 5
"""Films that UMAP makes a plane of."""
UNIT = "percent"

Plane = Float[np.ndarray, "n 2"]


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Films whose EF is known, and where they lie.

    Attributes:
        ef: In percent.
        x: Embeddings.
        distance: Between them.
        pairs: Of films of different subjects.
    """

    records: Sequence[Record]
    ef: Float[np.ndarray, " n"]
    x: Float[np.ndarray, "n e"]
    distance: Float[np.ndarray, "n n"]
    pairs: Pairs

    @property
    def subjects(self) -> list[str]:
        """Of every film."""
        return [record.subject for record in self.records]


def run(model: Model, train: Samples, test: Samples, seed: int) -> Report:
    """How well the order of EF is kept among films of `test`; a row is a film.

    Raises:
        BadInput: If they are still images; or as `embeddings`.
    """
    del train
    films = embeddings(model, films_in(test), seed)
    planes = {"PCA": principal(films.x, films.ef)}
    note = why_not_umap(len(films.ef))
    if not note:
        planes["UMAP"] = umap(films.x, seed)
    nearest = _neighbours(films)
    return Report(
        metrics=_metrics(films, nearest, planes["PCA"][:, 0], seed),
        rows=_rows(films, nearest["neighbours"], planes),
        figures={"embedding": drawing_films.planes(planes, films.ef, name="EF (%)", note=note)},
    )


def embeddings(model: Model, films: Films, seed: int) -> Embedded:
    """One clip of every film whose EF is known.

    Raises:
        BadInput: If these are of fewer than two subjects, or all pairs are equally far apart.
    """
    efs = [number(record, EF) for record in films.records]
    known = [place for place, ef in enumerate(efs) if ef is not None]
    drawn = np.random.default_rng(seed).permutation(known)[:FILMS]
    places: list[int] = sorted(int(place) for place in drawn)
    records = [films.records[place] for place in places]
    ef = np.array([efs[place] for place in places], dtype=np.float64)
    if len({record.subject for record in records}) < 2:
        raise BadInput(
            f"{films.name} ({films.split}) has no two subjects with a known {EF}; choose a data "
            "set or split that has."
        )
    starts = [clip_starts(films, place, "one", seed)[0] for place in places]
    x = embedded(model, films, places, starts)
    distance = cdist(x, x)
    try:
        pairs = paired(distance, ef, [record.subject for record in records])
    except ValueError as error:
        raise BadInput(
            f"All pairs of films of {films.name} ({films.split}) are equally far apart in {EF}, or "
            "in the embeddings of the model; choose a split with more subjects, or train longer."
        ) from error
    return Embedded(records=records, ef=ef, x=x, distance=distance, pairs=pairs)


def principal(x: Float[np.ndarray, "n e"], ef: Float[np.ndarray, " n"]) -> Plane:
    """Places along the two principal axes, both of which point to higher EF."""
    u, spread, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    plane = np.zeros((len(x), 2))
    plane[:, : len(spread)] = (u * spread)[:, :2]
    return plane * np.where((ef - ef.mean()) @ plane < 0, -1, 1)


def why_not_umap(films: int) -> str:
    """Why there is no second plane; empty where there is one."""
    if films < FEWEST:
        return f"no UMAP of fewer than {FEWEST} films"
    if importlib.util.find_spec("umap") is None:
        return "no UMAP: pip install umap-learn"
    return ""


def umap(x: Float[np.ndarray, "n e"], seed: int) -> Plane:
    """UMAP's plane, on one thread: the same for the same seed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        maker: Any = importlib.import_module("umap").UMAP
    reducer = maker(n_neighbors=min(15, len(x) - 1), random_state=seed, n_jobs=1)
    return np.asarray(reducer.fit_transform(x), dtype=np.float64)


def _neighbours(films: Embedded) -> dict[str, Float[np.ndarray, " n"]]:
    """Mean EF of the nearest, and of all, films of other subjects."""
    asked = (films.distance, films.ef, films.subjects)
    return {
        "neighbours": of_neighbours(*asked, k=NEIGHBOURS),
        "others": of_neighbours(*asked, k=len(films.ef)),
    }


def _metrics(
    films: Embedded,
    nearest: Mapping[str, Float[np.ndarray, " n"]],
    axis: Float[np.ndarray, " n"],
    seed: int,
) -> dict[str, Metric]:
    subjects, pairs = films.subjects, films.pairs
    errors = {name: np.abs(said - films.ef) for name, said in nearest.items()}
    return {
        "spearman": spearman_of_pairs(pairs, seed=seed),
        "kendall": kendall_of_pairs(pairs, seed=seed),
        "spearman/first_axis": spearman_by_subject(axis, films.ef, subjects, seed=seed),
    } | {
        f"mae/{name}": mean_by_subject(error, subjects, unit=UNIT, seed=seed)
        for name, error in errors.items()
    }


def _rows(
    films: Embedded, neighbours: Float[np.ndarray, " n"], planes: Mapping[str, Plane]
) -> list[dict[str, Label]]:
    return [
        {"id": record.id, "subject": record.subject, EF: float(films.ef[i])}
        | {"neighbours_ef_percent": float(neighbours[i])}
        | {
            f"{name.lower()}_{axis}": float(plane[i, axis - 1])
            for name, plane in planes.items()
            for axis in (1, 2)
        }
        for i, record in enumerate(films.records)
    ]
