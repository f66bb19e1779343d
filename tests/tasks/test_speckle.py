"""Speckle filled in by models that keep it, blur it, double it, or peep."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from septum.contract import BadInput, Features, Inpaints, Model
from septum.metrics import speckle as metrics
from septum.tasks import speckle

PATCH = 8


def blurred(image, taps=7, sigma_px=1.5):
    line = torch.exp(-((torch.arange(taps) - taps // 2) ** 2) / (2 * sigma_px**2))
    kernel = torch.outer(line, line)[None, None] / line.sum() ** 2
    return F.conv2d(F.pad(image, (taps // 2,) * 4, mode="replicate"), kernel)


def pixels(hidden):
    return hidden.repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)[:, None]


@dataclass(frozen=True)
class Fills:
    """A model that draws hidden patches by a function of the image and of what is hidden."""

    draw: object = staticmethod(lambda image, _: image)

    def phases(self):
        return ()

    def after_step(self, progress):
        pass

    def encode(self, image):
        return Features(content=image, style=None, pooled=image.flatten(1))

    def patch_px(self):
        return PATCH

    def inpaint(self, image, hidden):
        where = pixels(hidden)
        return torch.where(where, self.draw(image, where), image)


def images(toys, n=6, *, height=48, width=64, organs=("heart", "lung")):
    """Smoothed noise of as many looks as there are organs."""
    noise = torch.rand(n, 1, height, width, generator=torch.manual_seed(0))
    image = (0.3 + 0.5 * (blurred(noise, sigma_px=0.6) - 0.5) + 0.2 * noise).clamp(0, 1)
    records = [
        toys.record(f"r{i}", f"s{i // 2}", **({"organ": organs[i % len(organs)]} if organs else {}))
        for i in range(n)
    ]
    return toys.stills(image=image, mask=None, records=records, classes=())


def ask(model, samples):
    return speckle.run(model, samples, samples, 0)


def test_the_stand_in_keeps_the_contract():
    assert isinstance(Fills(), Model)
    assert isinstance(Fills(), Inpaints)


def test_every_patch_is_hidden_once_and_drawn_beside_real_ones(toys):
    seen = []

    def noted(image, where):
        seen.append(where)
        return torch.full_like(image, 0.25 if len(seen) == 1 else 0.75)

    image = images(toys).image
    drawn = speckle.redrawn(Fills(noted), image)

    first, second = seen
    assert (first ^ second).all()
    assert torch.equal(drawn, torch.where(first, 0.25, 0.75))
    corners = first[:, 0, ::PATCH, ::PATCH]
    assert corners[:, 0, 0].all()
    assert (corners[:, 1:] ^ corners[:, :-1]).all()
    assert (corners[:, :, 1:] ^ corners[:, :, :-1]).all()


def test_a_model_that_sees_all_is_perfect(toys):
    found = ask(Fills(), images(toys)).metrics

    assert found["spectral_distance_db"].value == found["mae"].value == 0
    assert found["psnr_db"].value == 120
    assert found["high_share_ratio"].value == 1
    for name in ("speckle_snr", "axial_width_px", "lateral_width_px", "high_share"):
        assert found[f"real_{name}"] == found[f"drawn_{name}"]


def test_a_blur_is_far_in_spectrum_though_near_in_pixels(toys):
    samples = images(toys)

    found = ask(Fills(lambda image, _: blurred(image)), samples).metrics

    again = blurred(samples.image)
    far = metrics.spectral_distance_db(samples.image, again).mean().item()
    assert found["spectral_distance_db"].value == pytest.approx(far)
    assert far > 5
    assert found["mae"].value == pytest.approx((samples.image - again).abs().mean().item())
    assert found["psnr_db"].value > 18
    assert found["high_share_ratio"].value < 0.3
    assert found["drawn_axial_width_px"].value > found["real_axial_width_px"].value
    assert found["drawn_speckle_snr"].value > found["real_speckle_snr"].value


def test_columns_are_those_of_the_metrics_and_their_units_in_their_names(toys):
    samples = images(toys)

    report = ask(Fills(lambda image, _: blurred(image)), samples)

    statistics = metrics.statistics(samples.image)
    for name, values in statistics.items():
        assert [row[f"real_{name}"] for row in report.rows] == pytest.approx(values.tolist())
    shares = metrics.statistics(blurred(samples.image))["high_share"]
    assert report.metrics["high_share_ratio"].value == pytest.approx(
        (shares.sum() / statistics["high_share"].sum()).item()
    )
    units = {m.unit for name, m in report.metrics.items() if "_px" in name}
    assert units == {"px"}
    assert {m.unit for name, m in report.metrics.items() if "_db" in name} == {"dB"}
    assert {report.metrics[name].unit for name in ("mae", "high_share_ratio")} == {""}


def test_organs_have_paths_of_their_own(toys):
    samples = images(toys)
    samples.image[1::2] *= 0.5

    def darker(image, _):
        return torch.where(image.mean((1, 2, 3), keepdim=True) < 0.3, 0.8 * image, image)

    report = ask(Fills(darker), samples)

    mae = np.array([row["mae"] for row in report.rows])
    for organ, rows in (("heart", slice(0, None, 2)), ("lung", slice(1, None, 2))):
        found = report.metrics[f"mae/{organ}"]
        assert found.value == pytest.approx(mae[rows].mean())
        assert found.n == 3
    assert report.metrics["mae"].n == 6
    assert report.metrics["mae/heart"].value == 0 < report.metrics["mae/lung"].value


def test_images_of_no_organ_have_no_path_and_one_example(toys):
    report = ask(Fills(), images(toys, organs=()))

    assert not any("/" in name for name in report.metrics)
    assert len(report.figures["drawn"].axes) == 3


def test_what_is_drawn_is_shown_in_0_to_1(toys):
    drawn = speckle.redrawn(Fills(lambda image, _: 4 * image - 1), images(toys).image)

    assert drawn.min() == 0
    assert drawn.max() == 1


def test_grain_is_that_of_the_sector(toys):
    samples = images(toys)

    class Coned(type(samples)):
        def batch(self, indices):
            sector = torch.zeros(len(indices), 1, 48, 64, dtype=torch.bool)
            sector[..., 16:] = True
            return type(super().batch(indices))(image=self.image[indices], sector=sector)

    cone = Coned(image=samples.image, mask=None, records=samples.records, classes=())
    noisy = torch.cat([torch.rand(6, 1, 48, 16), samples.image[..., 16:]], dim=3)
    other = Coned(image=noisy, mask=None, records=samples.records, classes=())

    one, two = (ask(Fills(), of).metrics for of in (cone, other))

    assert one["real_high_share"] == two["real_high_share"]
    assert one["real_high_share"] != ask(Fills(), samples).metrics["real_high_share"]


def test_flat_images_have_no_grain_and_no_row_says_so(toys):
    flat = toys.stills(
        image=torch.full((2, 1, 16, 16), 0.5),
        mask=None,
        records=[toys.record("a"), toys.record("b")],
        classes=(),
    )

    report = ask(Fills(), flat)

    assert {*report.metrics} == {"spectral_distance_db", "mae", "psnr_db"}
    assert "real_high_share" not in report.rows[0]


def test_subjects_not_images_are_drawn_again(toys):
    samples = images(toys, 12, organs=("heart",))
    one = type(samples)(
        image=samples.image,
        mask=None,
        records=[toys.record(r.id, "s") for r in samples.records],
        classes=(),
    )
    model = Fills(lambda image, _: blurred(image))

    alone, together = (ask(model, of).metrics["spectral_distance_db"] for of in (samples, one))

    assert alone.low < alone.value < alone.high
    assert together.low == together.value == together.high == alone.value


def test_a_network_is_asked_in_evaluation_mode_and_keeps_its_own(toys):
    class Net(nn.Module):
        def phases(self):
            return ()

        def after_step(self, progress):
            pass

        def encode(self, image):
            return Fills().encode(image)

        def patch_px(self):
            return PATCH

        def inpaint(self, image, hidden):
            assert not self.training
            return Fills().inpaint(image, hidden)

    net = Net().train()

    ask(net, images(toys))

    assert net.training


def test_pictures_show_the_image_what_is_seen_of_it_and_what_is_drawn(toys):
    samples = images(toys)

    figure = ask(Fills(lambda image, _: 0 * image), samples).figures["drawn"]

    real, seen, drawn = (axes.images[0].get_array() for axes in figure.axes[:3])
    assert any(np.array_equal(real, image[0]) for image in samples.image)
    hidden = pixels(speckle.chessboard(6, 8)[None])[0, 0].numpy()
    assert (np.ma.getmaskarray(np.ma.masked_invalid(seen)) == hidden).all()
    np.testing.assert_array_equal(np.asarray(seen)[~hidden], real[~hidden])
    assert (drawn == 0).all()
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes[::3]] == ["heart", "lung"]


def test_spectra_are_means_in_decibels_by_organ(toys):
    samples = images(toys)

    figure = ask(Fills(lambda image, _: blurred(image)), samples).figures["spectra"]

    for axes, rows in zip(figure.axes, (slice(0, None, 2), slice(1, None, 2)), strict=True):
        real, drawn = axes.lines
        for line, image in ((real, samples.image[rows]), (drawn, blurred(samples.image[rows]))):
            power = metrics.radial_power(image).clamp(min=metrics.FLOOR)
            np.testing.assert_allclose(line.get_ydata(), 10 * power.log10().mean(0), atol=1e-4)
            assert line.get_xdata()[-1] == 0.5
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["real", "drawn"]


def test_a_model_that_fills_in_nothing_is_told_so(toys):
    samples = images(toys)

    with pytest.raises(BadInput, match="fills in no hidden patches"):
        ask(toys.says(content=lambda image: image), samples)


@pytest.mark.parametrize(("height", "width"), [(44, 64), (48, 4)])
def test_images_that_fall_into_no_patches_are_refused(toys, height, width):
    samples = images(toys, 2, height=height, width=width)

    with pytest.raises(BadInput, match=rf"{height} x {width} pixels do not fall into patches of 8"):
        ask(Fills(), samples)


def test_clips_are_refused(toys):
    clips = toys.stills(
        image=torch.zeros(1, 1, 4, 16, 16), mask=None, records=[toys.record("a")], classes=()
    )

    with pytest.raises(BadInput, match=r"stills \(val\) holds clips"):
        ask(Fills(), clips)
