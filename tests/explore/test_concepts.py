"""Concepts of an image, edited and drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from septum.contract import Features
from septum.explore import concepts, shown
from septum.explore.concepts import Conceptual, Maps, Speller
from septum.nn.device import device_of
from septum.tasks import augmentations


class Painter:
    """Concept k is drawn with intensity 0.1 k, plus a style of 0.2 everywhere."""

    def phases(self):
        return []

    def after_step(self, progress):
        del progress

    def encode(self, image):
        content = torch.tensor([[[[0.2, 0.1], [0.3, 0.2]], [[0.7, 0.3], [0.3, 0.1]],
                                 [[0.1, 0.6], [0.4, 0.7]]]])  # fmt: skip
        return Features(
            content=content, style=self.restyle(image, content), pooled=content.mean((2, 3))
        )

    def discretise(self, content):
        return content

    def restyle(self, image, concepts):
        del image
        return torch.full_like(concepts[:, :1], 0.2)

    def plain(self, image):
        return image / 2

    def decode(self, content, style):
        levels = torch.arange(content.shape[1]).view(1, -1, 1, 1) / 10
        return (levels * content).sum(1, keepdim=True) + style


IMAGE = torch.tensor([[[[0.0, 0.5], [1.0, 0.25]]]])
FOUND = np.array([[1, 2], [2, 2]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("0:2", [(0, 2)]),
        ("3:1,3:0,1:2", [(3, 1), (3, 0), (1, 2)]),
        ("4:0,0:3,-1:0,x,1:,:1,1:1:1, 2:2,2:1", [(2, 1)]),
        ("9999999999:0,٣:1", []),
    ],
)
def test_edits_are_read_and_what_is_none_is_left_out(text, expected):
    assert concepts.read(text, cells=4, concepts=3) == expected


def test_what_was_written_is_read():
    edits = [(0, 2), (3, 1), (0, 1)]
    assert concepts.read(concepts.written(edits), cells=4, concepts=3) == edits


def test_the_last_edit_of_a_cell_holds_and_the_map_that_was_found_stays():
    found = FOUND.copy()
    assert concepts.edited(found, [(0, 2), (3, 1), (0, 0)]).tolist() == [[0, 2], [2, 1]]
    assert found.tolist() == FOUND.tolist()


def test_the_likeliest_concept_is_seen_with_its_share():
    seen = concepts.seen(Painter(), IMAGE)
    assert seen.count == 3
    assert seen.concepts.tolist() == FOUND.tolist()
    assert seen.confidence == pytest.approx(np.array([[0.7, 0.6], [0.4, 0.7]]))
    assert concepts.shares(FOUND, count=3).tolist() == [0, 0.25, 0.75]


def test_edited_cells_are_drawn_and_noise_is_mixed_into_the_styles():
    now = np.array([[0, 2], [2, 1]])
    maps = Maps(count=3, found=FOUND, now=now)
    drawn = concepts.drawings(Painter(), IMAGE, maps, beta=0.75, draw=5)
    assert drawn.wanted.tolist() == IMAGE[0, 0].tolist()
    assert drawn.before == pytest.approx(0.1 * FOUND + 0.2)
    noise = torch.randn(1, 1, 2, 2, generator=torch.Generator().manual_seed(5))[0, 0].numpy()
    mixed = (0.2 + 0.75 * noise) / 1.25  # Eq. 7: the root of 1 + 0.75² is 1.25
    assert drawn.after == pytest.approx((0.1 * now + mixed).clip(0, 1), abs=1e-6)


def test_without_noise_the_draw_does_not_matter():
    maps = Maps(count=3, found=FOUND, now=FOUND)
    for draw in (0, 1):
        drawn = concepts.drawings(Painter(), IMAGE, maps, beta=0.0, draw=draw)
        assert drawn.after.tolist() == drawn.before.tolist()


def test_concepts_alone_have_no_style():
    maps = Maps(count=3, found=FOUND, now=np.array([[0, 0], [1, 2]]))
    drawn = concepts.plain_drawings(Painter(), IMAGE, maps)
    assert drawn.wanted == pytest.approx(IMAGE[0, 0].numpy() / 2)
    assert drawn.before == pytest.approx(0.1 * FOUND)
    assert drawn.after == pytest.approx(0.1 * maps.now)


def test_the_table_has_a_row_per_cell():
    seen = concepts.seen(Painter(), IMAGE)
    rows = list(concepts.rows(seen, concepts.edited(FOUND, [(1, 0)])))
    assert len(rows) == 4
    assert rows[1] == {"row": 0, "column": 1, "concept": 2, "confidence": 0.6, "now": 0}


def test_a_model_draws_what_it_draws_for_the_tasks(made, explored_root):
    """The same picture as by the functions that synthesise for a segmenter."""
    run = shown.shown([made("concept_vae")], cache=explored_root / "cache")[0]
    model = run.run.model
    assert isinstance(model, Conceptual)
    assert isinstance(model, Speller)
    image = run.batch(7).image.to(device_of(run.run.model))
    seen = concepts.seen(model, image)
    maps = Maps(count=seen.count, found=seen.concepts, now=seen.concepts)
    latent = augmentations.latent(model, run.samples, [7])
    expected = augmentations.drawn(model, latent.content, latent.style)[0, 0].cpu().numpy()
    drawn = concepts.drawings(model, image, maps, beta=0.0, draw=0)
    assert drawn.before == pytest.approx(expected, abs=1e-5)
    still = replace(latent, style=torch.zeros_like(latent.style))
    expected = augmentations.drawn(model, still.content, still.style)[0, 0].cpu().numpy()
    plain = concepts.plain_drawings(model, image, maps)
    assert plain.before == pytest.approx(expected, abs=1e-5)
    assert np.abs(plain.before - drawn.before).max() > 1e-4
