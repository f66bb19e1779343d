"""Both sides of the table of Rank-N-Contrast find the same, and ours fits into memory."""

import pytest
import torch

from septum.bench import rnc, timing
from septum.losses.rank_n_contrast import rank_n_contrast


def test_both_sides_find_the_same():
    features, labels = rnc.clips(24)
    features = features[:, :40].contiguous()
    ours = rank_n_contrast(features, labels)
    torch.testing.assert_close(rnc.plain(features, labels, range(24)), ours, rtol=1e-4, atol=0)
    halves = [rnc.plain(features, labels, some) for some in (range(12), range(12, 24))]
    torch.testing.assert_close(sum(halves), ours, rtol=1e-4, atol=0)


@pytest.mark.parametrize("side", timing.SIDES)
def test_every_side_says_how_long_it_took(side):
    assert len(rnc.few_seconds(side, 8)) == rnc.TURNS
    assert all(taken > 0 for taken in rnc.few_seconds(side, 8))
    assert rnc.many_seconds(side, 16, 4)[0] > 0


@pytest.mark.slow
def test_a_batch_of_4096_clips_stays_within_1_gb():
    assert timing.alone(rnc.peak_mb, rnc.MANY) < 1000
