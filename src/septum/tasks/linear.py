"""What of an image a linear map of its features tells: the two probes of representations.

    features --standardised--------------> logistic regression, its penalty cross-validated
    features --batch norm, no parameters--> linear layer, 90 epochs of LARS   (MAE)

Both are taught with the labels of whole subjects, and answer with a probability per class.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F

from septum.nn.lars import LARS

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""What C of the logistic regression is chosen from; the last where nothing can choose."""
FOLDS = 5
UNSEEN = 1e-6
"""Probability that a class counts with, at least: one that a part of the subjects does not show."""
EPOCHS, WARMUP = 90, 10
RATE = 6.4
"""Of LARS: 0.1 for every 256 images of batches of 16384 (He et al., appendix A.1). LARS moves
weights by a share of their size, so that smaller batches do not ask for less."""
BATCH, PARTS = 256, 8
"""Images of a batch at most, and batches of an epoch at least."""

Probe = Callable[[Float[np.ndarray, "m e"]], Float[np.ndarray, "m k"]]
"""Features to the probability of every class."""


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """Features of images whose class is known.

    Attributes:
        x: Pooled features.
        y: Index of the class.
        classes: How many there are to tell.
    """

    x: Float[np.ndarray, "n e"]
    y: Int[np.ndarray, " n"]
    subjects: Sequence[str]
    classes: int

    def at(self, rows: Bool[np.ndarray, " n"]) -> "Lessons":
        """Those of some of the images."""
        subjects = np.asarray(self.subjects)[rows].tolist()
        return Lessons(x=self.x[rows], y=self.y[rows], subjects=subjects, classes=self.classes)

    def shown(self) -> dict[str, tuple[int, ...]]:
        """The classes that every subject shows, in order."""
        of: dict[str, set[int]] = {}
        for name, c in zip(self.subjects, self.y.tolist(), strict=True):
            of.setdefault(name, set()).add(c)
        return {name: tuple(sorted(of[name])) for name in sorted(of)}

    def fewest(self) -> int:
        """Subjects of the rarest of the classes that occur."""
        shown = np.array([c for classes in self.shown().values() for c in classes])
        return int(np.unique(shown, return_counts=True)[1].min())


def logistic(lessons: Lessons, *, seed: int) -> Probe:
    """Multinomial logistic regression on standardised features.

    C is the one of `PENALTIES` with the highest likelihood of subjects that a fit has not seen:
    five parts of them, or as many as the rarest class has. With one subject of a class it is 1.
    """
    penalty = PENALTIES[-1] if lessons.fewest() < 2 else _chosen(lessons, seed)
    return _probe(_fit(lessons, penalty), lessons.classes)


def linear(lessons: Lessons, *, seed: int) -> Probe:
    """A linear layer behind a batch norm without parameters, as MAE is probed.

    He, Chen, Xie, Li, Dollár, Girshick, CVPR 2022, arXiv:2111.06377, appendix A.1: 90
    epochs of LARS without decay, the rate rising over 10 of them and falling to 0 in a half cosine.
    Batches are smaller than there, as are the sets: an eighth of the images, 256 at most.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _trained(torch.from_numpy(lessons.x).float(), torch.from_numpy(lessons.y), lessons)

    @torch.no_grad()
    def probe(x: Float[np.ndarray, "m e"]) -> Float[np.ndarray, "m k"]:
        return net(torch.from_numpy(x).float()).double().softmax(1).numpy()

    return probe


def fraction(lessons: Lessons, share: float, *, seed: int) -> Lessons | None:
    """The lessons of so many subjects, drawn at random; None where they do not show every class.

    The first to be drawn are one subject of each class that is not yet shown: so a larger share of
    the same seed holds a smaller one.
    """
    shows = lessons.shown()
    order = np.random.default_rng(seed).permutation(list(shows)).tolist()
    first: dict[str, None] = {}
    for c in np.unique(lessons.y):
        if not any(c in shows[name] for name in first):
            first[next(name for name in order if c in shows[name])] = None
    kept = [*dict.fromkeys([*first, *order])][: round(share * len(order))]
    few = lessons.at(np.isin(np.asarray(lessons.subjects), kept))
    return few if len(np.unique(few.y)) == len(np.unique(lessons.y)) else None


def _chosen(lessons: Lessons, seed: int) -> float:
    parts = list(_parts(lessons, seed))
    losses = [sum(_loss(lessons, part, penalty) for part in parts) for penalty in PENALTIES]
    return PENALTIES[int(np.argmin(losses))]


def _parts(lessons: Lessons, seed: int) -> Iterator[Bool[np.ndarray, " n"]]:
    """Which images to hold out in turn.

    Subjects are dealt out by the classes that they show, so that parts are alike, and that what a
    part leaves shows two classes at least.
    """
    shows = lessons.shown()
    shuffled = np.random.default_rng(seed).permutation(list(shows)).tolist()
    dealt = np.array(sorted(shuffled, key=lambda name: shows[name]))
    parts = min(FOLDS, lessons.fewest())
    for part in range(parts):
        yield np.isin(np.asarray(lessons.subjects), dealt[part::parts])


def _loss(lessons: Lessons, out: Bool[np.ndarray, " n"], penalty: float) -> float:
    """Cross-entropy of the images held out, in sum."""
    said = _probe(_fit(lessons.at(~out), penalty), lessons.classes)(lessons.x[out])
    right = np.take_along_axis(said, lessons.y[out][:, None], 1)
    return -float(np.log(np.maximum(right, UNSEEN)).sum())


def _fit(lessons: Lessons, penalty: float) -> Pipeline:
    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=1_000))
    return fitted.fit(lessons.x, lessons.y)


def _probe(fitted: Pipeline, classes: int) -> Probe:
    """Probability 0 for classes that the fit has not seen."""

    def probe(x: Float[np.ndarray, "m e"]) -> Float[np.ndarray, "m k"]:
        said = np.zeros((len(x), classes))
        said[:, fitted.classes_] = fitted.predict_proba(x)
        return said

    return probe


def _trained(
    x: Float[torch.Tensor, "n e"], y: Int[torch.Tensor, " n"], lessons: Lessons
) -> nn.Module:
    layer = nn.Linear(x.shape[1], lessons.classes)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    net = nn.Sequential(nn.BatchNorm1d(x.shape[1], affine=False, eps=1e-6), layer)
    optimiser = LARS(net.parameters(), lr=RATE)
    size = max(2, min(BATCH, len(x) // PARTS))
    steps = len(x) // size
    for epoch in range(EPOCHS):
        order = torch.randperm(len(x))[: steps * size].view(steps, size)
        for step, rows in enumerate(order):
            optimiser.param_groups[0]["lr"] = RATE * _pace(epoch + step / steps)
            loss = F.cross_entropy(net(x[rows]), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return net.eval()


def _pace(epoch: float) -> float:
    """Share of the rate, in [0, 1]."""
    if epoch < WARMUP:
        return epoch / WARMUP
    return 0.5 + 0.5 * math.cos(math.pi * (epoch - WARMUP) / (EPOCHS - WARMUP))
