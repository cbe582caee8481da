"""The synthetic scan: determinism, tissue, and the oracle against closed forms."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.phantom.configuration import LUNA16, NSCLC_RADIOMICS, LesionKind, PhantomConfiguration
from nnunetv2_raemd.phantom.thorax import LEFT_LUNG, RIGHT_LUNG, TRACHEA, Thorax, make_thorax

CASES = range(4)
FINE = replace(LUNA16, shape=(96, 128, 128), spacing_mm=(1.25, 1.5, 1.5), lesion_count=(1, 1))


@lru_cache(maxsize=8)
def _default_case(case: int) -> Thorax:
    return make_thorax(LUNA16, case)


def _round(kind: LesionKind, diameter_mm: float) -> PhantomConfiguration:
    bounds = (diameter_mm, diameter_mm)
    return replace(FINE, lesion_kinds=(kind,), irregularity=0.0, lesion_diameter_mm=bounds)


def test_same_seed_same_bytes(small: PhantomConfiguration) -> None:
    first, second = make_thorax(small, 3), make_thorax(small, 3)
    assert first.hu.tobytes() == second.hu.tobytes()
    assert first.lesion_labels.tobytes() == second.lesion_labels.tobytes()
    assert first.lung_labels.tobytes() == second.lung_labels.tobytes()
    assert first.lesions == second.lesions


def test_other_seed_or_case_is_another_patient(small: PhantomConfiguration) -> None:
    one = make_thorax(small, 0)
    assert (make_thorax(small, 1).lung_labels != one.lung_labels).mean() > 0.005
    assert (make_thorax(replace(small, seed=1), 0).lung_labels != one.lung_labels).mean() > 0.005


def test_shape_spacing_and_types(small: PhantomConfiguration) -> None:
    thorax = make_thorax(small, 0)
    arrays: list[np.ndarray] = [thorax.hu, thorax.lesion_labels, thorax.lung_labels, *thorax.organs.values()]
    assert {array.shape for array in arrays} == {small.shape}
    assert thorax.hu.dtype == np.int16
    assert thorax.spacing_mm == small.spacing_mm
    assert thorax.hu.min() >= -1024


@pytest.mark.parametrize("diameter_mm", [10.0, 16.0, 22.0])
def test_round_nodule_has_the_volume_of_a_sphere(diameter_mm: float) -> None:
    thorax = make_thorax(_round("solitary", diameter_mm), 0)
    voxels = int((thorax.lesion_labels == 1).sum())
    volume = voxels * float(np.prod(thorax.spacing_mm))
    assert volume == pytest.approx(np.pi / 6 * diameter_mm**3, rel=0.06)
    assert thorax.lesions[0].volume_mm3 == pytest.approx(volume)
    assert thorax.lesions[0].equivalent_diameter_mm == pytest.approx(diameter_mm, rel=0.02)


def test_round_nodule_is_the_set_of_voxel_centres_within_its_radius() -> None:
    thorax = make_thorax(_round("solitary", 18.0), 2)
    voxels = np.argwhere(thorax.lesion_labels == 1) * np.array(thorax.spacing_mm)
    outside = np.argwhere(thorax.lesion_labels == 0) * np.array(thorax.spacing_mm)
    centre = voxels.mean(axis=0)
    # the centroid of the voxels estimates the sphere's centre to a fraction of a voxel
    assert np.linalg.norm(voxels - centre, axis=1).max() < 9.0 + 0.3
    assert np.linalg.norm(outside - centre, axis=1).min() > 9.0 - 0.3


def test_nodules_are_separate_and_each_is_one_piece() -> None:
    for case in CASES:
        thorax = _default_case(case)
        assert 1 <= len(thorax.lesions) <= 3
        assert ndimage.label(thorax.lesion_labels > 0, np.ones((3, 3, 3)))[1] == len(thorax.lesions)
        for lesion in thorax.lesions:
            mask = thorax.lesion_labels == lesion.label
            assert np.allclose(np.argwhere(mask).mean(axis=0), lesion.centroid_voxel)
            assert lesion.equivalent_diameter_mm == pytest.approx(lesion.nominal_diameter_mm, rel=0.12)


def test_irregularity_makes_nodules_less_round() -> None:
    def roundness(irregularity: float) -> float:
        shape = replace(_round("solitary", 22.0), irregularity=irregularity)
        thorax = make_thorax(shape, 4)
        voxels = np.argwhere(thorax.lesion_labels == 1) * np.array(thorax.spacing_mm)
        axes = np.linalg.eigvalsh(np.cov(voxels.T))
        return float(np.sqrt(axes[0] / axes[-1]))

    assert roundness(0.0) > 0.97
    assert roundness(0.15) < 0.9


def _distance_to_outside_lung_mm(thorax: Thorax) -> np.ndarray:
    lung = np.isin(thorax.lung_labels, (LEFT_LUNG, RIGHT_LUNG, TRACHEA)) | (thorax.lesion_labels > 0)
    # slices outside the scan are no pleura
    return ndimage.distance_transform_edt(
        np.pad(lung, ((20, 20), (0, 0), (0, 0)), "edge"), thorax.spacing_mm
    )[20:-20]


@pytest.mark.parametrize("case", CASES)
def test_solitary_nodules_lie_clear_of_pleura_and_vessels(case: int) -> None:
    thorax = make_thorax(_round("solitary", 14.0), case)
    nodule = thorax.lesion_labels == 1
    assert _distance_to_outside_lung_mm(thorax)[nodule].min() > 1.5
    shell = ndimage.binary_dilation(nodule, iterations=2) & ~ndimage.binary_dilation(nodule)
    assert (thorax.hu[shell] > -300).mean() < 0.02  # parenchyma all round


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["juxta-pleural", "mediastinal"])
def test_pleural_nodules_touch_the_lungs_surface_from_inside(kind: LesionKind, case: int) -> None:
    thorax = make_thorax(_round(kind, 16.0), case)
    nodule = thorax.lesion_labels == 1
    assert np.isin(thorax.lung_labels[nodule], (LEFT_LUNG, RIGHT_LUNG, TRACHEA)).all()
    nearest = _distance_to_outside_lung_mm(thorax)[nodule].min()
    assert nearest <= 1.5  # the next voxel in-plane is outside
    assert thorax.lesions[0].equivalent_diameter_mm == pytest.approx(16.0, rel=0.1)  # only a cap is missing


@pytest.mark.parametrize("case", CASES)
def test_vessel_attached_nodules_have_one_solid_neighbour_inside_the_lung(case: int) -> None:
    thorax = make_thorax(_round("vessel-attached", 12.0), case)
    nodule = thorax.lesion_labels == 1
    shell = ndimage.binary_dilation(nodule, iterations=2) & ~nodule
    shell &= np.isin(thorax.lung_labels, (LEFT_LUNG, RIGHT_LUNG))
    touching = shell & ~ndimage.binary_dilation(nodule) & (thorax.hu > -650)
    assert touching.any()
    assert touching.sum() < 0.5 * shell.sum()


def test_tissues_have_their_ct_numbers(thorax: Thorax) -> None:
    lung = np.isin(thorax.lung_labels, (LEFT_LUNG, RIGHT_LUNG)) & (thorax.lesion_labels == 0)
    deep = ndimage.binary_erosion(lung, iterations=2)
    assert -900 < np.median(thorax.hu[deep]) < -780
    assert -900 < thorax.hu[deep].mean() < -700
    heart = ndimage.binary_erosion(thorax.organs["Heart"], iterations=3)
    assert 20 < thorax.hu[heart].mean() < 60
    nodule = ndimage.binary_erosion(thorax.lesion_labels > 0, iterations=2)
    assert 20 < thorax.hu[nodule].mean() < 80
    trachea = ndimage.binary_erosion(thorax.lung_labels == TRACHEA, np.ones((1, 3, 3)), iterations=2)
    assert thorax.hu[trachea].mean() < -950
    assert 0.005 < (thorax.hu > 200).mean() < 0.08  # bone
    assert thorax.hu[:, :3].mean() == pytest.approx(-1000, abs=15)  # air round the body


def test_left_and_right_are_the_patients(thorax: Thorax) -> None:
    columns = [np.argwhere(thorax.lung_labels == label)[:, 2].mean() for label in (RIGHT_LUNG, LEFT_LUNG)]
    assert columns[0] < columns[1]  # x grows to the patient's left
    assert np.argwhere(thorax.organs["Heart"])[:, 2].mean() > (thorax.hu.shape[2] - 1) / 2
    assert np.argwhere(thorax.organs["Spinal-Cord"])[:, 1].mean() > 0.6 * thorax.hu.shape[1]  # y to the back


def test_noise_has_the_level_asked_for() -> None:
    quiet, loud = (make_thorax(replace(LUNA16, noise_hu=level), 1) for level in (0.0, 30.0))
    difference = loud.hu.astype(float) - quiet.hu
    inside = (quiet.hu > -990) & (quiet.hu < 1000)
    assert difference[inside].std() == pytest.approx(30, rel=0.05)
    along_x = np.corrcoef(difference[:, 40:80, 40:79].ravel(), difference[:, 40:80, 41:80].ravel())[0, 1]
    assert along_x > 0.3  # correlated in-plane


def test_edges_are_partial_volume() -> None:
    thorax = make_thorax(replace(_round("solitary", 16.0), noise_hu=0.0), 0)
    nodule = thorax.lesion_labels == 1
    rim = nodule & ~ndimage.binary_erosion(nodule)
    assert thorax.hu[rim].min() > -700  # a centre inside: roughly half filled at least
    between = (thorax.hu[ndimage.binary_dilation(nodule)] > -700) & (
        thorax.hu[ndimage.binary_dilation(nodule)] < -100
    )
    assert between.mean() > 0.1


def _discs(thorax: Thorax, solid: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Equivalent diameter in mm and pixels of the round in-slice components."""
    found = []
    for z in range(len(solid)):
        labels, count = ndimage.label(solid[z])
        for k in range(1, count + 1):
            pixels = np.argwhere(labels == k)
            extent = (np.ptp(pixels, axis=0) + 1).astype(float)
            if extent.max() > 1.5 * extent.min() or len(pixels) < 0.6 * extent.prod():
                continue
            diameter = 2 * np.sqrt(len(pixels) / np.pi) * thorax.spacing_mm[1]
            found.append((float(diameter), np.column_stack([np.full(len(pixels), z), pixels])))
    return found


