"""How much of a file is read at most, and what is said of one that is not read."""

MAX_BYTES = 512 * 2**20
"""Largest file that is opened."""
MAX_FRAMES = 4096
MAX_SIDE = 8192
"""Most rows, and most columns."""
MAX_PIXELS = 2**30
"""Most rows x columns x frames that are decoded: five hundred frames of 1080 x 1920."""
MAX_HEADER_BYTES = 4 * 2**20
"""Longest answer that is no pixels."""
MEMORY_BYTES = 2 * 2**30
"""Most address space of the process that decodes."""


class Refused(Exception):  # noqa: N818 - named after what happened
    """A file is not read; says why, as the end of a sentence that its path begins."""
