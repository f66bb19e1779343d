"""How much every number of a code tells about a factor, corrected for chance.

Codes and quantities are cut into eight equally filled bins and counted, so that nothing depends on
the scale of a code, and mutual information is exact for what was counted. Counting finds
information in noise, the more the fewer subjects there are, so chance is measured and taken off
(as in Vinh, Epps, Bailey, JMLR 11:2837, 2010, with whole subjects in place of single cases).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.special import xlogy
from scipy.stats import rankdata

from septum.metrics.factor import Factor

BINS = 8
SHUFFLES = 50
"""How often the factor is dealt to other subjects to see what chance tells."""
BEYOND = 4.0
"""Standard deviations of chance that a code must tell more than chance to count at all."""


def information(
    codes: Float[np.ndarray, "n d"],
    factors: Sequence[Factor],
    subjects: Sequence[str],
    *,
    seed: int,
) -> Float[np.ndarray, "d k"]:
    """(I - I by chance) / (H - I by chance) of every code and factor, in [0, 1].

    I is the mutual information of the two and H the entropy of the factor: 1 is a code that names
    the factor, 0 one that tells no more than chance. A code that is not clearly beyond chance with
    any factor has zeros only: it is inactive. Images of unknown factor are left out, and a factor
    that does not vary has no information.
    """
    found = [_beside_chance(codes, factor, np.asarray(subjects), seed) for factor in factors]
    told, beyond = np.stack(found, axis=-1)
    return np.where((beyond > BEYOND).any(1, keepdims=True), told.clip(0, 1), 0)


def binned(values: Float[np.ndarray, "n d"]) -> Int[np.ndarray, "n d"]:
    """Bin of every value in its column, in [0, 8): equally filled, equal values in one bin."""
    rank = rankdata(values, axis=0)
    return ((rank - 0.5) * BINS // len(values)).astype(np.int64)


def shuffled(subject: Int[np.ndarray, " n"], rng: np.random.Generator) -> Int[np.ndarray, " n"]:
    """Whose value every image is dealt: that of another subject's image.

    Subject by subject in random order, and within a subject in random order too: images of one
    subject stay as alike as they are, which tells them apart from so many independent ones.
    """
    subjects = subject.max() + 1
    giver, taker = (
        np.lexsort((rng.random(len(subject)), rng.permutation(subjects)[subject])) for _ in range(2)
    )
    whose = np.empty_like(giver)
    whose[taker] = giver
    return whose


def _beside_chance(
    codes: Float[np.ndarray, "n d"], factor: Factor, subjects: np.ndarray, seed: int
) -> Float[np.ndarray, "2 d"]:
    """What every code tells, chance taken off, and the standard deviations it is beyond chance."""
    known = factor.known
    if not factor.varies:
        return np.zeros((2, codes.shape[1]))
    value = _index(factor.at(known))
    rng = np.random.default_rng(seed)
    _, subject = np.unique(subjects[known], return_inverse=True)
    dealt = [value, *(value[shuffled(subject, rng)] for _ in range(SHUFFLES))]
    found, most = counted(binned(codes[known]), np.stack(dealt, axis=1))
    chance, spread = found[:, 1:].mean(1), found[:, 1:].std(1)
    more = found[:, 0] - chance
    return np.stack([more / np.maximum(most - chance, 1e-9), more / np.maximum(spread, 1e-9)])


def counted(
    code: Int[np.ndarray, "n d"], value: Int[np.ndarray, "n s"]
) -> tuple[Float[np.ndarray, "d s"], float]:
    """Mutual information in nats of every code with every column, and entropy of the first one."""
    n, d = code.shape
    codes, values = _one_hot(code), _one_hot(value)
    joint = codes.reshape(n, -1).T @ values.reshape(n, -1) / n
    joint = joint.reshape(d, codes.shape[2], -1, values.shape[2]).astype(np.float64)
    other = _entropy(joint.sum(1), (2,))
    found = _entropy(joint.sum(3), (1,)) + other - _entropy(joint, (1, 3))
    return found, float(other[0, 0])


def _entropy(share: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """-Σ p ln p over these axes."""
    return -xlogy(share, share).sum(axes)


def _index(factor: Factor) -> Int[np.ndarray, " n"]:
    return factor.values.astype(int) if factor.classes else binned(factor.values[:, None])[:, 0]


def _one_hot(index: Int[np.ndarray, "n d"]) -> Float[np.ndarray, "n d bins"]:
    return (index[..., None] == np.arange(index.max() + 1)).astype(np.float32)
