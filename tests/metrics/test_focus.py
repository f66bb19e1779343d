import pytest
import torch

from septum.metrics.focus import share_inside


def test_by_counting():
    rng = torch.Generator().manual_seed(0)
    heat = torch.randn(2, 3, 4, 5, generator=rng)
    inside = torch.rand(2, 4, 5, generator=rng) < 0.4
    shown = torch.tensor([[True, True, False], [True, False, False]])

    found = share_inside(heat, inside, shown)

    for b in range(2):
        within = total = 0.0
        for t in range(3):
            for y in range(4):
                for x in range(5):
                    size = abs(float(heat[b, t, y, x])) * bool(shown[b, t])
                    total += size
                    within += size * bool(inside[b, y, x])
        assert float(found[b]) == pytest.approx(within / total)


def test_even_heat_has_the_share_of_the_area_and_sign_and_scale_do_not_matter():
    heat, inside = torch.ones(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.bool)
    inside[:, 1:3, 1:3] = True
    shown = torch.ones(1, 2, dtype=torch.bool)

    assert share_inside(heat, inside, shown).tolist() == [0.25]
    assert share_inside(-1e-9 * heat, inside, shown).tolist() == pytest.approx([0.25])
    assert share_inside(heat, ~inside, shown).tolist() == [0.75]


def test_no_heat_has_no_share():
    none = torch.zeros(1, 1, 2, 2)

    assert share_inside(none, none[:, 0] == 0, torch.tensor([[True]])).isnan().all()
