"""The head against torch's weight norm, the centre and the entropies against other hands."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import distributed as dist
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from septum.losses.distillation import cross_entropy
from septum.nn.distil import (
    Centre,
    PrototypeHead,
    collapsed,
    entropy,
    marginal_entropy,
    sharpened,
    teacher_temperature,
)
from septum.nn.mirror import follow, mirror


def head(prototypes=16):
    torch.manual_seed(0)
    return PrototypeHead(width=8, inner=16, bottleneck=4, prototypes=prototypes)


def pretend_first_of_two(monkeypatch, other):
    """Be rank 0 of 2: each sum over processes takes the next value of `other` from rank 1."""
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "get_rank", lambda: 0)
    monkeypatch.setattr(dist, "all_reduce", lambda x: x.add_(other.pop(0)))


def test_the_last_layer_is_torchs_weight_norm_with_a_gain_of_1():
    ours, x = head(), torch.randn(5, 8)
    normed = weight_norm(nn.Linear(4, 16, bias=False), dim=0)
    normed.parametrizations.weight.original0.data.fill_(1.0)
    normed.parametrizations.weight.original1.data.copy_(7 * ours.last.weight)
    place = ours.mlp(x)
    torch.testing.assert_close(ours(x), normed(place / place.norm(dim=1, keepdim=True)))


def test_prototypes_keep_unit_length_in_training_and_turn():
    ours, x = head(), torch.randn(32, 8)
    before = nn.functional.normalize(ours.last.weight.detach(), dim=1)
    optimiser = torch.optim.SGD(ours.parameters(), lr=10.0)
    for _ in range(5):
        optimiser.zero_grad()
        ours(x)[:, 0].sum().neg().backward()
        optimiser.step()
    # logits at the places of the axes: the prototypes themselves
    ours.mlp = nn.Sequential(nn.Identity())
    prototypes = ours(torch.eye(4)).T
    torch.testing.assert_close(prototypes.norm(dim=1), torch.ones(16))
    assert (prototypes[0] - before[0]).norm() > 0.1
    assert {name for name, _ in ours.named_parameters()} == {"last.weight"}  # and no gain


def test_the_mlp_is_that_of_the_paper():
    with torch.device("meta"):
        full = PrototypeHead(width=768, inner=2048, bottleneck=256, prototypes=65_536)
    # 768 -> 2048 -> 2048 -> 256 with biases, and 256 x 65,536
    mlp = 768 * 2048 + 2048 + 2048 * 2048 + 2048 + 2048 * 256 + 256
    assert sum(p.numel() for p in full.parameters()) == mlp + 256 * 65_536


def test_logits_are_float32_cosines_under_autocast():
    ours, x = head(), torch.randn(64, 8)
    with torch.autocast("cpu", torch.bfloat16):
        logits = ours(x)
        place = ours.mlp(x).float()
    assert logits.dtype == torch.float32
    cosines = nn.functional.cosine_similarity(place[:, None], ours.last.weight[None], dim=2)
    torch.testing.assert_close(logits, cosines)
    logits.sum().backward()
    assert ours.mlp[0].weight.grad.abs().sum() > 0


def test_the_teacher_is_a_moving_average_and_gets_no_gradient():
    student = head()
    teacher = mirror(student)
    expected = [p.detach().clone() for p in student.parameters()]
    optimiser = torch.optim.SGD(student.parameters(), lr=1.0)
    for momentum in (0.9, 0.95, 0.99):
        x = torch.randn(6, 8)
        loss = cross_entropy(
            student(x), teacher(x.flip(0)), torch.zeros(16),
            student_temperature=0.1, teacher_temperature=0.04,
        )  # fmt: skip
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        follow([teacher], [student], momentum)
        for old, new in zip(expected, student.parameters(), strict=True):
            old.copy_(momentum * old + (1 - momentum) * new.detach())
    for found, wanted in zip(teacher.parameters(), expected, strict=True):
        assert found.grad is None
        torch.testing.assert_close(found, wanted)
    assert not torch.equal(teacher.mlp[0].weight, head().mlp[0].weight)


def test_the_centre_is_that_of_the_authors_code():
    # main_dino.py of facebookresearch/dino at 7c446df: centre 0, one update of momentum .9
    i, j = np.indices((8, 12))
    centre = Centre(12).double()
    centre.update(torch.from_numpy(np.sin(0.9 * i + 0.7 * j + 0.23 * i * j)))
    expected = [0.000106915909, 0.022877880656, 0.001824090881, 0.001319805941]
    assert centre.value[:4].tolist() == pytest.approx(expected, abs=1e-12)


def test_the_centre_averages_over_steps_and_is_saved():
    first, second = torch.randn(4, 3), torch.randn(6, 3)
    centre = Centre(3, momentum=0.8)
    centre.update(first)
    centre.update(second.bfloat16())
    expected = 0.8 * (0.2 * first.mean(0)) + 0.2 * second.bfloat16().float().mean(0)
    torch.testing.assert_close(centre.value, expected)
    again = Centre(3)
    again.load_state_dict(centre.state_dict())
    assert torch.equal(again.value, centre.value)


def test_two_processes_find_the_centre_and_the_entropies_of_the_whole_batch(monkeypatch):
    logits = torch.randn(10, 3)
    p = logits.softmax(1)
    whole = Centre(3)
    whole.update(logits)
    apart, together = entropy(p), marginal_entropy(p)
    rest = torch.tensor(6.0)
    sums = [rest, logits[4:].sum(0), rest, torch.special.entr(p[4:]).sum(), rest, p[4:].sum(0)]
    pretend_first_of_two(monkeypatch, sums)
    half = Centre(3)
    half.update(logits[:4])
    torch.testing.assert_close(half.value, whole.value)
    torch.testing.assert_close(entropy(p[:4]), apart)
    torch.testing.assert_close(marginal_entropy(p[:4]), together)
    assert not sums


def test_the_temperature_of_the_teacher_rises_and_stays():
    path = [teacher_temperature(i / 100) for i in range(101)]
    assert path[0] == 0.04
    np.testing.assert_allclose(np.diff(path[:31]), 0.03 / 30, atol=1e-12)
    assert path[30:] == pytest.approx([0.07] * 71)


def test_entropies_are_those_of_scipy():
    p = torch.rand(7, 9, generator=torch.Generator().manual_seed(0)) ** 4
    p[2, 3:] = 0.0
    p = p / p.sum(1, keepdim=True)
    assert entropy(p).item() == pytest.approx(np.mean(stats.entropy(p, axis=1)), rel=1e-6)
    assert marginal_entropy(p).item() == pytest.approx(stats.entropy(p.mean(0)), rel=1e-6)


def test_signs_of_a_collapse():
    alike, sure = torch.full((6, 512), 1 / 512), torch.eye(512)[:6]
    one = sure[:1].repeat(6, 1)
    measured = [(entropy(p).item(), marginal_entropy(p).item()) for p in (alike, one, sure)]
    full = pytest.approx(math.log(512), rel=1e-5)
    assert measured == [(full, full), (0, 0), (0, pytest.approx(math.log(6), rel=1e-5))]
    found = [collapsed(*pair, 512) for pair in measured]
    assert "alike" in found[0]
    assert "6.24 of 6.24 nats" in found[0]
    assert "one prototype" in found[1]
    assert found[2] == ""


def test_the_two_limits_of_health():
    most = math.log(64)
    assert collapsed(0.05, 0.1, 64)
    assert not collapsed(0.05, 0.11, 64)
    assert collapsed(most - 0.009, most, 64)
    assert not collapsed(most - 0.011, most, 64)


@pytest.mark.parametrize(
    ("centred", "temperature", "said"),
    [(True, 0.04, ""), (False, 0.04, "one prototype"), (True, 0.3, "all prototypes alike")],
    ids=["healthy", "no centre", "no sharpness"],
)
def test_each_collapse_is_seen_where_what_prevents_it_is_left_out(centred, temperature, said):
    """DINO, section 5.1: centring and sharpening each bring about what the other avoids."""
    student = head(prototypes=32)
    teacher, centre = mirror(student), Centre(32)
    optimiser = torch.optim.Adam(student.parameters(), lr=6e-3)
    image = 2 * torch.randn(24, 8)
    for _ in range(120):
        views = image.repeat(2, 1) + 0.3 * torch.randn(48, 8)
        logits = teacher(views)
        loss = cross_entropy(
            student(views), logits.roll(24, 0), centre.value,
            student_temperature=0.1, teacher_temperature=temperature,
        )  # fmt: skip
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if centred:
            centre.update(logits)
        follow([teacher], [student], 0.95)
    p = sharpened(teacher(image), centre.value, temperature)
    found = collapsed(entropy(p).item(), marginal_entropy(p).item(), 32)
    assert said in found
    assert bool(found) == bool(said)
