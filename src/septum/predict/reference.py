"""What the images of a run's own training say of any number and embedding it gives.

    training images --model--> embeddings --> Gaussian
    validation images --model--> distances from it, estimates --truth--> errors

Of one image or film per validation subject, so that it and a new one are exchangeable
(`septum.metrics.conformal`). The distance is that of `septum.tasks.conformal`: of Mahalanobis, with
a shrunk covariance. It takes minutes, and is kept in the run folder, bound to the weights.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from septum import __version__, checkpoint
from septum.contract import Model, Record, Regresses, Samples
from septum.data.prepare import prepare_many
from septum.data.prepared import Prepared
from septum.metrics import conformal, density
from septum.metrics.labels import number
from septum.predict import card as cards
from septum.predict.asked import Said, ask
from septum.predict.card import Card
from septum.runs import Run, as_seen

FILE = "reference.safetensors"
MISS, FAR = 0.05, 0.01
"""Shares of new subjects whose truth an interval may miss, and that may be abstained from."""
IMAGES = 2_000
"""Most images or films of either split, drawn at random."""
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What is held against a new image.

    Attributes:
        card: How the images were read.
        flow: Whitens embeddings.
        distances: Of the validation subjects, rising.
        radius: Half the width of an interval by label name, and of how many subjects it was made.
    """

    card: Card
    flow: density.LinearFlow
    distances: Float64[np.ndarray, " n"]
    radius: Mapping[str, tuple[float, int]]

    def distance(self, pooled: Float[Tensor, "b e"]) -> Float64[np.ndarray, " b"]:
        """How far embeddings lie from those of the training."""
        return self.flow.distance(pooled).numpy()

    def percentile(self, distance: float) -> float:
        """Share of the validation subjects, in percent, that lie nearer."""
        return 100 * float((self.distances < distance).mean())

    def most(self, share: float = FAR) -> float | None:
        """The distance that this share of new subjects exceeds at most; None of too few subjects.

        One in a hundred needs 99 validation subjects, one in twenty needs 19.
        """
        found = conformal.quantile(self.distances, share)
        return found if math.isfinite(found) else None


def load(run: Run) -> Reference | None:
    """The reference in the folder of a run; None if there is none, or one of other weights."""
    path = run.folder / FILE
    try:
        with safe_open(path, framework="pt") as file:
            said = json.loads((file.metadata() or {})["header"])
            tensors = {name: file.get_tensor(name) for name in ("A", "b", "distances")}
        if said["weights"] != _weights(run) or said["septum"] != __version__:
            return None
        return Reference(
            card=cards.from_dict(said["card"]),
            flow=density.LinearFlow(A=tensors["A"], b=tensors["b"]),
            distances=tensors["distances"].numpy(),
            radius={name: (float(q), int(n)) for name, (q, n) in said["radius"].items()},
        )
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # it is made again


def store(run: Run, reference: Reference) -> None:
    """Write it into the folder of the run.

    Raises:
        BadInput: The folder cannot be written.
    """
    header = {
        "septum": __version__,
        "weights": _weights(run),
        "card": cards.as_dict(reference.card),
        "radius": dict(reference.radius),
        "miss": MISS,
        "subjects": len(reference.distances),
    }
    tensors = {
        "A": reference.flow.A.contiguous(),
        "b": reference.flow.b.contiguous(),
        "distances": torch.from_numpy(reference.distances),
    }
    data = save(tensors, metadata={"header": json.dumps(header)})
    checkpoint.write_bytes(run.folder / FILE, data)


def compute(run: Run, names: Sequence[str], root: Path, *, cache: Path | None) -> Reference:
    """Ask the model about its training and validation images, which lie below a folder.

    Raises:
        BadInput: They cannot be read, or one of the splits is empty.
    """
    images = prepare_many(names, root, size=run.recipe.image_size, cache=cache, groups=run.groups)
    seen = as_seen(run, images.limited(run.limits))
    if isinstance(run.model, Regresses) and seen.masks is not None:
        seen = seen.labelled(1.0)  # areas of structures may be what it estimates
    train, val = _drawn(seen, "train"), _drawn(seen, "val")
    flow = _flow(run.model, train)
    card = replace(cards.read(run, root), classes=images.classes)
    bare = Reference(card=card, flow=flow, distances=np.zeros(0), radius={})
    return _calibrated(bare, run.model, val)


def _drawn(images: Prepared, split: str) -> Samples:
    """At most so many images of a split, at random; of the validation one per subject."""
    order = np.random.default_rng(SEED).permutation(len(images.records)).tolist()
    kept: dict[str, int] = {}
    for place in order:
        record = images.records[place]
        if record.split == split:
            kept.setdefault(record.subject if split == "val" else str(place), place)
    places = sorted([*kept.values()][:IMAGES])
    if not places:
        images.split(split)  # says which there are
    records = [images.records[place] for place in places]
    return replace(images, records=records, places=images.places[places]).split(split)


def _flow(model: Model, train: Samples) -> density.LinearFlow:
    """Fitted to one clip of every film, as this is what takes the time."""
    asked = ask(model, train, everything=False, how="one")
    pooled = torch.cat([said.pooled for said in asked])
    seen = density.moments(pooled)
    return density.shrunk_flow(seen)


def _calibrated(bare: Reference, model: Model, val: Samples) -> Reference:
    said = [*ask(model, val, everything=False)]
    distances = _means(said, [bare.distance(one.pooled) for one in said])
    names = list(said[0].numbers)
    estimates = {k: _means(said, [one.numbers[k].numpy() for one in said]) for k in names}
    radii = {name: _radius(name, values, val.records) for name, values in estimates.items()}
    return replace(
        bare,
        distances=np.sort(distances),
        radius={name: found for name, found in radii.items() if math.isfinite(found[0])},
    )


def _means(
    said: Sequence[Said], values: Sequence[Float[np.ndarray, " b"]]
) -> Float64[np.ndarray, " n"]:
    """Of what was said of the frames or clips of every record."""
    place = np.concatenate([one.place for one in said])
    return np.bincount(place, np.concatenate(values)) / np.bincount(place)


def _radius(
    label: str, values: Float64[np.ndarray, " n"], records: Sequence[Record]
) -> tuple[float, int]:
    """Infinite where too few subjects know the label, or it is yes or no and has no interval."""
    truth = [number(record, label) for record in records]
    known = {k: value for k, value in enumerate(truth) if value is not None}
    if set(known.values()) <= {0.0, 1.0}:
        return math.inf, len(known)
    off = np.abs(values[[*known]] - np.array([*known.values()]))
    return conformal.quantile(off, MISS), len(known)


def _weights(run: Run) -> str:
    return sha256((run.folder / checkpoint.WEIGHTS).read_bytes()).hexdigest()
