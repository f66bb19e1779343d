"""What the licences of data ask of weights that were trained on them.

Whether weights are an adaptation of their data is not settled; here every one of them is taken to
be, so that whoever heeds this page is on the safe side.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from septum.contract import Source
from septum.data import SOURCES, manifest
from septum.data.read import inside

OWN = "Apache-2.0"
UNKNOWN = "not stated"
SAME = "that of"
"""Begins the licence of a layout made of another data set."""

RESEARCH = re.compile(r"\bNC\b|non-?commercial|research|registration|agreement", re.IGNORECASE)
ALIKE = re.compile(r"\bSA\b|share-?alike", re.IGNORECASE)
FREE = re.compile(r"^(Apache-2\.0|MIT|BSD|CC0|CC BY(-SA)? \d|Public domain)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A data set as a card names it."""

    name: str
    title: str
    url: str
    licence: str
    cite: str


def origin(name: str, root: Path | None) -> Origin:
    """The card of a data set of a run.

    Args:
        name: `NAME` or `NAME:LAYOUT`, as at the training.
        root: Holds the data sets; None where they are not at hand, and only the published layouts
            are known.
    """
    folder, _, layout = name.partition(":")
    source = _source(folder, layout, root)
    if source is None:
        return Origin(name=name, title=name, url="", licence=UNKNOWN, cite=UNKNOWN)
    licence, cite = (UNKNOWN if s.startswith(SAME) else s for s in (source.licence, source.cite))
    return Origin(name=name, title=source.title, url=source.url, licence=licence, cite=cite)


def _source(folder: str, layout: str, root: Path | None) -> Source | None:
    """The data set itself, also where its images were cut out or put together anew."""
    if root is not None and (inside(root, folder) / manifest.TABLE).is_file():
        return manifest.source(inside(root, folder))
    of_layout = SOURCES.get(layout or folder)
    if of_layout is not None and of_layout.licence.startswith(SAME):
        return SOURCES.get(folder)
    return of_layout


def of_weights(data: Mapping[str, str]) -> tuple[str, Sequence[str]]:
    """A short name, and the reasons: a sentence each.

    Args:
        data: Licence of every data set, by its name.

    >>> of_weights({"phantom": "Apache-2.0"})[0]
    'Apache-2.0'
    >>> of_weights({"phantom": "Apache-2.0", "camus": "CC BY-NC-SA 4.0"})[0]
    'research only, not for commercial use'
    """
    bound = {name: text for name, text in data.items() if not FREE.match(text)}
    open_ = [n for n, text in bound.items() if not RESEARCH.search(text)]
    alike = [n for n, text in data.items() if ALIKE.search(text)]
    why = [f"{name} is under: {text}." for name, text in data.items()]
    if alike:
        why.append(f"Pass the weights on under the licence of {', '.join(alike)} alone.")
    if open_:
        why.append(f"Ask the owner of {', '.join(open_)} before the weights leave your house.")
        return "unknown", why
    if bound:
        return "research only, not for commercial use", why
    return OWN, why
