"""Brings two CT scans of one patient into line, that the same lesion is found in both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from nnunetv2_raemd.errors import UserError

LOW_HU, HIGH_HU = -1000.0, 400.0
WORKING_MM = 3.0
"""Both scans are looked at with voxels of this size: enough to place a lesion, and fast."""
_BODY_HU = -400.0
_N_BINS = 50
_SAMPLED = 0.2  # of the voxels
_SEED = 1  # ITK moves each sampled point within its voxel at random; its own default is the time of day
_FIRST_STEP_MM, _LAST_STEP_MM, _MAX_STEPS = 2.0, 0.001, 200
_FLAT = 1e-6  # gradient of the mutual information: ITK's 1e-4 stops on the slope
_SHRINK, _SMOOTH_MM = (4, 2, 1), (6.0, 3.0, 0.0)
_SMALLEST = 16  # voxels along an axis; a scan with fewer has nothing to align by
POOR_CORRELATION = 0.6
AFFINE_LEAVES = 0.75
"""The affine transform is taken where it leaves at most this share of the variance that the rigid one leaves
unexplained: with twice the parameters it always fits a little better, and noise is what it then fits."""


@dataclass(frozen=True)
class Registration:
    """How a place in the first scan is found in the second.

    Attributes:
        transform: from patient mm of the first scan to those of the second.
        kind: "rigid" or "affine".
        correlation: of the HU of both scans where they overlap once aligned; 1 is perfect.
        shift_mm: how far the middle of the first scan is moved.
        turned_degrees: by how much the patient is turned.
    """

    transform: sitk.Transform
    kind: str
    correlation: float
    shift_mm: float
    turned_degrees: float

    def map(self, place_mm: tuple[float, float, float]) -> tuple[float, float, float]:
        """Where a place of the first scan lies in the second."""
        x, y, z = self.transform.TransformPoint(place_mm)
        return x, y, z


def register(first: sitk.Image, second: sitk.Image) -> Registration:
    """Align two CT scans (HU): rigidly, or by an affine transform (breathing) if clearly better.

    Mutual information (Mattes et al. 2003) on regularly sampled voxels, from coarse to fine, with one thread
    and a fixed seed: on one processor the same scans always give the same result. Rounding differs between
    processors; the steps go on until they are far smaller than a voxel, so that it hardly matters.

    Raises:
        UserError: if the scans cannot be aligned.
    """
    fixed, moving = (_prepared(image) for image in (first, second))
    try:
        by_moments = sitk.CenteredTransformInitializerFilter.MOMENTS
        bodies = (_body(fixed), _body(moving))
        start = sitk.CenteredTransformInitializer(*bodies, sitk.Euler3DTransform(), by_moments)
        rigid = _optimised(fixed, moving, sitk.Euler3DTransform(start))
        affine = _optimised(fixed, moving, _as_affine(rigid))
    except RuntimeError as error:
        raise UserError(
            f"the two scans cannot be aligned: {' '.join(str(error).split())[-200:]}. Do they show the same "
            "part of the same patient? If they are aligned already, add --aligned"
        ) from error
    kind, chosen, correlation = _better(fixed, moving, rigid, affine)
    middle = fixed.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in fixed.GetSize()])
    shift = np.subtract(chosen.TransformPoint(middle), middle)
    return Registration(chosen, kind, correlation, float(np.linalg.norm(shift)), _turned_degrees(rigid))


def aligned_already() -> Registration:
    """For scans that share their coordinates."""
    return Registration(sitk.Transform(3, sitk.sitkIdentity), "none", float("nan"), 0.0, 0.0)


def _prepared(image: sitk.Image) -> sitk.Image:
    """The scan with voxels of `WORKING_MM` and HU cut off beyond air and bone."""
    extents_mm = np.multiply(image.GetSize(), image.GetSpacing())
    size = [max(1, round(mm / WORKING_MM)) for mm in extents_mm.tolist()]
    if min(size) < _SMALLEST:
        shown = " x ".join(f"{mm:.0f}" for mm in extents_mm)
        raise UserError(f"a scan of {shown} mm is too small to be aligned")
    clamped = sitk.Clamp(image, sitk.sitkFloat32, LOW_HU, HIGH_HU)
    smoothed = sitk.SmoothingRecursiveGaussian(clamped, WORKING_MM / 2)
    grid = sitk.Image(size, sitk.sitkFloat32)
    grid.SetOrigin(image.GetOrigin())
    grid.SetDirection(image.GetDirection())
    grid.SetSpacing([WORKING_MM] * 3)
    return sitk.Resample(smoothed, grid, sitk.Transform(), sitk.sitkLinear, LOW_HU)


def _body(image: sitk.Image) -> sitk.Image:
    return sitk.Cast(image > _BODY_HU, sitk.sitkFloat32)


def _optimised(fixed: sitk.Image, moving: sitk.Image, start: sitk.Transform) -> sitk.Transform:
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(_N_BINS)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(_SAMPLED, _SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        _FIRST_STEP_MM, _LAST_STEP_MM, _MAX_STEPS, relaxationFactor=0.6, gradientMagnitudeTolerance=_FLAT
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(_SHRINK)
    method.SetSmoothingSigmasPerLevel(_SMOOTH_MM)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=True)
    method.Execute(fixed, moving)
    return start


def _as_affine(rigid: sitk.Euler3DTransform) -> sitk.AffineTransform:
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(rigid.GetMatrix())
    affine.SetTranslation(rigid.GetTranslation())
    affine.SetCenter(rigid.GetCenter())
    return affine


def _better(
    fixed: sitk.Image, moving: sitk.Image, rigid: sitk.Transform, affine: sitk.Transform
) -> tuple[str, sitk.Transform, float]:
    """The kind, the transform and the correlation of HU where both transforms find the second scan."""
    outside = LOW_HU - 1
    moved = [
        sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkLinear, outside))
        for transform in (rigid, affine)
    ]
    shared = np.logical_and(*(values > outside for values in moved))
    ours = sitk.GetArrayFromImage(fixed)[shared]
    of_rigid, of_affine = (_correlation(ours, values[shared]) for values in moved)
    if 1 - of_affine**2 <= AFFINE_LEAVES * (1 - of_rigid**2) and of_affine > of_rigid:
        return "affine", affine, of_affine
    return "rigid", rigid, of_rigid


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if one.size < _SMALLEST**3 or not one.std() or not other.std():
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _turned_degrees(rigid: sitk.Euler3DTransform) -> float:
    trace = float(np.trace(np.reshape(rigid.GetMatrix(), (3, 3))))
    return float(np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1))))
