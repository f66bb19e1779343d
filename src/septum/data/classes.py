"""Which structures masks tell apart: some of those of a data set, merged or renamed.

`left_ventricle myocardium=myocardium,infarction` is read as: two structures, the second made of
both; all others are background. Data sets with other classes so learn to speak of the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from septum.contract import BadInput
from septum.data.prepared import Prepared

NO_MASK = 255

Groups = Mapping[str, Sequence[str]]
"""Classes that make up a structure, by its name. None at all: every class is one."""


def parse(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Groups from words such as `myocardium=myocardium,infarction`.

    Raises:
        BadInput: A word has no name, or a class or a structure comes twice.

    >>> parse(["left_ventricle", "myocardium=myocardium,infarction"])
    {'left_ventricle': ('left_ventricle',), 'myocardium': ('myocardium', 'infarction')}
    """
    groups: dict[str, tuple[str, ...]] = {}
    for word in words:
        name, _, members = word.partition("=")
        parts = tuple(part for part in (members or name).split(",") if part)
        taken = {part for of in groups.values() for part in of}
        if (
            not name
            or not parts
            or name in groups
            or taken & {*parts}
            or len({*parts}) < len(parts)
        ):
            raise BadInput(
                f"{word!r} names no structure; write every class once, as NAME or NAME=CLASS,CLASS."
            )
        groups[name] = parts
    return groups


def merged(images: Prepared, groups: Groups) -> Prepared:
    """The images with masks of these structures; as they are where no group is named.

    Raises:
        BadInput: The masks have no class of a group.
    """
    if not groups or images.masks is None:
        return images
    codes = np.zeros(256, np.uint8)
    codes[NO_MASK] = NO_MASK
    for index, (name, members) in enumerate(groups.items(), start=1):
        old = [k for k, found in enumerate(images.classes) if k and found in members]
        if not old:
            raise BadInput(
                f"{images.name} has no class {' or '.join(members)} for {name}; it has "
                f"{', '.join(images.classes[1:])}."
            )
        codes[old] = index
    masks = images.masks.recoded(codes)
    return replace(images, classes=("background", *groups), masks=masks, groups=groups)
