"""A clip of the cache is the clip of the file, and both sides are timed on it."""

import pytest
import torch

from septum.bench import clips
from septum.contract import Clip
from septum.data import film, phantom


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name, value in {"FILMS": 2, "TURNS": 3, "SIDE": 32, "STEP_S": 0.01}.items():
        monkeypatch.setattr(clips, name, value)
    monkeypatch.setattr(clips, "CLIP", Clip(frames=5, stride=3, per_film=2))
    phantom.write_cines(
        tmp_path / "echonet_dynamic", subjects=2, seed=0, frames=(30, 30), size=(32, 32)
    )
    return tmp_path


def test_both_sides_give_the_same_frames(root):
    films = clips.prepared(root)
    decoded = [*film.frames(films.records[1].image)][:15:3]
    said = 255 * films.clips([1], [0]).image[0, 0]
    assert torch.equal(said.round().byte(), torch.stack([torch.from_numpy(f) for f in decoded]))


@pytest.mark.parametrize("side", ["plain", "septum"])
def test_every_turn_is_timed(root, side):
    found = clips.seconds(side, root)
    assert len(found) == 3
    assert min(found) > 0


def test_a_share_of_a_step_is_waited_for(root):
    found = clips.waits(root)
    assert len(found) == 3
    assert all(0 <= share < 1 for share in found)
