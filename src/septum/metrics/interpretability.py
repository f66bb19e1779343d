"""Do codes keep the order of attributes, and does an edit move one attribute alone?

    proxies, labels --all pairs--> order loss                    codes, label --> one code --> R²
    an attribute along an edit --> rises? by how much? what else moves?

* The order loss is eq. 9 to 11 of Attri-SSC-VAE, from Pati, Lerch, Attribute-based Regularization
  of Latent Spaces for Variational Auto-Encoders, 2020, arXiv:2004.05485.
* The interpretability of an attribute is how linearly it shows in the one code that knows most of
  it: R² = 1 - Σ (a - α z_j - β)² / Σ (a - ā)² with j = argmax I(a; z_j) and (α, β) of least
  squares, as Pati and Lerch score what Adel, Ghahramani and Weller define (Discovering
  Interpretable Representations for Both Deep Generative and Discriminative Models, ICML 2018).
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from septum.contract import Metric
from septum.metrics.information import binned, counted
from septum.metrics.resample import told_by_subject

CHUNK = 4_000_000
"""Weights of cases that are held at a time."""

Score = Callable[[Float[np.ndarray, "r c"]], Float[np.ndarray, " r"]]
"""A score from the medians of c columns; NaN where it is not defined."""


def order_loss(
    proxies: Float[np.ndarray, "n a"],
    labels: Float[np.ndarray, "n a"],
    subjects: Sequence[str],
    *,
    delta: float = 10.0,
    seed: int = 0,
    resamples: int = 2_000,
) -> Metric:
    """Mean of |tanh(δ (â_p - â_q)) - sgn(a_p - a_q)| over ordered pairs, summed over attributes.

    Pairs of a case with itself count, as in the papers; those with a label that is NaN do not. Of n
    different labels, all in order and far apart, it is 0; against their order 2 (n - 1) / n; and
    (n - 1) / n where the proxies are all the same. The 95 % percentile interval is over resampled
    subjects: a pair counts as often as its two subjects were drawn, multiplied.

    Raises:
        ValueError: If an attribute has no label.

    >>> order_loss(np.array([[0.0], [9.0]]), np.array([[1.0], [2.0]]), ["a", "b"]).value
    0.0
    """
    if np.isnan(labels).all(0).any():
        raise ValueError("an attribute has no label")
    _, subject = np.unique(np.asarray(subjects), return_inverse=True)
    blocks = [
        _blocks(*columns, subject, delta) for columns in zip(proxies.T, labels.T, strict=True)
    ]
    s = int(subject.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(s, np.full(s, 1 / s), size=resamples)
    value, *again = _losses(np.concatenate([np.ones((1, s)), drawn]), blocks).tolist()
    low, high = np.nanpercentile([value, *again], [2.5, 97.5]).tolist()
    return Metric(value=value, low=min(low, value), high=max(high, value), unit="", n=len(subjects))


def interpretability(
    codes: Float[np.ndarray, "n d"],
    label: Float[np.ndarray, " n"],
    subjects: Sequence[str],
    *,
    seed: int = 0,
) -> Metric:
    """R² of the label on the code that tells most of it, with its interval over subjects.

    >>> codes = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    >>> interpretability(codes, 3 - codes[:, 0], ["a", "b", "c"]).value
    1.0
    """
    code = codes[:, informative(codes, label)]
    off = code - code.mean()
    power = off @ off
    said = label.mean() + (off * (off @ label) / power if power > 0 else 0 * off)
    return told_by_subject((label - said) ** 2, (label - label.mean()) ** 2, subjects, seed=seed)


def informative(codes: Float[np.ndarray, "n d"], label: Float[np.ndarray, " n"]) -> int:
    """The code of the largest mutual information with the label, both in eight equal bins."""
    told, _ = counted(binned(codes), binned(label[:, None]))
    return int(told[:, 0].argmax())


def rises(values: Float[np.ndarray, "n steps"], *, tolerance: float) -> Bool[np.ndarray, " n"]:
    """Whether a series never falls by more than the tolerance, and ends two of them higher.

    One that is NaN somewhere, or ends where it begins, does not.

    >>> rises(np.array([[0.0, 3.0, 2.5], [0.0, 0.5, 1.0], [0.0, np.nan, 9.0]]), tolerance=1.0)
    array([ True, False, False])
    """
    gain = values[:, -1] - values[:, 0]
    falls_nowhere = (np.diff(values, axis=1) >= -tolerance).all(1)
    return falls_nowhere & (gain >= 2 * tolerance) & (gain > 0)


def of_medians(
    columns: Float[np.ndarray, "n c"],
    score: Score,
    subjects: Sequence[str],
    *,
    unit: str,
    seed: int = 0,
    resamples: int = 2_000,
) -> Metric:
    """A score of medians over cases, with the 95 % percentile interval over resampled subjects.

    Cases that are NaN in a column are left out of its median; `n` counts those known in all.
    Resamples in which the score is not defined do not count; the interval holds the value.

    >>> of_medians(np.array([[1.0], [2.0], [9.0]]), lambda m: m[:, 0], ["a"] * 3, unit="mm")
    Metric(value=2.0, low=2.0, high=2.0, unit='mm', n=3)
    """
    _, subject = np.unique(np.asarray(subjects), return_inverse=True)
    s, n = int(subject.max()) + 1, len(columns)
    rng, rows = np.random.default_rng(seed), max(1, CHUNK // n)
    drawn = (
        rng.multinomial(s, np.full(s, 1 / s), size=min(rows, resamples - start))
        for start in range(0, resamples, rows)
    )
    found = [
        score(np.stack([_medians(column, times[:, subject]) for column in columns.T], axis=1))
        for times in (np.ones((1, s), dtype=np.int64), *drawn)
    ]
    value, *again = np.concatenate(found).tolist()
    low, high = np.nanpercentile([value, *again], [2.5, 97.5]).tolist()
    n = int((~np.isnan(columns)).all(1).sum())
    return Metric(value=value, low=min(low, value), high=max(high, value), unit=unit, n=n)


def _blocks(
    proxy: Float[np.ndarray, " n"],
    label: Float[np.ndarray, " n"],
    subject: Int[np.ndarray, " n"],
    delta: float,
) -> Float[np.ndarray, "2 s s"]:
    """Losses, and number, of the pairs between every two subjects."""
    one_hot = (subject[:, None] == np.arange(subject.max() + 1)) & ~np.isnan(label)[:, None]
    one_hot, label = one_hot.astype(np.float64), np.nan_to_num(label)
    said, true = (column[:, None] - column for column in (proxy, label))
    loss = np.abs(np.tanh(delta * said) - np.sign(true))
    count = one_hot.sum(0)
    return np.stack([one_hot.T @ loss @ one_hot, count[:, None] * count])


def _losses(
    times: Float[np.ndarray, "r s"], blocks: Sequence[Float[np.ndarray, "2 s s"]]
) -> Float[np.ndarray, " r"]:
    """Mean over pairs, summed over attributes, where subjects come so often; NaN without pairs."""
    sums = [np.einsum("rs,kst,rt->kr", times, block, times, optimize=True) for block in blocks]
    return np.sum([loss / np.where(pairs > 0, pairs, np.nan) for loss, pairs in sums], axis=0)


def _medians(
    column: Float[np.ndarray, " n"], times: Int[np.ndarray, "r n"]
) -> Float[np.ndarray, " r"]:
    """Where cases come so often; NaN where none does."""
    order = column.argsort()[: (~np.isnan(column)).sum()]
    if len(order) == 0:
        return np.full(len(times), np.nan)
    below = times[:, order].cumsum(1)
    half = below[:, -1:] / 2
    middle = column[order][np.stack([(below >= half).argmax(1), (below > half).argmax(1)])]
    return np.where(half[:, 0] > 0, middle.mean(0), np.nan)
