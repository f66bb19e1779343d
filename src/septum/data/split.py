"""Which part of a data set a subject belongs to: train, val or test.

The unit is the subject: no split may cut it. A published split is kept; every other subject is
placed by a hash of its name alone, so that adding data never moves a subject. Cross-validation
deals all subjects out anew, in the order of their hashes, and stratum by stratum.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from septum.contract import BadInput, Record

SPLITS = ("train", "val", "test")
TRAIN_SHARE = 0.70
VAL_SHARE = 0.15
FOLDS = 3
"""Their tested subjects differ: three times 15 % to validate and 15 % to test fit into a whole."""


def assign(records: Sequence[Record]) -> list[str]:
    """The split of every record.

    A subject that is published in one split takes all its records there, also those without.

    Raises:
        BadInput: A subject is published in two splits, or a split has an unknown name.
    """
    published: dict[str, str] = {}
    for record in records:
        if record.split is None:
            continue
        if record.split not in SPLITS:
            raise BadInput(
                f"{record.id!r} is in the split {record.split!r}; use train, val, test or nothing."
            )
        if published.setdefault(record.subject, record.split) != record.split:
            raise BadInput(
                f"The subject {record.subject!r} is in two splits, {published[record.subject]} and "
                f"{record.split}; put all its images into one."
            )
    return [published.get(record.subject) or by_hash(record.subject) for record in records]


def by_hash(subject: str) -> str:
    """The split of a subject that is published in none: 70 % train, 15 % val, 15 % test.

    >>> by_hash("patient0002")
    'train'
    """
    share = _place(subject)
    if share < TRAIN_SHARE:
        return "train"
    return "val" if share < TRAIN_SHARE + VAL_SHARE else "test"


def by_fold(
    subjects: Sequence[str],
    fold: int,
    *,
    folds: int = FOLDS,
    strata: Mapping[str, str] | None = None,
) -> Mapping[str, str]:
    """The split of every subject in one fold of a cross-validation; none is tested in two folds.

    Three folds train on 70, validate on 15 and test on 15 % of the subjects. Of more folds each
    tests its part of all subjects and validates on the part of the next: every subject is tested
    once.

    Args:
        subjects: All of them.
        fold: Which one, from 0.
        folds: How many there are.
        strata: What a subject is dealt out as, by its name: each part gets its share of every
            stratum, up to one subject. None is one stratum of all.

    Raises:
        BadInput: There is no such fold, or there are too few subjects to fill three splits.

    >>> sorted(by_fold("abcdefghij", 0).values())
    ['test', 'train', 'train', 'train', 'train', 'train', 'train', 'train', 'val', 'val']
    >>> sorted(by_fold("abcde", 3, folds=5).values())
    ['test', 'train', 'train', 'train', 'val']
    """
    if folds < FOLDS or not 0 <= fold < folds:
        raise BadInput(
            f"There is no fold {fold} of {folds}; use 0 to {max(folds, FOLDS) - 1}, of {FOLDS} or "
            "more."
        )
    order = sorted(set(subjects), key=lambda subject: (_place(subject), subject))
    layers = [[s for s in order if (strata or {}).get(s) == layer] for layer in _layers(strata)]
    held = _shares(layers, fold) if folds == FOLDS else _turns(layers, fold, folds)
    if len(order) < folds or set(held.values()) != {"val", "test"}:
        raise BadInput(f"{len(order)} subjects are too few for folds; use splits, or add subjects.")
    return {subject: held.get(subject, "train") for subject in order}


def _layers(strata: Mapping[str, str] | None) -> Sequence[str | None]:
    return [None] if strata is None else sorted(set(strata.values()))


def _shares(layers: Sequence[Sequence[str]], fold: int) -> dict[str, str]:
    """Of every stratum, the part of a fold to validate and that to test."""
    held: dict[str, str] = {}
    for order in layers:
        a, b, c = (round(VAL_SHARE * (2 * fold + part) * len(order)) for part in range(3))
        held |= dict.fromkeys(order[a:b], "val") | dict.fromkeys(order[b:c], "test")
    return held


def _turns(layers: Sequence[Sequence[str]], fold: int, folds: int) -> dict[str, str]:
    """Subjects are dealt out in turns, stratum after stratum: those of this fold and the next."""
    order = [subject for layer in layers for subject in layer]
    val, test = order[(fold + 1) % folds :: folds], order[fold::folds]
    return dict.fromkeys(val, "val") | dict.fromkeys(test, "test")


def _place(subject: str) -> float:
    """A place in [0, 1) that follows from the name alone."""
    return int.from_bytes(sha256(subject.encode()).digest()[:8]) / 2**64
