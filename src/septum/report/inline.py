"""Pictures as part of a page: no file beside it, no request from it."""

import base64
import io
import re
from pathlib import Path

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

from septum.contract import BadInput

MOST_PIXELS = 40_000_000
WIDEST_PX = 1_800
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
FOR_A_PAGE = (
    (r' xmlns(:\w+)?="[^"]*"', ""),
    (r'^<svg (?:width|height)="[^"]*" (?:width|height)="[^"]*"', "<svg"),
    (r'(<(?:g|image)\b[^>]*?) id="[^"]*"', r"\1"),
    (r'; font-family: [^;"]*', ""),
    (r"image-rendering:crisp-edges;image-rendering:pixelated", ""),
)
"""What an SVG file has and an element of a page does without: patterns and replacements."""
EMBEDDED = re.compile(r'(<image\b[^>]*xlink:href=")data:image/png;base64,([A-Za-z0-9+/=\s]+)')
UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises for files that are broken or inflate without end."""


def svg(figure: Figure, name: str) -> Markup:
    """The figure as an SVG element; its pixels stay at the resolution they were drawn from.

    Black text takes the colour of the page, and every text its font. `name` is unique on the page.
    """
    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(file, format="svg", metadata=NO_METADATA)
    element = file.getvalue()[file.getvalue().index("<svg") :]
    for pattern, instead in FOR_A_PAGE:
        element = re.sub(pattern, instead, element)
    return Markup(EMBEDDED.sub(lambda found: found[1] + _leaner(found[2]), element))


def png(path: Path) -> str:
    """A picture file as a data URI, at most 1,800 pixels wide.

    Raises:
        BadInput: If it is no PNG, or larger than 40 megapixels.
    """
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.width * image.height > MOST_PIXELS:
                raise BadInput(f"{path} has more than {MOST_PIXELS} pixels; draw it smaller.")
            image.thumbnail((WIDEST_PX, WIDEST_PX * 4))
            return _uri(image)
    except UNREADABLE as error:
        raise BadInput(f"{path} is no picture that can be read; draw it again.") from error


def _leaner(encoded: str) -> str:
    """Grey and opaque pictures with one channel instead of four."""
    image = Image.open(io.BytesIO(base64.b64decode(encoded)))
    red, green, blue, alpha = image.convert("RGBA").split()
    grey = alpha.getextrema() == (255, 255) and red.tobytes() == green.tobytes() == blue.tobytes()
    return _uri(red if grey else image)


def _uri(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
