"""The ejection fraction (EF) of a film, with the interval that validation films allow.

    film --clips all over it--> estimates --mean, standard deviation--> EF, s
    validation films, one per subject --> |EF - truth| / (s + 1) --quantile--> q
    EF ∓ q (s + 1)

As the task `conformal` has it, which promises that nine of ten new films are held. No film of the
subject that is asked about is among those.
"""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, UInt8
from torch import Tensor

from septum.contract import BadInput, Explains, Metric, Record, Regresses, Segments
from septum.data import outline
from septum.explore import pictures, typical
from septum.explore.edits import segmented
from septum.explore.index import Index, Progress
from septum.explore.shown import Shown
from septum.metrics.agreement import limits
from septum.metrics.focus import share_inside
from septum.metrics.labels import number
from septum.palette import CHANGE

EF, UNIT = "ef_percent", "percent"
FILMS = 200
"""Most validation films that are asked about, drawn at random."""
CHUNK = 4
"""Films between which visitors get at the model."""
CAVITY = "left_ventricle"
LOOKS = 32
"""Most frames of a film whose ventricle is segmented to find the largest and the smallest."""
FRAMES = 6
"""Of a clip, that are shown under what explains an estimate."""
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Validation films whose EF is known, one per subject, and what the model says of them.

    Attributes:
        places: Among the records of the run.
        truth, estimate: In percent.
        spread: Standard deviation of what the clips of a film say.
        distance: Of every record of the run from the training films; NaN where there are none.
    """

    places: Sequence[int]
    records: Sequence[Record]
    truth: Float64[np.ndarray, " n"]
    estimate: Float64[np.ndarray, " n"]
    spread: Float64[np.ndarray, " n"]
    distance: Float64[np.ndarray, " records"]

    def agreement(self) -> Mapping[str, Metric]:
        """`bias`, `limit_low` and `limit_high` of what is said minus the truth."""
        who = [record.subject for record in self.records]
        return limits(self.truth, self.estimate, who, unit=UNIT, seed=SEED)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What is said of one film.

    Attributes:
        clips: Estimates by clips all over it, in percent.
        low, high: Ends of the interval.
        n: Films that the interval is made from.
        promise: Share of new films that intervals hold.
        abstains: Whether the film is farther from those of the training than nearly all are.
    """

    clips: Float64[np.ndarray, " clips"]
    low: float
    high: float
    n: int
    promise: float
    abstains: bool

    @property
    def estimate(self) -> float:
        """Mean of the clips."""
        return float(self.clips.mean())


def reference(shown: Shown, index: Index, progress: Progress) -> Reference:
    """Ask about validation films of a run.

    Raises:
        BadInput: Validation films of fewer than two subjects are on the page and know their EF.
    """
    known = [p for p in typical.of_split(shown.records, "val") if _truth(shown, p) is not None]
    each = typical.one_each(shown.records, known, seed=SEED)
    if len(each) < 2:
        raise BadInput(
            "Validation films of fewer than two subjects know their EF here, and intervals are "
            "made from these; open the page without --only."
        )
    places = sorted(np.random.default_rng(SEED).permutation(each)[:FILMS].tolist())
    said: list[Float64[np.ndarray, " clips"]] = []
    for start in range(0, len(places), CHUNK):
        with shown.lock:
            said += clips(shown, places[start : start + CHUNK])
        progress(min(1.0, (start + CHUNK) / len(places)))
    return Reference(
        places=places,
        records=[shown.records[place] for place in places],
        truth=np.array([_truth(shown, place) for place in places], np.float64),
        estimate=np.array([some.mean() for some in said]),
        spread=np.array([some.std() for some in said]),
        distance=_distances(shown, index),
    )


def clips(shown: Shown, places: Sequence[int]) -> list[Float64[np.ndarray, " clips"]]:
    """What clips all over these films say; the lock of the run is held.

    Raises:
        BadInput: The model does not estimate EF.
    """
    filmed: Any = importlib.import_module("septum.tasks.filmed")  # takes seconds
    return filmed.estimates(shown.run.model, shown.samples, list(places), "all", seed=SEED)


