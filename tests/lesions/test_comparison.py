"""Two scans of a phantom, moved and with lesions grown by known amounts."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_shapes import ball, draw, grid
from typer.testing import CliRunner, Result

from nnunetv2_raemd.cli import app
from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.lesions import scan_comparison
from nnunetv2_raemd.lesions.ct_registration import aligned_already, register
from nnunetv2_raemd.lesions.lesion_pairing import doubling_days, pair_lesions
from nnunetv2_raemd.lesions.measured_lesion import MeasuredLesion
from nnunetv2_raemd.phantom.configuration import PhantomConfiguration
from nnunetv2_raemd.phantom.thorax import make_thorax

SPACING_MM = (2.0, 2.0, 2.0)
RADII_MM = (5.0, 6.0, 8.0)
GROWTH = (1.5, 1.0, 0.8)  # of the radii; a fourth lesion is gone, a fifth is new
DAYS = 100
TURN, SHIFT_MM = (0.06, -0.05, 0.10), (14.0, -9.0, 11.0)


def raemd(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


class Patient:
    """A thorax before and after: the later scan is turned, shifted and noisy."""

    def __init__(self, folder: Path) -> None:
        settings = PhantomConfiguration((100, 128, 128), (2.5, 2.5, 2.5), lesion_count=(0, 0))
        thorax = make_thorax(settings, 0)
        self.image = sitk.GetImageFromArray(thorax.hu)
        self.image.SetSpacing((2.5, 2.5, 2.5))
        self.image.SetOrigin((-160.0, -150.0, -400.0))
        inside = sitk.GetImageFromArray((thorax.lung_labels > 0).astype(np.uint8))
        inside.CopyInformation(self.image)
        distance = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(inside, True, False, True))
        self.transform = sitk.Euler3DTransform(self.middle, *TURN, SHIFT_MM)
        self.places = self._apart(np.argwhere(distance > 12))
        before = list(zip(self.places, (*RADII_MM, 5.0), strict=False))
        grown = [radius * factor for radius, factor in zip(RADII_MM, GROWTH, strict=True)]
        moved = [self.transform.TransformPoint(place) for place in self.places]
        after = [*zip(moved, grown, strict=False), (moved[4], 5.0)]
        self.files = [folder / name for name in ("before.nii.gz", "after.nii.gz")]
        self.images = [folder / name for name in ("before_0000.nii.gz", "after_0000.nii.gz")]
        later = sitk.Resample(self.image, self.image, self.transform.GetInverse(), sitk.sitkLinear, -1000)
        self._write(self.image, before, 0)
        self._write(later + 10, after, 1)

    @property
    def middle(self) -> tuple[float, ...]:
        size = self.image.GetSize()
        return tuple(self.image.TransformContinuousIndexToPhysicalPoint([n / 2 for n in size]))

    def _apart(self, voxels: Any) -> list[tuple[float, ...]]:
        rng = np.random.default_rng(2)
        places: list[tuple[float, ...]] = []
        for z, y, x in rng.permutation(voxels).tolist():
            place = self.image.TransformIndexToPhysicalPoint((x, y, z))
            if all(math.dist(place, other) > 35 for other in places):
                places.append(place)
        return places[:5]

    def _write(self, hu: sitk.Image, balls: Sequence[tuple[Any, float]], which: int) -> None:
        """On a finer grid than the thorax, that the volumes of small balls are right."""
        size = [round(n * 2.5 / mm) for n, mm in zip(hu.GetSize(), SPACING_MM, strict=True)]
        mask = draw(
            grid(size, SPACING_MM, origin_mm=hu.GetOrigin()),
            *(ball(place, radius) for place, radius in balls),
        )
        fine = sitk.Resample(hu, mask, sitk.Transform(), sitk.sitkLinear, -1000)
        painted = sitk.GetArrayFromImage(fine)
        painted[sitk.GetArrayFromImage(mask) > 0] = 40
        image = sitk.GetImageFromArray(painted)
        image.CopyInformation(mask)
        sitk.WriteImage(image, str(self.images[which]))
        sitk.WriteImage(mask, str(self.files[which]))


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    return Patient(tmp_path_factory.mktemp("patient"))


@pytest.fixture(scope="module")
def compared(patient: Patient) -> Path:
    out = patient.files[0].parent / "out"
    result = raemd(
        *("lesions", "--compare", *patient.files, "--images", patient.files[0].parent, "-o", out),
        *("--dates", "2024-01-01", "2024-04-10"),
    )
    assert result.exit_code == 0, result.output
    return out


def test_lesions_of_a_moved_patient_are_paired_and_their_growth_is_right(compared: Path) -> None:
    with (compared / "comparison.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    by_size = {round(float(row["volume_mm3_before"])): row for row in rows if row["volume_mm3_before"]}
    assert sorted(row["status"] for row in rows) == ["gone", "grown", "new", "shrunk", "stable"]
    for radius, factor, status in zip(RADII_MM, GROWTH, ("grown", "stable", "shrunk"), strict=True):
        volume = 4 / 3 * math.pi * radius**3
        row = min(
            (row for row in rows if row["status"] == status),
            key=lambda found: abs(float(found["volume_mm3_before"]) - volume),
        )
        assert float(row["volume_mm3_before"]) == pytest.approx(volume, rel=0.05)
        assert float(row["volume_growth_percent"]) == pytest.approx(100 * (factor**3 - 1), abs=10)
        assert float(row["distance_mm"]) < 2
        if factor != 1:
            expected = DAYS * math.log(2) / math.log(factor**3)
            assert float(row["doubling_days"]) == pytest.approx(expected, rel=0.1)
    assert len(by_size) >= 3


def test_the_transform_is_the_one_that_moved_the_patient(compared: Path, patient: Patient) -> None:
    content = json.loads((compared / "comparison.json").read_text(encoding="utf-8"))
    matrix = np.array(content["registration"]["before_to_after_mm"])
    for place in patient.places:
        ours = matrix @ (*place, 1)
        assert np.linalg.norm(ours - patient.transform.TransformPoint(place)) < 0.5
    assert content["registration"]["kind"] == "rigid"
    assert content["registration"]["correlation"] > 0.9
    assert content["days"] == DAYS
    assert content["remarks"] == []


def test_a_thousandth_of_a_hu_moves_no_lesion(compared: Path, patient: Patient) -> None:
    """As rounding differs between processors: the optimiser must not be steered by it."""
    content = json.loads((compared / "comparison.json").read_text(encoding="utf-8"))
    matrix = np.array(content["registration"]["before_to_after_mm"])
    before, after = (sitk.ReadImage(str(file), sitk.sitkFloat32) for file in patient.images)
    found = register(sitk.AdditiveGaussianNoise(before, 1e-3, seed=1), after)
    for place in patient.places:
        assert math.dist(found.map(tuple(place)), matrix @ (*place, 1)) < 0.05  # type: ignore[arg-type]


def test_the_same_scans_give_the_same_transform_every_time() -> None:
    """Up to rounding: where arrays lie in memory decides which instructions add them up."""
    heads = [
        sitk.Cast(sitk.GaussianSource(sitk.sitkFloat32, [40] * 3, [8, 6, 5], middle, 1400), sitk.sitkFloat32)
        - 1000
        for middle in ([20.0, 20.0, 20.0], [22.0, 19.0, 20.5])
    ]
    for head in heads:
        head.SetSpacing((3, 3, 3))
    one, other = (register(*heads) for _ in range(2))
    assert one.transform.GetParameters() == pytest.approx(other.transform.GetParameters(), rel=1e-6, abs=1e-6)
    assert one.correlation == pytest.approx(other.correlation, rel=1e-6)


def test_breathing_is_followed_by_an_affine_transform(patient: Patient) -> None:
    """The later scan is turned and shifted and also 2, 5 and 8 % larger."""
    breathing = sitk.AffineTransform(3)
    breathing.SetCenter(patient.middle)
    turned = np.reshape(patient.transform.GetMatrix(), (3, 3))
    breathing.SetMatrix((np.diag([1.02, 1.05, 1.08]) @ turned).ravel().tolist())
    breathing.SetTranslation(SHIFT_MM)
    later = sitk.Resample(patient.image, patient.image, breathing.GetInverse(), sitk.sitkLinear, -1000)
    found = register(patient.image, later)
    assert found.kind == "affine"
    for place in patient.places:
        assert math.dist(found.map(tuple(place)), breathing.TransformPoint(place)) < 0.5  # type: ignore[arg-type]


def test_other_patients_are_said_to_fit_poorly_or_not_at_all(patient: Patient) -> None:
    """A chest against noise."""
    noise = sitk.GetImageFromArray(np.random.default_rng(0).normal(0, 300, (60, 70, 80)).astype(np.float32))
    noise.SetSpacing((3, 3, 3))
    try:
        found = register(sitk.ReadImage(str(patient.images[0])), noise)
    except UserError as error:
        assert "cannot be aligned" in str(error)
    else:
        assert found.correlation < 0.6


def test_what_compare_refuses(patient: Patient, tmp_path: Path) -> None:
    pair = ("lesions", "--compare", *patient.files, "-o", tmp_path / "out")
    folder = patient.files[0].parent
    for arguments, reason in (
        ((), "--images"),
        (("--aligned", "--dates", "2024-04-10", "2024-01-01"), "earlier scan first"),
        (("--aligned", "--dates", "10.4.2024", "2024-05-01"), "2024-03-18"),
        (("--aligned", "--days", 3, "--dates", "2024-01-01", "2024-01-02"), "either"),
        (("--images", folder / "absent"), "folder"),
    ):
        with pytest.raises(UserError, match=reason):
            raemd(*pair, *arguments)
    with pytest.raises(UserError, match="is not a file"):
        raemd("lesions", "--compare", folder, folder, "--aligned", "-o", tmp_path / "out")
    with pytest.raises(UserError, match="--compare"):
        raemd("lesions", "-i", folder, "--days", 3, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", ["cut", "broken", "elsewhere"])
def test_scans_are_aligned_by_whole_images_of_their_own_grid_only(
    patient: Patient, tmp_path: Path, wrong: str
) -> None:
    """SimpleITK reads zeros for what is cut off; an image that lies elsewhere tells nothing of the masks."""
    image = tmp_path / "wrong.nii.gz"
    whole = patient.images[1].read_bytes()
    if wrong == "cut":
        image.write_bytes(whole[: len(whole) // 2])
    elif wrong == "broken":
        image.write_bytes(b"hello")
    else:
        moved = sitk.ReadImage(str(patient.images[1]))
        moved.SetOrigin(np.add(moved.GetOrigin(), (200.0, 0.0, 0.0)))
        sitk.WriteImage(moved, str(image))
    with pytest.raises(UserError, match=r"wrong\.nii\.gz"):
        raemd(
            *("lesions", "--compare", *patient.files, "-o", tmp_path / "out"),
            *("--images", patient.images[0], "--images", image),
        )
    assert not (tmp_path / "out").exists()


def test_each_segmentation_is_read_once(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their grid, which the images must share, is in the header."""
    read: list[str] = []
    read_image = sitk.ReadImage

    def spy(file: str) -> sitk.Image:
        read.append(file)
        return read_image(file)

    monkeypatch.setattr(scan_comparison, "register", lambda *_: aligned_already())
    monkeypatch.setattr(sitk, "ReadImage", spy)
    scan_comparison.compare((patient.files[0], patient.files[1]), (patient.images[0], patient.images[1]))
    assert [read.count(str(file)) for file in patient.files] == [1, 1]


