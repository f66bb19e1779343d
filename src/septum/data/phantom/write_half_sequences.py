"""Write phantom hearts in the published layout of CAMUS: half a beat in two views.

    patientXXXX/patientXXXX_{2CH,4CH}_half_sequence.nii.gz     end diastole to end systole
    patientXXXX/patientXXXX_{2CH,4CH}_{ED,ES}.nii.gz           its first and its last frame
    the same with `_gt` before the ending                      1 LV cavity, 2 LV myocardium, 3 LA
    patientXXXX/Info_{2CH,4CH}.cfg

Leclerc et al., IEEE TMI 2019, doi:10.1109/TMI.2019.2900516.
"""

from pathlib import Path

import numpy as np
import SimpleITK
from jaxtyping import Shaped, UInt8

from septum.contract import BadInput
from septum.data.phantom.cine import Cine, draw_cine
from septum.data.phantom.heart import PHASES, Heart, sample_beating_heart
from septum.data.phantom.look import Look, sample_look
from septum.data.phantom.tissue import CLASSES

VIEWS = {"2CH": "A2C", "4CH": "A4C"}
MASK_CLASSES = ("background", "left_ventricle", "myocardium", "left_atrium")
CODES = np.array([MASK_CLASSES.index(c) if c in MASK_CLASSES else 0 for c in CLASSES], np.uint8)
RATES_HZ = (40.0, 60.0)
HEART_RATES_PER_MIN = (55.0, 90.0)
MOST_LEAN_DEG = 12.0
QUALITIES = {"Good": 1.75, "Medium": 2.6}
"""Largest flaw of an image of this quality; beyond all of them it is poor. These make about as many
of each as there are in CAMUS."""
LOOK_STREAM, FILM_STREAM = 401, 411
"""Streams of random numbers of a subject for its first view, beside that of the heart."""


def write_half_sequences(
    root: Path,
    *,
    subjects: int,
    seed: int,
    first_subject: int = 0,
    size: tuple[int, int] = (160, 200),
) -> None:
    """Write two views of every subject; the same arguments write the same bytes.

    The two views are two acquisitions of one heart. Ejection fractions are uniform over 10 to 80
    percent. Pixels have their true size, rows twice as dense as columns as in CAMUS, so that
    outlines in mm give the volumes in mL that the `Info` files state, but for foreshortening.

    Args:
        root: Folder to fill; made where missing.
        subjects: How many hearts; the first is patient0001.
        seed: Names the population.
        first_subject: Number of the first, counted from 0.
        size: Height and width in pixels, before rows are doubled.

    Raises:
        BadInput: There is no subject to write, or a file cannot be written.
    """
    if subjects < 1 or first_subject < 0:
        raise BadInput(
            f"Films of {subjects} subjects from number {first_subject} on are none; ask for 1 or "
            "more, numbered from 0."
        )
    for number in range(first_subject, first_subject + subjects):
        patient = root / f"patient{number + 1:04d}"
        patient.mkdir(parents=True, exist_ok=True)
        heart = sample_beating_heart(np.random.default_rng([seed, number]))
        for stream, view in enumerate(VIEWS):
            rng = np.random.default_rng([seed, number, LOOK_STREAM + stream])
            look = sample_look(rng, heart=heart, most_lean_deg=MOST_LEAN_DEG)
            rng = np.random.default_rng([seed, number, FILM_STREAM + stream])
            cine = _half_beat(rng, heart, look, VIEWS[view], size)
            _write_film(patient / f"{patient.name}_{view}", cine)
            (patient / f"Info_{view}.cfg").write_text(_info(cine, quality(look)), encoding="utf-8")


def quality(look: Look) -> str:
    """`Good`, `Medium` or `Poor`: how far the acquisition hides the endocardium.

    Bright blood, a blind edge, receiver noise, haze and a shadow each count up to 1 flaw, at the
    worst that `sample_look` draws.
    """
    flaw = (
        (look.blood_db + 16) / 9
        + look.dropout_db / 12
        + (look.noise_db + 40) / 14
        + (look.haze_db - 2) / 4
        + look.shadow_width_deg * look.shadow_db / 330
    )
    return next((name for name, most in QUALITIES.items() if flaw <= most), "Poor")


def _half_beat(
    rng: np.random.Generator, heart: Heart, look: Look, view: str, size: tuple[int, int]
) -> Cine:
    """Whole frames from end diastole to end systole: the heart beats as fast as they need."""
    rate_hz, wanted_per_min = (
        float(rng.uniform(*RATES_HZ)),
        float(rng.uniform(*HEART_RATES_PER_MIN)),
    )
    steps = round(PHASES["ES"] * 60 / wanted_per_min * rate_hz)
    return draw_cine(
        heart,
        look,
        view=view,
        frames=steps + 1,
        rate_hz=rate_hz,
        rate_per_min=PHASES["ES"] * 60 * rate_hz / steps,
        size=size,
    )


def _info(cine: Cine, grade: str) -> str:
    facts = {
        "ED": cine.ed_frame + 1,
        "ES": cine.es_frame + 1,
        "NbFrame": len(cine.images),
        "ImageQuality": grade,
        "LVedv": f"{cine.facts['edv_ml']:.1f}",
        "LVesv": f"{cine.facts['esv_ml']:.1f}",
        "LVef": f"{cine.facts['ef_percent']:.1f}",
        "FrameRate": f"{cine.facts['frame_rate_hz']:.1f}",
    }
    return "".join(f"{name}: {value}\n" for name, value in facts.items())


def _write_film(stem: Path, cine: Cine) -> None:
    spacing_mm = float(cine.facts["spacing_x_mm"])
    for ending, pixels in (("", cine.images), ("_gt", CODES[cine.masks])):
        _write(stem.with_name(f"{stem.name}_half_sequence{ending}.nii.gz"), pixels, spacing_mm)
        for phase, frame in (("ED", cine.ed_frame), ("ES", cine.es_frame)):
            _write(stem.with_name(f"{stem.name}_{phase}{ending}.nii.gz"), pixels[frame], spacing_mm)


def _write(path: Path, pixels: UInt8[np.ndarray, "*t h w"], spacing_mm: float) -> None:
    dense: Shaped[np.ndarray, "*t h2 w"] = np.repeat(pixels, 2, axis=-2)
    frames = SimpleITK.GetImageFromArray(dense)
    frames.SetSpacing((spacing_mm, spacing_mm / 2, 1.0)[: pixels.ndim])
    try:
        SimpleITK.WriteImage(frames, str(path))
    except RuntimeError as error:
        raise BadInput(f"{path} cannot be written; make room or name another folder.") from error
