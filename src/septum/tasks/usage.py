"""How many concepts does a model need?

    concepts that share one price each -> given up one by one on training images, the cheapest first
                                       -> nested sets A_C, ..., A_1
    tested images -> D(A), the error of what concepts of A alone draw -> k with the least
                     J(k) = ln D(A_k) + price k

A concept that is given up hands its cells to the next likeliest of those that are left. D is the
mean squared error of the picture without styles against the blurred image, the loss of
ConceptVAE's Eq. 3, beta 3, so a concept stays if without it D rises by more than about `price`
of itself: 2 % at 0.02. Of two concepts that say the same, one goes for nothing, and then the other
is needed. J is a description length (Rissanen, Automatica 14:465, 1978): ln D is the code
of residuals of unknown variance; the price is chosen, not ln(n) / n, because neighbouring cells
are not independent. Elimination backwards is greedy: no subset of the same size that keeps a
concept already given up is tried.
"""

import heapq
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from torch import Tensor

from septum.contract import (
    BadInput,
    Decodes,
    Discretises,
    Label,
    Metric,
    Model,
    Record,
    Report,
    Samples,
)
from septum.nn.device import device_of
from septum.tasks.frozen import encoded

PRICE = 0.02
"""Share of D that a concept must be worth."""
IMAGES = 128
"""Training images on which concepts are given up, drawn at random."""
RESAMPLES = 2_000


@runtime_checkable
class Speller(Model, Discretises, Decodes, Protocol):
    """A model that draws images from discrete concepts."""


def run(
    model: Model,
    train: Samples,
    test: Samples,
    seed: int,
    *,
    price: float = PRICE,
    images: int = IMAGES,
) -> Report:
    """Number of concepts needed, seen and offered; a row and a point of the curve per concept.

    Intervals are over the tested subjects, with the nested sets as they are: another training
    would find others.

    Raises:
        BadInput: If the model has no discrete concepts that it draws from.
    """
    if not isinstance(model, Speller):
        raise BadInput(
            "This model has no discrete concepts that it draws from, so none can be counted; "
            "ask it to segment, retrieve or monitor instead."
        )
    learn = list(_drawings(model, train, _some(len(train.records), images, seed)))
    order = elimination(_loss(learn), range(learn[0].p.shape[1]))
    asked = _drawings(model, test, range(len(test.records)))
    parts = [(drawing.nested_errors(order), drawing.shares()) for drawing in asked]
    errors = np.concatenate([error for error, _ in parts])
    share = np.concatenate([share for _, share in parts]).mean(axis=0)
    resampled = _resampled(errors, test.records, seed)
    metrics = _metrics(errors, resampled, share, price=price)
    k = int(metrics["concepts/needed"].value)
    rows = _rows(order, errors.mean(axis=0), share, needed=k)
    return Report(metrics=metrics, rows=rows, figures={"needed": _figure(errors, resampled, k)})


def elimination(loss: Callable[[frozenset[int]], float], concepts: Iterable[int]) -> Sequence[int]:
    """Concepts in the order in which they are given up, the cheapest first; the last one stays.

    What a concept costs hardly ever falls when others go. So a cost found earlier is taken for a
    lower bound, and a concept is asked again only when it would be next (Minoux, Optimization
    Techniques, 1978): about 3 C sets are tried instead of C² / 2.

    >>> worth = {0: 4.0, 1: 1.0, 2: 2.0}
    >>> elimination(lambda kept: -sum(worth[c] for c in kept), worth)
    [1, 2, 0]
    """
    kept, order = frozenset(concepts), list[int]()
    now, bounds = loss(kept), [(-math.inf, c) for c in sorted(kept)]
    while len(kept) > 1:
        _, c = heapq.heappop(bounds)
        cost = loss(kept - {c}) - now
        if bounds and cost > bounds[0][0]:
            heapq.heappush(bounds, (cost, c))
        else:
            kept, now = kept - {c}, now + cost
            order.append(c)
    return [*order, *kept]


