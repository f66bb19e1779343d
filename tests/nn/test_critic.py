import pytest
import torch

from septum.nn.critic import POOLED, MaskCritic, Pool


@pytest.mark.parametrize(("structures", "size"), [(2, (32, 48)), (3, (64, 64)), (7, (96, 96))])
def test_one_score_per_mask(structures, size):
    critic = MaskCritic(structures=structures, width=4, image_size=size)
    assert critic(torch.rand(5, structures, *size)).shape == (5, 1)


def test_the_published_width_has_the_published_number_of_parameters():
    with torch.device("meta"):
        critic = MaskCritic(structures=3, width=64, image_size=(224, 224))
    kernels = 16 * 64 * (3 + 2 * 64 + 8 * 64 + 32 * 64 + 128 * 64)
    biases = 64 * (1 + 2 + 4 + 8 + 16)
    assert sum(p.numel() for p in critic.parameters()) == kernels + biases + 14 * 14 * 1024 + 1


def test_spectral_norms_are_1():
    torch.manual_seed(0)
    critic = MaskCritic(structures=2, width=4, image_size=(32, 32))
    for _ in range(30):
        critic(torch.rand(2, 2, 32, 32))
    kernels = [m.weight for m in critic.body if isinstance(m, torch.nn.Conv2d)][1:]
    norms = [torch.linalg.matrix_norm(k.flatten(1), ord=2).item() for k in kernels]
    assert norms == pytest.approx([1.0] * 4, abs=0.02)


def masks(*values):
    return torch.stack([torch.full((1, 2, 2), float(v)) for v in values])


def test_the_pool_never_holds_more_than_its_room_and_forgets_the_oldest():
    pool = Pool(structures=1, image_size=(2, 2))
    for k in range(POOLED + 20):
        pool.remember(masks(k / 255))
        assert int(pool.filled) == min(k + 1, POOLED)
    kept = sorted(round(m.mean().item() * 255) for m in pool.sample(POOLED))
    assert kept == list(range(20, POOLED + 20))


def test_nothing_is_drawn_twice_nor_from_what_is_empty():
    pool = Pool(structures=1, image_size=(2, 2))
    pool.remember(masks(0.2, 0.4, 0.6))
    for seed in range(20):
        torch.manual_seed(seed)
        drawn = [round(m.mean().item(), 1) for m in pool.sample(2)]
        assert len(set(drawn)) == 2
        assert set(drawn) <= {0.2, 0.4, 0.6}
    assert len(pool.sample(8)) == 3


def test_the_pool_is_part_of_the_state():
    one, other = (Pool(structures=1, image_size=(2, 2)) for _ in range(2))
    one.remember(masks(0.2, 0.4))
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(other.sample(50).sum(), torch.tensor(4 * 0.6))
