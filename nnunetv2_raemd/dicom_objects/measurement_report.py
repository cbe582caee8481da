"""DICOM SR by TID 1500 (PS3.16): the measurements of every lesion, tied to its segment in the SEG."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom import sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from nnunetv2_raemd.dicom_objects import equipment
from nnunetv2_raemd.dicom_objects.coded_terms import LUNG
from nnunetv2_raemd.dicom_objects.object_kinds import ObjectKind
from nnunetv2_raemd.dicom_objects.segmentation_object import SegmentationPart
from nnunetv2_raemd.dicom_objects.segmented_series import Segment, SegmentedSeries
from nnunetv2_raemd.lesions.lesion_list import plain
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion

CT_OF_CHEST = Code("169069000", "SCT", "CT of chest")
MM, MM3 = codes.UCUM.Millimeter, codes.UCUM.CubicMillimeter
HU, PERCENT = Code("[hnsf'U]", "UCUM", "Hounsfield unit"), Code("%", "UCUM", "Percent")
# No scheme of DICOM's has a code for the diameter of the ball of the same volume.
SCHEME = "99RAEMD"
EQUIVALENT_DIAMETER = Code("EQUIV_DIAMETER", SCHEME, "Equivalent spherical diameter")


def measurement_report(
    series: SegmentedSeries, segmentations: Sequence[SegmentationPart]
) -> sr.Comprehensive3DSR:
    """The report on the lesions of a series, which are segments of `segmentations`.

    Without any lesion it says so: the finding is absent.
    """

    groups = [
        _lesion(segment, segment.lesion, series, _referenced(number, part, series))
        for part in segmentations
        for number, segment in enumerate(part.segments, start=1)
        if segment.lesion is not None
    ]
    content = sr.MeasurementReport(
        observation_context=_observer(series),
        procedure_reported=CT_OF_CHEST,
        imaging_measurements=groups or [_no_lesion(series)],
        title=codes.DCM.ImagingMeasurementReport,
    )
    return sr.Comprehensive3DSR(
        evidence=[*series.source.files, *(part.dataset for part in segmentations)],
        content=content,
        series_instance_uid=series.series_uid(ObjectKind.SR.value),
        series_number=equipment.SR_SERIES,
        sop_instance_uid=series.uid("SR"),
        instance_number=1,
        manufacturer=equipment.MANUFACTURER,
        manufacturer_model_name=equipment.MODEL_NAME,
        software_versions=series.algorithm.version,
        device_serial_number=equipment.SERIAL_NUMBER,
        series_description="RAEMD-Net measurements",
        is_complete=True,
        coding_schemes=[
            CodingSchemeIdentificationItem(
                SCHEME, name="nnunetv2-raemd", responsible_organization="nnunetv2-raemd"
            )
        ],
    )


def _observer(series: SegmentedSeries) -> sr.ObservationContext:

    device = sr.DeviceObserverIdentifyingAttributes(
        uid=equipment.DEVICE_UID,
        name=equipment.MANUFACTURER,
        manufacturer_name=equipment.MANUFACTURER,
        model_name=equipment.MODEL_NAME,
    )
    context = sr.ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    return sr.ObservationContext(observer_device_context=context)


def _referenced(number: int, part: SegmentationPart, series: SegmentedSeries) -> sr.ReferencedSegment:

    return sr.ReferencedSegment(
        sop_class_uid=part.dataset.SOPClassUID,
        sop_instance_uid=part.dataset.SOPInstanceUID,
        segment_number=number,
        source_series=sr.SourceSeriesForSegmentation(series.source.uid),
    )


def _lesion(
    segment: Segment, lesion: MeasuredLesion, series: SegmentedSeries, referenced: sr.ReferencedSegment
) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations:

    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=segment.tracking_uid, identifier=segment.name),
        referenced_segment=referenced,
        finding_category=segment.finding.category,
        finding_type=segment.finding.type,
        finding_sites=[sr.FindingSite(segment.finding.site or LUNG)],
        algorithm_id=_algorithm(series),
        measurements=_measurements(lesion),
    )


def _no_lesion(series: SegmentedSeries) -> sr.MeasurementsAndQualitativeEvaluations:

    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=series.uid("no lesion"), identifier="no lesion found"),
        source_images=None,
        finding_sites=[sr.FindingSite(LUNG)],
        algorithm_id=_algorithm(series),
        qualitative_evaluations=[
            sr.QualitativeEvaluation(name=codes.SCT.Lesion, value=codes.SCT.Absent),
        ],
    )


def _algorithm(series: SegmentedSeries) -> sr.AlgorithmIdentification:

    algorithm = series.algorithm
    parameters = [f"{name}={value}" for name, value in algorithm.parameters]
    return sr.AlgorithmIdentification(algorithm.name, algorithm.version, parameters=parameters or None)


def _measurements(lesion: MeasuredLesion) -> list[sr.Measurement]:
    """To as many digits as the lists of lesions have them."""
    measured = [
        sr.Measurement(codes.SCT.Volume, plain(lesion.volume_mm3), MM3),
        sr.Measurement(codes.SCT.LongAxis, plain(lesion.long_axis_mm), MM),
        sr.Measurement(codes.SCT.ShortAxis, plain(lesion.short_axis_mm), MM),
        sr.Measurement(EQUIVALENT_DIAMETER, plain(lesion.equivalent_diameter_mm), MM),
    ]
    if lesion.mean_hu is not None:
        mean_hu = plain(lesion.mean_hu)
        measured.append(
            sr.Measurement(codes.DCM.AttenuationCoefficient, mean_hu, HU, derivation=codes.SCT.Mean)
        )
    if lesion.confidence is not None:
        percent = plain(100 * plain(lesion.confidence))
        measured.append(sr.Measurement(codes.DCM.CertaintyOfFinding, percent, PERCENT))
    return measured