def needed(error: Float[np.ndarray, "r c"], *, price: float) -> Int[np.ndarray, " r"]:
    """The k that minimises ln D(k) + price k, where column k - 1 holds D with k concepts.

    >>> needed(np.array([[1.0, 0.5, 0.499]]), price=0.01)
    array([2])
    """
    k = np.arange(1, error.shape[1] + 1)
    return np.argmin(np.log(error.clip(min=1e-12)) + price * k, axis=1) + 1


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Some images, and what draws them from concepts alone.

    Attributes:
        p: Their concepts.
        still: Styles of 0.
        plain: The blurred images that are wanted.
    """

    model: Speller
    p: Float[Tensor, "b c h w"]
    still: Float[Tensor, "b s h w"]
    plain: Float[Tensor, "b 1 H W"]

    @torch.no_grad()
    def errors(self, kept: Collection[int]) -> Float[np.ndarray, " b"]:
        """Mean squared error of every image, drawn from these concepts alone."""
        lost = torch.ones(self.p.shape[1], dtype=torch.bool, device=self.p.device)
        lost[list(kept)] = False
        best = self.model.discretise(self.p.masked_fill(lost[:, None, None], -1.0))
        off = self.model.decode(best, self.still) - self.plain
        return (off**2).mean(dim=(1, 2, 3)).double().cpu().numpy()

    def nested_errors(self, order: Sequence[int]) -> Float[np.ndarray, "b c"]:
        """Errors with the last 1, 2, ... of the order of elimination."""
        return np.stack([self.errors(order[-k:]) for k in range(1, len(order) + 1)], axis=1)

    def shares(self) -> Float[np.ndarray, "b c"]:
        """Share of the cells of which every concept is the likeliest."""
        return self.model.discretise(self.p).double().mean(dim=(2, 3)).cpu().numpy()


def _drawings(model: Speller, samples: Samples, places: Sequence[int]) -> Iterator[Drawing]:
    where = device_of(model)
    for batch, features in encoded(model, samples, places):
        assert features.style is not None  # what decodes has one
        with torch.no_grad():
            plain = model.plain(batch.image.to(where))
        still = torch.zeros_like(features.style, device=where)
        yield Drawing(model=model, p=features.content.to(where), still=still, plain=plain)


def _some(count: int, images: int, seed: int) -> list[int]:
    drawn = np.random.default_rng(seed).permutation(count)[:images]
    return [int(place) for place in np.sort(drawn)]


def _loss(drawings: Sequence[Drawing]) -> Callable[[frozenset[int]], float]:
    """Logarithm of D of a set of concepts."""

    def loss(kept: frozenset[int]) -> float:
        error = np.concatenate([drawing.errors(kept) for drawing in drawings]).mean()
        return math.log(max(float(error), 1e-12))

    return loss


def _resampled(
    errors: Float[np.ndarray, "n c"], records: Sequence[Record], seed: int
) -> Float[np.ndarray, "r c"]:
    """D of the nested sets on as many subjects as there are, drawn with replacement."""
    _, subject = np.unique([record.subject for record in records], return_inverse=True)
    count = np.bincount(subject)
    sums = np.stack([np.bincount(subject, weights=column) for column in errors.T], axis=1)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(count), np.full(len(count), 1 / len(count)), size=RESAMPLES)
    return (drawn @ sums) / (drawn @ count)[:, None]


def _metrics(
    errors: Float[np.ndarray, "n c"],
    resampled: Float[np.ndarray, "r c"],
    share: Float[np.ndarray, " c"],
    *,
    price: float,
) -> dict[str, Metric]:
    n, offered = errors.shape
    seen = int((share > 0).sum())
    k = int(needed(errors.mean(axis=0, keepdims=True), price=price)[0])
    rise = 100 * (resampled[:, k - 1] / resampled[:, -1] - 1)
    found = {
        "concepts/needed": (k, needed(resampled, price=price), ""),
        "concepts/seen": (seen, [seen], ""),
        "concepts/offered": (offered, [offered], ""),
        "error_rise_percent": (
            100 * (errors[:, k - 1].mean() / errors[:, -1].mean() - 1), rise, "%",
        ),
    }  # fmt: skip
    bounds = {name: np.percentile(many, [2.5, 97.5]) for name, (_, many, _) in found.items()}
    return {
        name: Metric(
            value=float(value), low=float(bounds[name][0]), high=float(bounds[name][1]), unit=unit,
            n=n,
        )
        for name, (value, _, unit) in found.items()
    }  # fmt: skip


def _rows(
    order: Sequence[int],
    error: Float[np.ndarray, " c"],
    share: Float[np.ndarray, " c"],
    *,
    needed: int,
) -> list[dict[str, Label]]:
    """One per concept, the most needed first."""
    return [
        {
            "concept": float(c),
            "rank": float(k),
            "share": float(share[c]),
            "error": float(error[k - 1]),
            "needed": "yes" if k <= needed else "no",
        }
        for k, c in enumerate(reversed(order), start=1)
    ]


def _figure(
    errors: Float[np.ndarray, "n c"], resampled: Float[np.ndarray, "r c"], k: int
) -> Figure:
    """D against the number of concepts, with its interval, and where it is worth the price."""
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    number = np.arange(1, errors.shape[1] + 1)
    low, high = np.percentile(resampled, [2.5, 97.5], axis=0)
    axes.plot(number, errors.mean(axis=0), "o-", color="#0072B2", markersize=3)
    axes.fill_between(number, low, high, color="#0072B2", alpha=0.25, linewidth=0)
    axes.axvline(k, color="#D55E00", linestyle="--", label=f"needed: {k}")
    axes.set_yscale("log")
    axes.set_xlabel("concepts kept")
    axes.set_ylabel("error of pictures from concepts alone")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False)
    return figure
