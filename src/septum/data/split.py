"""Which part of a data set a subject belongs to: train, val or test.

The unit is the subject: no split may cut it. A published split is kept; every other subject is
placed by a hash of its name alone, so that adding data never moves a subject.
"""

from collections.abc import Sequence
from hashlib import sha256

from septum.contract import BadInput, Record

SPLITS = ("train", "val", "test")
TRAIN_SHARE = 0.70
VAL_SHARE = 0.15


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
    share = int.from_bytes(sha256(subject.encode()).digest()[:8]) / 2**64
    if share < TRAIN_SHARE:
        return "train"
    return "val" if share < TRAIN_SHARE + VAL_SHARE else "test"
