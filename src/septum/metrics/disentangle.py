"""Does every number of a code stand for one factor, and every factor in one number?

    codes, factors --counted-->         information (d x k)  --> MIG, modularity, InfoM, InfoC
                   --thresholds-->      separability (d x k) --> SAP
                   --random forests-->  importance (d x k)   --> DCI
                   --linear models-->   told (k)             --> InfoE

Every score is in [0, 1], and 1 is best. d codes, k factors.

* MIG: Chen et al., Isolating Sources of Disentanglement in VAEs, NeurIPS 2018, arXiv:1802.04942,
  section 4.
* SAP: Kumar, Sattigeri, Balakrishnan, Variational Inference of Disentangled Latent Concepts from
  Unlabeled Observations, ICLR 2018, arXiv:1711.00848, section 3.
* DCI: Eastwood, Williams, A Framework for the Quantitative Evaluation of Disentangled
  Representations, ICLR 2018, section 2.
* Modularity: Ridgeway, Mozer, Learning Deep Disentangled Embeddings with the F-Statistic Loss,
  NeurIPS 2018, arXiv:1802.05312.
* InfoMEC: Hsu et al., Disentanglement via Latent Quantization, NeurIPS 2023, arXiv:2305.18378.

Differs from the papers, which have many thousands of independent images

* Information is corrected for chance. A code that tells no more is inactive; modularity, InfoM and
  InfoC leave it out, and are 0 where they have nothing left to compare.
* What forests and linear models tell is asked of subjects they were not fitted to: R² of a
  quantity, which is also what the predictive information of a linear Gaussian comes to; of a class
  the balanced accuracy above chance (DCI) or the share of its entropy taken away (InfoE).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.special import xlogy
from sklearn.tree import DecisionTreeClassifier

from septum.contract import Metric
from septum.metrics.factor import Factor, errors, told
from septum.metrics.information import information
from septum.metrics.reading import Reading, read
from septum.metrics.resample import grouped, jackknifed


def scores(
    codes: Float[np.ndarray, "n d"],
    factors: Sequence[Factor],
    subjects: Sequence[str],
    *,
    seed: int,
) -> dict[str, Metric]:
    """All scores by path, with 95 % intervals from leaving groups of subjects out in turn.

    Raises:
        ValueError: If a factor does not vary, or there are fewer than two codes, factors or
            subjects: there is nothing to tell apart.
    """
    if constant := [factor.name for factor in factors if not factor.varies]:
        raise ValueError(f"the factor {constant[0]} does not vary")
    if min(len(factors), codes.shape[1], len(set(subjects))) < 2:
        raise ValueError("scores need at least two codes, two factors and two subjects")
    who, group = np.asarray(subjects), grouped(subjects, seed=seed)
    readings = [read(codes, factor, group, seed=seed) for factor in factors]
    whole = _scores(codes, readings, subjects, seed)
    without = [
        _scores(codes[kept], [r.without(left, kept) for r in readings], who[kept].tolist(), seed)
        for left in range(group.max() + 1)
        for kept in [group != left]
    ]
    return {
        path: jackknifed(value, [other[path] for other in without], n=len(codes))
        for path, value in whole.items()
    }


def _scores(
    codes: Float[np.ndarray, "n d"], readings: Sequence[Reading], subjects: Sequence[str], seed: int
) -> dict[str, float]:
    factors = [reading.factor for reading in readings]
    strength = information(codes, factors, subjects, seed=seed)
    importance = np.stack([reading.importance.mean(0) for reading in readings], axis=1)
    return {
        "mig": gap(strength),
        "sap": gap(np.stack([separability(codes, f) for f in factors], axis=1)),
        "modularity": modularity(strength),
        "dci/disentanglement": disentanglement(importance),
        "dci/completeness": completeness(importance),
        "dci/informativeness": float(np.mean([told(*reading.forest) for reading in readings])),
        "infomec/modularity": info_modularity(strength),
        "infomec/compactness": info_compactness(strength),
        "infomec/explicitness": float(np.mean([told(*reading.linear) for reading in readings])),
    }


def gap(strength: Float[np.ndarray, "d k"]) -> float:
    """How far the best code of a factor is ahead of the second best, averaged over factors.

    MIG of information, SAP of separability.

    >>> gap(np.array([[0.75, 0.25], [0.5, 0.25]]))
    0.125
    """
    second, best = np.sort(strength, axis=0)[-2:]
    return float((best - second).mean())


def modularity(strength: Float[np.ndarray, "d k"]) -> float:
    """1 - Σ (information on the other factors)² / (k - 1) largest², averaged over active codes.

    >>> modularity(np.array([[0.5, 0.0, 0.25], [0.0, 0.0, 0.0]]))  # 1 - 1/16 / (2 · 1/4)
    0.875
    """
    square = strength[strength.any(1)] ** 2
    if len(square) == 0:
        return 0.0
    most = square.max(1)
    return float(1 - ((square.sum(1) - most) / (square.shape[1] - 1) / most).mean())


def info_modularity(strength: Float[np.ndarray, "d k"]) -> float:
    """InfoM: how far from telling of all factors alike the active codes are.

    >>> info_modularity(np.array([[0.5, 0.0], [0.75, 0.25], [0.0, 0.0]]))  # (7/8 - 1/2) / (1 - 1/2)
    0.75
    """
    return _peaked(strength[strength.any(1)])


def info_compactness(strength: Float[np.ndarray, "d k"]) -> float:
    """InfoC: how far from being told by all active codes alike the factors are.

    >>> info_compactness(np.array([[0.5, 0.0], [0.5, 0.25], [0.0, 0.0]]))  # (3/4 - 1/2) / (1 - 1/2)
    0.5
    """
    return _peaked(strength[strength.any(1)].T)


def disentanglement(importance: Float[np.ndarray, "d k"]) -> float:
    """D of DCI: how far from mattering for all factors alike the codes are, weighted by importance.

    >>> disentanglement(np.array([[1.0, 0.0], [0.5, 0.5]]))
    0.5
    """
    weight = importance.sum(1)
    return float(_certainty(importance) @ weight / weight.sum()) if weight.any() else 0.0


def completeness(importance: Float[np.ndarray, "d k"]) -> float:
    """C of DCI: how far from needing all codes alike the factors are."""
    return float(_certainty(importance.T).mean())


def separability(codes: Float[np.ndarray, "n d"], factor: Factor) -> Float[np.ndarray, " d"]:
    """What a line (of a quantity) or thresholds (of a class) on one code tell of the factor.

    R², or balanced accuracy above chance. There are as many thresholds as classes ask for; so few
    numbers learn nothing by heart, and are asked about the images they were fitted to.
    """
    codes, factor = codes[factor.known], factor.at(factor.known)
    return np.array([told(*errors(factor, _by_one(code, factor))) for code in codes.T])


def _by_one(code: Float[np.ndarray, " n"], factor: Factor) -> Float[np.ndarray, " n"]:
    """What one code says of the factor."""
    if factor.classes:
        thresholds = DecisionTreeClassifier(
            max_leaf_nodes=max(2, len(factor.classes)), class_weight="balanced", random_state=0
        )
        return thresholds.fit(code[:, None], factor.values).predict(code[:, None])
    off, truth = code - code.mean(), factor.values
    power = off @ off
    return truth.mean() + (off * (off @ truth) / power if power > 0 else 0 * off)


def _peaked(strength: Float[np.ndarray, "a b"]) -> float:
    """Share of the largest entry in its row, averaged: 0 all alike, 1 a single one.

    A row of zeros counts as all alike.
    """
    rows, columns = strength.shape
    if rows == 0 or columns < 2:
        return 0.0
    total = strength.sum(1)
    share = np.where(total > 0, strength.max(1) / np.where(total > 0, total, 1), 1 / columns)
    return float((share.mean() - 1 / columns) / (1 - 1 / columns))


def _certainty(importance: Float[np.ndarray, "a b"]) -> Float[np.ndarray, " a"]:
    """1 - entropy of every row over the largest there is: 0 all alike, 1 a single entry."""
    total = importance.sum(1, keepdims=True)
    share = importance / np.where(total > 0, total, 1)
    entropy = -xlogy(share, share).sum(1) / np.log(importance.shape[1])
    return np.where(total[:, 0] > 0, 1 - entropy, 0)
