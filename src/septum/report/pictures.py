"""The pictures of a report, each with how to read it; those a model cannot be asked for are not."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure

from septum.contract import Model, Samples
from septum.report import choice, drawings, figures, inline, shares
from septum.report.choice import Shown
from septum.report.drawings import Discrete, DiscretePainter, Outliner, Painter
from septum.report.measured import Row

FRAMES = 3
OUTLINED = 6
"""Frames that masks are drawn on."""
MAPS = 32
"""Further frames whose concept maps tell isolated concepts from frequent ones."""


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
    places = _places(samples, FRAMES)
    frames = choice.shown(samples, places)
    middle = places[len(places) // 2]
    many = choice.shown(samples, [middle, *choice.spread(len(samples.records), MAPS)])
    found = [
        _masks(model, samples),
        _concept_maps(model, frames),
        _concept_swap(model, many),
        _anatomy(model, frames),
        _reconstruction(model, frames),
        _style_levels(model, frames),
        _style_draws(model, frames),
    ]
    return [picture for picture in found if picture]


def few_labels(name: str, rows: Sequence[Row]) -> Picture | None:
    """What a bench measured at different shares of labels; None if it did not."""
    figure = shares.curve(rows)
    if figure is None:
        return None
    reading = (
        "Every method sees the same training subjects, of whom only this share have masks. Bands "
        "are 95\N{NO-BREAK SPACE}% intervals over tested subjects. Hollow markers are what the "
        "paper reports: of larger images and longer trainings, so compare order and slope."
    )
    return _picture(
        name, "What labels are worth: a score at every share of them", reading, (), figure
    )


def _places(samples: Samples, count: int) -> list[int]:
    telling = choice.telling(samples)
    return [telling[i] for i in choice.varied([samples.records[p] for p in telling], count)]


def _masks(model: Model, samples: Samples) -> Picture | None:
    if not isinstance(model, Outliner):
        return None
    frames = choice.shown(samples, _places(samples, OUTLINED))
    reading = (
        "The likeliest structure of every pixel, below the true one. Frames whose "
        "structures are unusually small are not among them; the numbers are of all frames."
    )
    figure = figures.masks(model, frames.batch, frames.captions, samples.classes[1:])
    title = "What the model draws: masks beside the true ones"
    return _picture("masks", title, reading, frames.ids, figure)


def _concept_maps(model: Model, frames: Shown) -> Picture | None:
    if not isinstance(model, Discrete):
        return None
    reading = (
        "Every grid cell has the number and colour of its likeliest concept; the surer the model, "
        "the more opaque the cell. Unmarked cells are background (concept 0). The keys give each "
        "concept's share of the marked cells. A number means the same in all frames of a run, but "
        "not in another run. After ConceptVAE, Fig. 3."
    )
    figure = figures.concept_maps(model, frames.batch, frames.captions)
    title = "What the model sees: a map of concepts"
    return _picture("concepts", title, reading, frames.ids, figure)


def _concept_swap(model: Model, frames: Shown) -> Picture | None:
    name, title = "swap", "What a concept does: two change places"
    if not isinstance(model, DiscretePainter):
        return None
    figure = figures.concept_swap(model, frames.batch, frames.captions[0])
    if figure is None:
        return Picture(name=name, title=title, reading="The frame has fewer than four concepts.")
    reading = (
        "Drawn from concepts alone, with all styles at zero. To swap two isolated concepts (found "
        "in small islands) should change shapes only nearby; to swap two frequent ones should move "
        "anatomy. The outlined cells are those that were swapped. After ConceptVAE, Fig. 4."
    )
    return _picture(name, title, reading, frames.ids[:1], figure)


def _anatomy(model: Model, frames: Shown) -> Picture | None:
    if not isinstance(model, Painter) or isinstance(model, Discrete):
        return None
    figure = figures.anatomy(model, frames.batch, frames.captions)
    if figure is None:
        return None
    reading = (
        "Every pixel is in one channel of the anatomy s, which has no grey levels. A channel "
        "should hold the same part in every frame: a cavity, a wall, what surrounds the heart. The "
        "share of all pixels stands beside its number; one at 0% is unused. After SDNet, Fig. 3."
    )
    title = "What the model sees: channels of anatomy"
    return _picture("anatomy", title, reading, frames.ids, figure)


def _reconstruction(model: Model, frames: Shown) -> Picture | None:
    if not isinstance(model, Painter):
        return None
    alone = (
        "Concepts alone, style at zero, should give back the blurred frame: where the anatomy is, "
        "without its texture."
        if isinstance(model, DiscretePainter)
        else "Content alone, style at zero, should keep every border and lose the grey levels of "
        "this frame for usual ones."
    )
    reading = f"Content and style together should give back the frame. {alone}"
    figure = figures.reconstruction(model, frames.batch, frames.captions)
    title = "What is kept: the frame drawn again"
    return _picture("reconstruction", title, reading, frames.ids, figure)


def _style_levels(model: Model, frames: Shown) -> Picture | None:
    if not isinstance(model, Painter):
        return None
    reading = (
        "The content stays; the style s becomes (s + βn) / √(1 + β²), with the same noise n all "
        "along a row. Texture should change, anatomy should not. After ConceptVAE, Eq. 7, Fig. 7."
    )
    figure = figures.style_levels(model, frames.batch, frames.captions)
    title = "What style does: more and more noise on it"
    return _picture("style", title, reading, frames.ids, figure)


def _style_draws(model: Model, frames: Shown) -> Picture | None:
    if not isinstance(model, Painter):
        return None
    reading = (
        f"The style with β = {drawings.DRAW_LEVEL:g} and different noise each time. "
        "After ConceptVAE, Eq. 7, Fig. 8."
    )
    figure = figures.style_draws(model, frames.batch, frames.captions)
    title = "New look, same heart: other draws of the noise"
    return _picture("draws", title, reading, frames.ids, figure)


def _picture(name: str, title: str, reading: str, ids: Sequence[str], figure: Figure) -> Picture:
    svg = inline.svg(figure, name)
    return Picture(name=name, title=title, reading=reading, ids=ids, svg=svg)
