"""Estimates as a structured report: TID 1500, an Imaging Measurement Report (PS3.16).

    measurement group (TID 1501): the algorithm, the image, the ventricle
      ejection fraction 55 %                          NUM, TID 300
        +, range of upper measurement uncertainty 4   TID 310: high - value, in the same unit
        -, range of lower measurement uncertainty 6   TID 310: value - low

The standard has no code for a 95 % interval. It has the two ranges of uncertainty round a value,
and how wide they are meant is a parameter of the algorithm (TID 4019): "uncertainty = 95 %
interval". The report is complete, preliminary and not verified: nobody has looked at it.
"""

import datetime
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from highdicom import sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom import Dataset
from pydicom.sr.codedict import codes

from septum.contract import BadInput
from septum.predict.dicom_codes import (
    IMAGING,
    LEFT_VENTRICLE,
    LOWER,
    OWN,
    QUANTITIES,
    UPPER,
    quantity,
    unit,
)
from septum.predict.dicom_file import MAKER, finish, header, plain, uid, without_person

SERIES_NUMBER = 9002
PARAMETER = "uncertainty = 95 % interval"

Estimate = tuple[float, float | None, float | None, str]
"""Value, both ends of its 95 % interval where it has one, and the unit."""


def report(
    source: Path,
    estimates: Mapping[str, Estimate],
    *,
    model: str,
    algorithm_version: str,
    now: datetime.datetime | None = None,
) -> Dataset:
    """A comprehensive structured report of what a model estimated from an image.

    Args:
        source: The DICOM image; its pixels are not read.
        estimates: Value, low, high and unit by name: `ef_percent`, `edv_ml`, `esv_ml` have codes
            of LOINC, others one of their own.
        model: Name of what estimated, the observer of the report.
        algorithm_version: Which one of that name.
        now: Time to write into the report; the present by default.

    Raises:
        BadInput: The source cannot be read, there is no estimate, or one is no number within its
            own interval.
    """
    if not estimates:
        raise BadInput("There is no estimate to report; give at least one.")
    found = header(source)
    blank = without_person(found)
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=_observer(model)),
        procedure_reported=IMAGING,
        imaging_measurements=[_group(found, estimates, model, algorithm_version)],
        title=codes.DCM.ImagingMeasurementReport,
    )
    made = sr.ComprehensiveSR(
        evidence=[blank],
        content=content[0],
        series_instance_uid=uid(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=uid(),
        instance_number=1,
        manufacturer=MAKER,
        is_complete=True,
        coding_schemes=_schemes(estimates),
    )
    finish(made, found, now=now or datetime.datetime.now())
    return made


def _observer(model: str) -> sr.ObserverContext:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=uid(), name=plain(model), manufacturer_name=MAKER, model_name=plain(model)
    )
    return sr.ObserverContext(codes.DCM.Device, device)


def _group(
    source: Dataset, estimates: Mapping[str, Estimate], model: str, version: str
) -> sr.MeasurementsAndQualitativeEvaluations:
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=uid(), identifier=plain(model)),
        algorithm_id=sr.AlgorithmIdentification(
            plain(model), plain(version), parameters=[PARAMETER], manufacturer=MAKER
        ),
        measurements=[_measurement(name, estimate) for name, estimate in estimates.items()],
        source_images=[
            sr.SourceImageForMeasurementGroup(source.SOPClassUID, source.SOPInstanceUID)
        ],
    )


def _measurement(name: str, estimate: Estimate) -> sr.Measurement:
    value, low, high, _ = estimate
    _refuse_outside(name, value, low, high)
    properties = sr.MeasurementProperties()
    properties.extend(_ranges(estimate))
    return sr.Measurement(
        quantity(name),
        value,
        unit(estimate[3]),
        finding_sites=[sr.FindingSite(LEFT_VENTRICLE)] if name in QUANTITIES else None,
        properties=properties,
    )


def _ranges(estimate: Estimate) -> Iterator[sr.NumContentItem]:
    value, low, high, of = estimate
    for code, far in ((UPPER, high), (LOWER, low)):
        if far is not None:
            yield sr.NumContentItem(
                code,
                abs(far - value),
                unit(of),
                relationship_type=sr.RelationshipTypeValues.HAS_PROPERTIES,
            )


def _refuse_outside(name: str, value: float, low: float | None, high: float | None) -> None:
    ends = (value if low is None else low, value, value if high is None else high)
    if not all(map(math.isfinite, ends)) or sorted(ends) != [*ends]:
        raise BadInput(f"{name} = {value} is no number within {low} to {high}; leave it out.")


def _schemes(estimates: Mapping[str, Estimate]) -> list[CodingSchemeIdentificationItem] | None:
    if estimates.keys() <= QUANTITIES.keys():
        return None
    return [CodingSchemeIdentificationItem(OWN, name="Estimates by their name in septum")]
