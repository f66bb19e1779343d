"""Names of what a visitor takes home, that are safe to write."""

import re

MOST = 80
"""Characters of a file name before its ending."""


def name(*words: str, ending: str) -> str:
    """A file name of words, of which only letters, digits, dots, - and _ are left.

    >>> name("../P 1", "edited", ending="png")
    'P_1-edited.png'
    """
    kept = (re.sub(r"[^A-Za-z0-9_.-]+", "_", word).strip("._") for word in words)
    return "-".join(word for word in kept if word)[:MOST] + f".{ending}"
