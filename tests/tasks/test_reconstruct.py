"""What is kept of images, by models of which that is known."""

import logging
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from septum.contract import BadInput, Features
from septum.metrics import fidelity
from septum.metrics.distributions import frechet, mmd_linear, mmd_rbf
from septum.metrics.interval import mean_by_subject
from septum.tasks import reconstruct
from septum.tasks.segmenter import Schedule

SHORT = Schedule(steps=2, widths=(2, 4), batch_size=2)


def as_it_is(image):
    return image


@dataclass(frozen=True)
class Keeps:
    """Codes and images by two functions."""

    code: object = field(default=as_it_is)
    render: object = field(default=as_it_is)

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image) -> Features:
        return Features(content=image, style=None, pooled=image.flatten(1))


def split(toys, *, n=40, size=(16, 16), masks=True, name="val"):
    draw = torch.Generator().manual_seed(len(name))
    image = 0.9 * torch.rand(n, 1, *size, generator=draw)
    mask = (image[:, 0] > 0.5).long() if masks else None
    records = [toys.record(f"{name}{i}", f"{name}{i // 2}") for i in range(n)]
    classes = ("background", "left_ventricle")
    return toys.stills(image=image, mask=mask, records=records, classes=classes, split=name)


def pyramid(image):
    """Two maps that are easily made again."""
    return [torch.cat([image, 1 - image], 1), F.avg_pool2d(torch.cat([image, image**2], 1), 4)]


@pytest.fixture(scope="module")
def splits(toys):
    return split(toys, name="train"), split(toys)


def test_a_model_that_keeps_the_image_is_perfect(splits):
    report = reconstruct.run(Keeps(), *splits, 0, schedule=SHORT)

    values = {name: metric.value for name, metric in report.metrics.items()}
    x = splits[1].image.flatten(1)
    expected = {"psnr_db": 120, "ssim": 1, "nmi": 2, "perceptual": 0, "frechet": 0, "mmd_rbf": 0}
    expected |= {"mmd_linear": mmd_linear(x, x), "dead_atom_share": 0, "active_share": 1}
    assert values == pytest.approx(expected, abs=1e-6)
    assert report.metrics["psnr_db"].unit == "dB"


def brightened(image):
    return image + torch.linspace(0.01, 0.1, len(image))[:, None, None, None]


def test_numbers_are_of_images_and_intervals_over_subjects(splits):
    report = reconstruct.run(Keeps(render=brightened), *splits, 0, features=pyramid)

    image = splits[1].image
    # 40 images are a batch of 32 and one of 8
    again = torch.cat([brightened(part) for part in image.split(32)])
    subjects = [record.subject for record in splits[1].records]
    expected = {
        "psnr_db": -10 * (again - image).square().mean((1, 2, 3)).log10(),
        "ssim": fidelity.ssim(image, again),
        "nmi": fidelity.nmi(image, again),
        "perceptual": fidelity.perceptual(pyramid(image), pyramid(again)),
    }
    for name, column in expected.items():
        found = [row[name] for row in report.rows]
        assert found == pytest.approx(column.tolist(), rel=1e-5), name
        unit = "dB" if name == "psnr_db" else ""
        metric = mean_by_subject(np.array(found), subjects, unit=unit, seed=0)
        assert report.metrics[name] == metric
    assert [row["id"] for row in report.rows] == [record.id for record in splits[1].records]


def test_distances_of_sets_are_of_pixels_and_of_the_deepest_map(splits):
    metrics = reconstruct.run(Keeps(render=brightened), *splits, 0, features=pyramid).metrics

    image = splits[1].image
    again = torch.cat([brightened(part) for part in image.split(32)])
    pixels = image.flatten(1), again.flatten(1)
    assert metrics["mmd_rbf"].value == pytest.approx(mmd_rbf(*pixels))
    assert metrics["mmd_linear"].value == pytest.approx(mmd_linear(*pixels))
    deepest = (pyramid(of)[-1].mean((2, 3)) for of in (image, again))
    assert metrics["frechet"].value == pytest.approx(frechet(*deepest), rel=1e-4)


def test_atoms_that_no_image_uses_are_dead(splits):
    def four_atoms(image):
        small = F.avg_pool2d(image, 8)
        seldom = torch.zeros_like(small)
        seldom[:1, :, 0, 0] = -1.0  # one place of the first image of each batch
        return torch.cat([small, seldom, 0 * small, 1e-7 + 0 * small], 1)

    model = Keeps(four_atoms, lambda code: F.interpolate(code[:, :1], scale_factor=8.0))
    report = reconstruct.run(model, *splits, 0, features=pyramid)

    dead, active = report.metrics["dead_atom_share"], report.metrics["active_share"]
    assert (dead.value, dead.n) == (0.5, 4)
    # without the subjects of images 0 and 32 the second atom would be dead, too
    assert dead.low <= 0.5 <= dead.high
    rows = [row["active_share"] for row in report.rows]
    assert rows == pytest.approx([5 / 16 if i in {0, 32} else 1 / 4 for i in range(40)])
    assert active.value == pytest.approx(np.mean(rows))