def judged(
    known: Reference, film: Float64[np.ndarray, " clips"], record: Record, place: int
) -> Said:
    """The interval round what clips of a film say, and whether it is better not answered."""
    conformal: Any = importlib.import_module("septum.tasks.conformal")
    others = [i for i, other in enumerate(known.records) if other.subject != record.subject]
    one: dict[str, Any] = {
        "records": [record],
        "truth": np.array([np.nan]),
        "estimate": np.array([film.mean()]),
        "scale": {"normalised": np.array([film.std() + conformal.FLOOR])},
        "distance": known.distance[[place]],
    }
    calibration = conformal.Told(
        records=[known.records[i] for i in others],
        truth=known.truth[others],
        estimate=known.estimate[others],
        scale={"normalised": known.spread[others] + conformal.FLOOR},
        distance=known.distance[[known.places[i] for i in others]],
    )
    found = conformal.judge(calibration, conformal.Told(**one), SEED)
    low, high = found.ends["normalised"][:, 0].tolist()
    return Said(
        clips=film, low=low, high=high, n=len(others), promise=1 - conformal.MISS,
        abstains=bool(found.far[0]),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One frame of a film.

    Attributes:
        ventricle: Its left ventricle; None where nobody drew it.
    """

    name: str
    frame: int
    ventricle: Bool[np.ndarray, "h w"] | None


def phases(shown: Shown, place: int, ruler: Shown | None) -> tuple[Sequence[Phase], str]:
    """End-diastole and end-systole of a film, and who says so.

    The largest and the smallest of the traced outlines; without two of these those of the masks
    that another run draws, whose lock is taken; without such a run the first and the last frame.
    """
    frames, outlines = shown.frames(place), shown.records[place].outlines
    if len(outlines) > 1:
        size = (frames.shape[1], frames.shape[2])
        return _extremes({k: outline.fill(outlines[k], size) for k in outlines}), "as traced"
    if ruler is not None:
        found = {k: _cavity(ruler, frames[k]) for k in _spread(len(frames), LOOKS)}
        if any(ventricle.any() for ventricle in found.values()):
            return _extremes(found), f"by the masks of {ruler.title}"
    ends = (Phase(name="first", frame=0, ventricle=None),
            Phase(name="last", frame=len(frames) - 1, ventricle=None))  # fmt: skip
    return ends, "the first and the last: nobody says which frame is which"


def rulers(runs: Sequence[Shown]) -> list[Shown]:
    """The runs of a page that segment the left ventricle in stills."""
    return [
        run
        for run in runs
        if isinstance(run.run.model, Segments)
        and not run.is_film()
        and CAVITY in run.samples.classes
    ]


@dataclass(frozen=True, kw_only=True)
class Explained:
    """Where in a clip its estimate comes from.

    Attributes:
        frames: Some of the clip, in [0, 1].
        heat: Of these frames by its name, signed.
        focus: By the same name, the share of all heat inside the left ventricle at end-diastole.
        chance: Share of the picture that this ventricle is; NaN where nobody traced it.
    """

    frames: Float[np.ndarray, "t h w"]
    heat: Mapping[str, Float[np.ndarray, "t h w"]]
    focus: Mapping[str, float]
    chance: float


def explained(shown: Shown, place: int) -> Explained:
    """Grad-CAM and saliency of the first clip of a film; the lock of the run is held.

    Raises:
        BadInput: captum is not installed.
    """
    if importlib.util.find_spec("captum") is None:
        raise BadInput("Where an estimate comes from needs captum: pip install 'septum[explain]'")
    attribution: Any = importlib.import_module("septum.tasks.attribution")
    batch = shown.batch(place)
    estimate = attribution.Estimate(shown.run.model, EF)
    heats: Mapping[str, Tensor] = attribution.heats(estimate, batch.image)[1]
    clip = batch.image[0, 0]
    seen = clip.flatten(1).any(1)
    inside = None if batch.mask is None else batch.mask == 1
    if inside is None or not inside.any():
        inside = torch.zeros(1, *clip.shape[1:], dtype=torch.bool)
    few = _spread(int(seen.sum()), FRAMES)
    traced = bool(inside.any())
    return Explained(
        frames=clip[few].numpy(),
        heat={name: heat[0, few].numpy() for name, heat in heats.items()},
        focus={
            name: float(share_inside(heat, inside, seen[None])[0]) if traced else np.nan
            for name, heat in heats.items()
        },
        chance=float(inside.double().mean()) if traced else np.nan,
    )


def strip(
    frames: Float[np.ndarray, "t h w"], heat: Float[np.ndarray, "t h w"]
) -> UInt8[np.ndarray, "h tw 3"]:
    """Frames beside one another under their heat: orange above 0, blue below, clear at 0.

    It is strongest at the 99th percentile of its size over all of the frames.
    """
    most = float(np.percentile(np.abs(heat), 99)) or 1.0
    wide, over = (np.concatenate([*part], axis=1) for part in (frames, (heat / most).clip(-1, 1)))
    colours = CHANGE((over + 1) / 2)
    colours[..., 3] = 0.7 * np.abs(over)
    return pictures.tinted(pictures.grey(wide), colours)


def estimates_films(shown: Shown) -> bool:
    """Whether the model estimates something of films."""
    return shown.is_film() and isinstance(shown.run.model, Regresses)


def explains(shown: Shown) -> bool:
    """Whether the model shows what its estimates are made from."""
    return shown.is_film() and isinstance(shown.run.model, Explains)


def _distances(shown: Shown, index: Index) -> Float64[np.ndarray, " records"]:
    train = typical.of_split(shown.records, "train")
    if len(train) < 2:
        return np.full(len(shown.records), np.nan)
    return typical.mahalanobis(index.pooled, train)


def _truth(shown: Shown, place: int) -> float | None:
    return number(shown.records[place], EF)


def _extremes(found: Mapping[int, Bool[np.ndarray, "h w"]]) -> Sequence[Phase]:
    """The frames with the largest ventricle, and with the smallest that there is."""
    area = {frame: int(inside.sum()) for frame, inside in found.items()}
    largest = max(area, key=area.__getitem__)
    smallest = min(area, key=lambda frame: area[frame] or area[largest])
    return (
        Phase(name="end-diastole", frame=largest, ventricle=found[largest]),
        Phase(name="end-systole", frame=smallest, ventricle=found[smallest]),
    )


def _cavity(ruler: Shown, frame: np.ndarray) -> Bool[np.ndarray, "h w"]:
    """Left ventricle of a frame, at its size."""
    with ruler.lock:
        mask = segmented(ruler, frame.astype(np.float32) / 255)
    inside = mask == list(ruler.samples.classes).index(CAVITY)
    rows = np.arange(frame.shape[0]) * mask.shape[0] // frame.shape[0]
    columns = np.arange(frame.shape[1]) * mask.shape[1] // frame.shape[1]
    return inside[rows][:, columns]


def _spread(count: int, most: int) -> list[int]:
    """At most so many of the first numbers, evenly spread from 0 to the last."""
    return np.unique(np.linspace(0, max(0, count - 1), most).round().astype(int)).tolist()