def test_vessel_sections_of_a_nodules_size_outnumber_nodule_sections() -> None:
    vessels = nodules = 0
    for case in CASES:
        thorax = _default_case(case)
        lung = np.isin(thorax.lung_labels, (LEFT_LUNG, RIGHT_LUNG))
        for diameter, voxels in _discs(thorax, lung & (thorax.hu > -400)):
            if 7 < diameter < 15:
                is_nodule = thorax.lesion_labels[tuple(voxels.T)].any()
                nodules += bool(is_nodule)
                vessels += not is_nodule
    assert nodules >= 5
    assert vessels > 3 * nodules


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (32, 40, 40), "spacing_mm": (2.0, 2.0, 2.0)}, "field of view"),
        ({"shape": (0, 80, 80)}, "positive"),
        ({"spacing_mm": (2.0, -1.0, 1.0)}, "positive"),
        ({"lesion_diameter_mm": (20.0, 10.0)}, "lower bound first"),
        ({"lesion_diameter_mm": (20.0, 200.0)}, "at most"),
        ({"lesion_count": (-1, 2)}, "lesion count"),
        ({"lesion_kinds": ()}, "at least one kind"),
        ({"irregularity": 0.9}, "irregularity"),
        ({"noise_hu": -1.0}, "noise"),
        ({"seed": -1}, "seed"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        replace(LUNA16, **change)


def test_lesions_that_do_not_fit_are_an_error_and_not_left_out(small: PhantomConfiguration) -> None:
    configuration = replace(small, lesion_diameter_mm=(70.0, 70.0), lesion_count=(1, 1))
    with pytest.raises(UserError, match="no room"):
        make_thorax(configuration, 0)


def test_default_settings_find_room_in_many_patients(small: PhantomConfiguration) -> None:
    for case in range(8):
        lesions = make_thorax(replace(small, seed=9), case).lesions
        assert all(lesion.volume_mm3 > 0 for lesion in lesions)


def test_tumours_of_the_radiotherapy_phantom_are_large() -> None:
    configuration = replace(NSCLC_RADIOMICS, shape=(48, 128, 128), spacing_mm=(4.0, 2.9, 2.9))
    diameters = [make_thorax(configuration, case).lesions[0].equivalent_diameter_mm for case in range(4)]
    assert all(13 < diameter < 65 for diameter in diameters)
    assert max(diameters) > 25
