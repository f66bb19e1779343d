"""Which part of a data set a subject belongs to: train, val or test.

The unit is the subject: no split may cut it. A published split is kept; every other subject is
placed by a hash of its name alone, so that adding data never moves a subject. Cross-validation
deals all subjects out anew, in the order of their hashes.
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


def by_fold(subjects: Sequence[str], fold: int) -> Mapping[str, str]:
    """The split of every subject in one fold of a cross-validation: 70, 15 and 15 % of them.

    No subject is tested in two folds.

    Raises:
        BadInput: There is no such fold, or there are too few subjects to fill three splits.

    >>> sorted(by_fold("abcdefghij", 0).values())
    ['test', 'train', 'train', 'train', 'train', 'train', 'train', 'train', 'val', 'val']
    """
    order = sorted(set(subjects), key=lambda subject: (_place(subject), subject))
    if not 0 <= fold < FOLDS:
        raise BadInput(f"There is no fold {fold}; use 0 to {FOLDS - 1}.")
    cuts = [round(VAL_SHARE * part * len(order)) for part in (2 * fold, 2 * fold + 1, 2 * fold + 2)]
    val, test = order[cuts[0] : cuts[1]], order[cuts[1] : cuts[2]]
    if not val or not test:
        raise BadInput(f"{len(order)} subjects are too few for folds; use splits, or add subjects.")
    held = {**dict.fromkeys(val, "val"), **dict.fromkeys(test, "test")}
    return {subject: held.get(subject, "train") for subject in order}


def _place(subject: str) -> float:
    """A place in [0, 1) that follows from the name alone."""
    return int.from_bytes(sha256(subject.encode()).digest()[:8]) / 2**64