def test_codes_on_no_grid_have_no_atoms(splits):
    model = Keeps(lambda image: image.flatten(1), lambda code: code.view(-1, 1, 16, 16))

    metrics = reconstruct.run(model, *splits, 0, features=pyramid).metrics

    assert metrics["psnr_db"].value == 120
    assert not {"dead_atom_share", "active_share"} & set(metrics)


def test_a_model_of_content_and_style_is_asked_to_decode_what_it_would_discretise(splits):
    class Paints:
        phases, after_step = Keeps.phases, Keeps.after_step

        def encode(self, image):
            return Features(content=image, style=image / 2, pooled=image.flatten(1))

        def decode(self, content, style):
            return content + style

        def discretise(self, content):
            return (content > 0.5).float() / 2

        def restyle(self, image, concepts):
            return concepts * image

        def plain(self, image):
            return image

    seen = reconstruct.redrawn(Paints(), splits[1])

    image = splits[1].image
    assert torch.equal(seen.image, image)
    torch.testing.assert_close(seen.again, (image > 0.5) / 2 + image / 2)
    assert seen.used is seen.active is None


def test_without_masks_what_needs_a_network_is_left_out(toys, splits, caplog):
    unknown = split(toys, masks=False, name="train")

    with caplog.at_level(logging.WARNING, logger="septum"):
        metrics = reconstruct.run(Keeps(), unknown, splits[1], 0).metrics

    assert set(metrics) >= {"psnr_db", "ssim", "nmi", "mmd_rbf", "mmd_linear"}
    assert not {"perceptual", "frechet"} & set(metrics)
    assert "has a mask to learn from" in caplog.text


def test_volumes_are_judged_slice_by_slice(toys):
    volumes = split(toys, n=4, size=(3, 16, 20), masks=False)

    report = reconstruct.run(
        Keeps(render=lambda code: code.flip(2)), volumes, volumes, 0, features=pyramid
    )

    image = volumes.image
    again = image.flip(2)
    by_slice = [
        fidelity.perceptual(pyramid(image[:, :, z]), pyramid(again[:, :, z])) for z in range(3)
    ]
    rows = [row["perceptual"] for row in report.rows]
    assert rows == pytest.approx(torch.stack(by_slice).mean(0).tolist(), rel=1e-5)
    pooled = [[pyramid(of[:, :, z])[-1].mean((2, 3)) for z in range(3)] for of in (image, again)]
    expected = frechet(*(torch.stack(of).mean(0) for of in pooled))
    # the same slices in another order: means are equal
    assert report.metrics["frechet"].value == pytest.approx(expected, abs=1e-6)
    shown = report.figures["reconstructions"].axes[0].images[0].get_array()
    middle = [image[i, 0, 1] for i in range(4)]
    assert any(np.allclose(shown, one) for one in middle)


def test_volumes_have_no_network_of_their_own(toys, caplog):
    volumes = split(toys, n=4, size=(3, 16, 20), masks=False)

    metrics = reconstruct.run(Keeps(), volumes, volumes, 0).metrics

    assert "perceptual" not in metrics
    assert "are volumes" in caplog.text


def test_the_figure_shows_the_best_the_median_and_the_worst(splits):
    figure = reconstruct.run(Keeps(render=brightened), *splits, 0, features=pyramid).figures[
        "reconstructions"
    ]

    rows = np.array(figure.axes[:9]).reshape(3, 3)
    # of 32 and 8 images in batches; the first is least brightened, by 0.01, the last by 0.1
    labels = [axes.get_ylabel() for axes in rows[:, 0]]
    assert [label.split()[0] for label in labels] == ["best", "median", "worst"]
    assert [labels[0].split()[1], labels[2].split()[1]] == ["40.0", "20.0"]
    np.testing.assert_allclose(rows[0, 2].images[0].get_array(), 0.01, atol=1e-6)
    assert rows[0, 2].images[0].norm.vmax == pytest.approx(0.1)


def test_a_single_image_is_no_set(toys, splits):
    one = split(toys, n=1)

    report = reconstruct.run(Keeps(), splits[0], one, 0, features=pyramid)

    assert not {"mmd_rbf", "mmd_linear", "frechet"} & set(report.metrics)
    assert report.metrics["dead_atom_share"].value == 0
    assert len(report.figures["reconstructions"].axes) == 10


def test_a_network_is_asked_in_evaluation_mode_and_left_in_its_own(splits):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(1)

        def phases(self):
            return ()

        def after_step(self, progress):
            pass

        def encode(self, image):
            return Features(content=image, style=None, pooled=image.flatten(1))

        def code(self, image):
            return self.norm(image).double()

        def render(self, code):
            return self.norm(code.float())

    net = Net()
    seen = reconstruct.redrawn(net, splits[1])

    torch.testing.assert_close(seen.again, seen.image, atol=1e-4, rtol=1e-4)
    assert net.training
    assert not net.norm.running_mean.any()
    assert not seen.again.requires_grad


def test_a_model_must_draw_images(toys, splits):
    with pytest.raises(BadInput, match="draws no images"):
        reconstruct.run(toys.says(content=as_it_is), *splits, 0)


def test_a_model_that_decodes_must_have_a_style(splits):
    class Plain:
        phases, after_step, encode = Keeps.phases, Keeps.after_step, Keeps.encode

        def decode(self, content, style):
            return content + style

    with pytest.raises(BadInput, match="no style"):
        reconstruct.run(Plain(), *splits, 0)