def lesion(number: int, centre_mm: tuple[float, float, float], diameter_mm: float = 6.0) -> MeasuredLesion:
    volume = math.pi / 6 * diameter_mm**3
    sizes = (volume, diameter_mm, diameter_mm, diameter_mm)
    return MeasuredLesion(number, "nodule", centre_mm, (0.0, 0.0, 0.0), 1, *sizes, 0, 0, 0)


def test_pairs_are_the_nearest_altogether() -> None:
    """Greedily, 2 would take 1's partner (it is nearest) and leave 1 without any."""
    before = [lesion(1, (0, 0, 0)), lesion(2, (8, 0, 0))]
    after = [lesion(1, (6, 0, 0)), lesion(2, (14, 0, 0))]
    found = pair_lesions(before, after, aligned_already(), days=None)
    assert [(c.before and c.before.number, c.after and c.after.number) for c in found] == [(1, 1), (2, 2)]


def test_far_lesions_and_those_of_other_labels_are_not_paired() -> None:
    found = pair_lesions([lesion(1, (0, 0, 0))], [lesion(1, (14, 0, 0))], aligned_already(), days=None)
    assert [change.status for change in found] == ["gone", "new"]
    assert pair_lesions([], [], aligned_already(), days=3) == []


def test_doubling_times_by_hand() -> None:
    assert doubling_days(100, 200, 90) == pytest.approx(90)
    assert doubling_days(100, 400, 90) == pytest.approx(45)
    assert doubling_days(100, 50, 90) == pytest.approx(-90)
    assert doubling_days(100, 100, 90) is None
    assert doubling_days(100, 200, None) is None
