import math
from dataclasses import replace

import pytest

from septum.tasks.volumes import volumes

MM = {"spacing_y_mm": 2.0, "spacing_x_mm": 1.5, "spacing_z_mm": 10.0}


@pytest.fixture
def stack(toys):
    """Three slices of ED and of ES, not in their order."""

    def build(subject: str, **labels):
        return [
            toys.record(f"{subject}{phase}{z}", subject, phase=phase, slice=float(z), **labels)
            for z in (2, 0, 1)
            for phase in ("ED", "ES")
        ]

    return build


def test_slices_of_a_phase_are_one_volume_in_their_order(stack):
    found = volumes([*stack("a"), *stack("b")])

    assert [(v.name, v.subject, v.rows) for v in found] == [
        ("a ED", "a", [2, 4, 0]),
        ("a ES", "a", [3, 5, 1]),
        ("b ED", "b", [8, 10, 6]),
        ("b ES", "b", [9, 11, 7]),
    ]


@pytest.mark.parametrize("name", ["modality", "view", "phase", "frame"])
def test_whatever_tells_states_apart_tells_volumes_apart(toys, name):
    records = [
        toys.record(f"{z}{value}", "a", slice=float(z), **{name: value})
        for z in (0, 1)
        for value in ("x", "y")
    ]

    assert [v.rows for v in volumes(records)] == [[0, 2], [1, 3]]


def test_the_frames_of_a_cine_are_volumes_of_their_own(toys):
    records = [replace(toys.record(f"{z}{t}", "a"), at=(z, t)) for z in (1, 0) for t in (0, 1)]

    assert [v.rows for v in volumes(records)] == [[2, 0], [3, 1]]


def test_a_stated_volume_beats_what_is_guessed(toys):
    records = [
        toys.record("0", "a", slice=0.0, phase="ED", volume="v"),
        toys.record("1", "a", slice=1.0, phase="ES", volume="v"),
        toys.record("2", "b", slice=0.0, phase="ED", volume="v"),
    ]

    assert [(v.name, v.rows) for v in volumes(records)] == [("a v", [0, 1]), ("2", [2])]


def test_images_without_a_position_are_by_themselves(toys):
    records = [toys.record(name, "a", view="4CH", phase="ED") for name in ("p", "q")]

    assert [(v.name, v.rows, v.gapless) for v in volumes(records)] == [
        ("p", [0], True),
        ("q", [1], True),
    ]


def test_a_grid_needs_all_three_spacings_and_every_slice(stack):
    whole, *_ = volumes(stack("a", **MM))
    (torn,) = volumes([r for r in stack("a", **MM) if r.labels["phase"] == "ED"][:2])
    (single,) = volumes(stack("a", **MM)[:1])
    flat, *_ = volumes(stack("a", spacing_y_mm=2.0, spacing_x_mm=1.5))
    bare, *_ = volumes(stack("a"))

    assert whole.grid_mm == (10.0, 2.0, 1.5)
    assert [v.grid_mm for v in (torn, single, flat, bare)] == [None] * 4
    assert (torn.gapless, torn.pixel_mm) == (False, (2.0, 1.5))
    assert (flat.pixel_mm, bare.pixel_mm) == ((2.0, 1.5), None)
    assert whole.voxel_ml == torn.voxel_ml == single.voxel_ml == pytest.approx(0.03)
    assert math.isnan(flat.voxel_ml)


def test_a_repeated_or_unknown_position_is_no_grid(toys):
    twice = [toys.record(name, "a", slice=1.0, **MM) for name in "xy"]
    unknown = [toys.record(name, "a", volume="v", **MM) for name in "xy"]

    for records in (twice, unknown):
        (found,) = volumes(records)
        assert found.rows == [0, 1]
        assert found.grid_mm is None
