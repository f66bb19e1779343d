"""The pictures of a report, each with how to read it, or with why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure

from septum.contract import Model, Samples
from septum.report import choice, drawings, figures, inline
from septum.report.choice import Shown
from septum.report.drawings import Discrete, DiscretePainter, Painter

FRAMES = 3
MAPS = 32
"""Further frames whose concept maps tell isolated concepts from frequent ones."""

NO_CONCEPTS = "The content of this model is no map of discrete concepts."
NO_DRAWING = "This model draws no images."


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture of the page: how to read it, or, where `svg` is None, why there is none."""

    name: str
    title: str
    reading: str
    ids: Sequence[str] = ()
    svg: Markup | None = None


def pictures(model: Model, samples: Samples) -> list[Picture]:
    """All that can be asked of this model, on frames of different views and subjects."""
    places = choice.varied(samples.records, FRAMES)
    frames = choice.shown(samples, places)
    middle = places[len(places) // 2]
    many = choice.shown(samples, [middle, *choice.spread(len(samples.records), MAPS)])
    return [
        _concept_maps(model, frames),
        _concept_swap(model, many),
        _reconstruction(model, frames),
        _style_levels(model, frames),
        _style_draws(model, frames),
    ]


def _concept_maps(model: Model, frames: Shown) -> Picture:
    name, title = "concepts", "What the model sees: a map of concepts"
    if not isinstance(model, Discrete):
        return Picture(name=name, title=title, reading=NO_CONCEPTS)
    reading = (
        "Every grid cell has the number and colour of its likeliest concept; the surer the model, "
        "the more opaque the cell. Unmarked cells are background (concept 0). The keys give each "
        "concept's share of the marked cells. A number means the same in all frames of a run, but "
        "not in another run. After ConceptVAE, Fig. 3."
    )
    figure = figures.concept_maps(model, frames.batch, frames.captions)
    return _picture(name, title, reading, frames.ids, figure)


def _concept_swap(model: Model, frames: Shown) -> Picture:
    name, title = "swap", "What a concept does: two change places"
    if not isinstance(model, DiscretePainter):
        reason = NO_CONCEPTS if isinstance(model, Painter) else NO_DRAWING
        return Picture(name=name, title=title, reading=reason)
    figure = figures.concept_swap(model, frames.batch, frames.captions[0])
    if figure is None:
        return Picture(name=name, title=title, reading="The frame has fewer than four concepts.")
    reading = (
        "Drawn from concepts alone, with all styles at zero. To swap two isolated concepts (found "
        "in small islands) should change shapes only nearby; to swap two frequent ones should move "
        "anatomy. The outlined cells are those that were swapped. After ConceptVAE, Fig. 4."
    )
    return _picture(name, title, reading, frames.ids[:1], figure)


def _reconstruction(model: Model, frames: Shown) -> Picture:
    name, title = "reconstruction", "What is kept: the frame drawn again"
    if not isinstance(model, Painter):
        return Picture(name=name, title=title, reading=NO_DRAWING)
    reading = (
        "Content and style together should give back the frame. Concepts alone, style at zero, "
        "should give back the blurred frame: where the anatomy is, without its texture."
    )
    figure = figures.reconstruction(model, frames.batch, frames.captions)
    return _picture(name, title, reading, frames.ids, figure)


def _style_levels(model: Model, frames: Shown) -> Picture:
    name, title = "style", "What style does: more and more noise on it"
    if not isinstance(model, Painter):
        return Picture(name=name, title=title, reading=NO_DRAWING)
    reading = (
        "The concepts stay; the style s becomes (s + βn) / √(1 + β²), with the same noise n all "
        "along a row. Texture should change, anatomy should not. After ConceptVAE, Eq. 7, Fig. 7."
    )
    figure = figures.style_levels(model, frames.batch, frames.captions)
    return _picture(name, title, reading, frames.ids, figure)


def _style_draws(model: Model, frames: Shown) -> Picture:
    name, title = "draws", "New speckle, same heart: other draws of the noise"
    if not isinstance(model, Painter):
        return Picture(name=name, title=title, reading=NO_DRAWING)
    reading = (
        f"The style with β = {drawings.DRAW_LEVEL:g} and different noise each time. "
        "After ConceptVAE, Eq. 7, Fig. 8."
    )
    figure = figures.style_draws(model, frames.batch, frames.captions)
    return _picture(name, title, reading, frames.ids, figure)


def _picture(name: str, title: str, reading: str, ids: Sequence[str], figure: Figure) -> Picture:
    svg = inline.svg(figure, name)
    return Picture(name=name, title=title, reading=reading, ids=ids, svg=svg)
