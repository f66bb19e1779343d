from dataclasses import replace

import pytest
import torch
from sklearn.metrics import f1_score
from torch import nn

from septum.contract import BadInput
from septum.tasks import segmenter
from septum.tasks.segmenter import Schedule, UNet

CLASSES = ("background", "left_ventricle", "left_atrium")
QUICK = Schedule(widths=(8, 16), steps=80, lr=3e-2)
CPU = torch.device("cpu")


def boxes(toys, n, *, seed=0, without=(), split="train"):
    """A bright box over a grey one, somewhere, in noise."""
    draw = torch.Generator().manual_seed(seed)
    mask = torch.zeros(n, 32, 40, dtype=torch.int64)
    for frame in mask:
        y, x = torch.randint(2, 14, (2,), generator=draw).tolist()
        frame[y : y + 8, x : x + 12] = 1
        frame[y + 8 : y + 14, x + 2 : x + 10] = 2
    grey = torch.tensor([0.2, 0.8, 0.5])[mask][:, None]
    image = grey + 0.05 * torch.randn(grey.shape, generator=draw)
    mask[list(without)] = -1
    records = [toys.record(f"{split}{i}", subject=f"s{i // 2}") for i in range(n)]
    return toys.stills(
        image=image.clamp(0, 1), mask=mask, records=records, classes=CLASSES, split=split
    )


@pytest.fixture(scope="module")
def known(toys):
    return segmenter.labelled(boxes(toys, 24), shrink=2, device=CPU)


@pytest.fixture(scope="module")
def asked(toys):
    return segmenter.labelled(boxes(toys, 12, seed=1, split="val"), shrink=2, device=CPU)


def record_rows(rows):
    def see(shown):
        rows.append(shown.rows.tolist())
        return shown

    return see


def weights(net):
    return torch.cat([parameter.flatten() for parameter in net.parameters()])


def test_logits_have_the_size_of_the_image_whatever_it_is():
    net = UNet((4, 8, 16, 32), 3)

    assert net(torch.rand(2, 1, 33, 47)).shape == (2, 3, 33, 47)


def test_the_default_network_is_small_and_sees_the_whole_heart():
    net = UNet(Schedule().widths, 4)
    image = torch.rand(1, 1, 112, 112, requires_grad=True)

    for module in net.modules():  # instance norm would let every pixel see every other
        if type(module).__name__ == "InstanceNorm":
            module.forward = lambda x: x
    net(image)[0, :, 56, 56].sum().backward()

    seen = image.grad[0, 0].abs().sum(0).nonzero()
    assert 100_000 < sum(p.numel() for p in net.parameters()) < 300_000
    assert seen.max() - seen.min() > 80


def test_a_network_learns_what_masks_show(known, asked):
    net = segmenter.fit(known, range(24), (), schedule=QUICK, seed=0)

    assert segmenter.overlap(net, asked).mean() > 0.9


def test_all_images_are_seen_before_any_is_seen_again(known):
    seen: list[list[int]] = []
    rows = [1, 4, 5, 7, 11, 16, 20]

    segmenter.fit(known, rows, [record_rows(seen)], schedule=replace(QUICK, steps=7), seed=0)

    order = [row for batch in seen for row in batch]
    assert [len(batch) for batch in seen] == [8] * 7
    assert all(sorted(order[i : i + 7]) == rows for i in range(0, 56, 7))
    assert order[:7] != order[7:14]


def test_augmentation_changes_neither_order_nor_first_weights(known):
    plain, other = [], []
    untouched = replace(QUICK, steps=6, lr=0.0)

    def noise(shown):
        return replace(shown, image=torch.rand_like(shown.image))

    one = segmenter.fit(known, range(24), [record_rows(plain)], schedule=untouched, seed=0)
    two = segmenter.fit(known, range(24), [noise, record_rows(other)], schedule=untouched, seed=0)

    assert plain == other
    assert torch.equal(weights(one), weights(two))


def test_the_network_learns_from_what_augmentation_shows(known):
    def swapped(shown):
        return replace(shown, target=shown.target[:, [0, 2, 1]])

    net = segmenter.fit(known, range(24), [swapped], schedule=QUICK, seed=0)

    turned = replace(known, mask=torch.tensor([0, 2, 1])[known.mask.long()])
    assert segmenter.overlap(net, turned).mean() > 0.9


def test_the_seed_decides_and_the_callers_generator_stays(known):
    short = replace(QUICK, steps=3)
    state = torch.get_rng_state()

    nets = [segmenter.fit(known, range(8), (), schedule=short, seed=s) for s in (0, 0, 1)]

    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(weights(nets[0]), weights(nets[1]))
    assert not torch.equal(weights(nets[0]), weights(nets[2]))


def test_images_are_shrunk_and_targets_are_shares(toys, known):
    samples = boxes(toys, 24)

    seen = segmenter.shown(known, torch.tensor([2, 0]))

    blocks = samples.image[[2, 0], 0].unfold(1, 2, 2).unfold(2, 2, 2)
    torch.testing.assert_close(seen.image[:, 0], blocks.mean((-2, -1)))
    whole = (samples.mask[[2, 0]] == 1).sum((1, 2)) / 4
    torch.testing.assert_close(seen.target[:, 1].sum((1, 2)), whole)
    torch.testing.assert_close(seen.target.sum(1), torch.ones(2, 16, 20))


def test_overlap_is_the_f1_score_of_pixels(toys):
    class Guess(nn.Module):
        def forward(self, image):
            draw = torch.Generator().manual_seed(0)
            return torch.randn(len(image), 3, *image.shape[-2:], generator=draw)

    asked = segmenter.labelled(boxes(toys, 5), shrink=1, device=CPU)

    found = segmenter.overlap(Guess(), asked)

    guess = Guess()(asked.image).argmax(1)
    for i in range(5):
        theirs = f1_score(asked.mask[i].ravel(), guess[i].ravel(), labels=[1, 2], average=None)
        assert found[i].tolist() == pytest.approx(theirs.tolist(), abs=1e-6)


def test_an_absent_structure_has_no_overlap(known, asked):
    net = segmenter.fit(known, range(8), (), schedule=replace(QUICK, steps=1), seed=0)
    partly = asked.mask.clone()
    partly[3][partly[3] == 2] = 0

    found = segmenter.overlap(net, replace(asked, mask=partly))

    assert found.isnan().nonzero().tolist() == [[3, 1]]


def test_images_without_a_mask_are_left_out(toys):
    known = segmenter.labelled(boxes(toys, 40, without=[0, 35]), shrink=2, device=CPU)

    assert known.places == [i for i in range(40) if i not in (0, 35)]
    assert len(known.image) == len(known.mask) == 38


@pytest.mark.parametrize("mask", [None, "unknown"])
def test_no_mask_at_all_is_refused(toys, mask):
    samples = boxes(toys, 4)
    unknown = None if mask is None else torch.full_like(samples.mask, -1)

    with pytest.raises(BadInput, match=r"No image of stills \(train\) has a mask"):
        segmenter.labelled(replace(samples, mask=unknown), shrink=2, device=CPU)
