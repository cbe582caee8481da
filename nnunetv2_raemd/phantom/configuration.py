"""What a phantom archive shall look like: the settings, checked once, and the presets."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from nnunetv2_raemd.errors import UserError

LesionKind = Literal["solitary", "juxta-pleural", "vessel-attached", "mediastinal"]

SMALLEST_FIELD_OF_VIEW_MM = 100.0
LARGEST_LESION_MM = 80.0


@dataclass(frozen=True)
class PhantomConfiguration:
    """Settings of a synthetic thorax CT; arrays and triples are in (z, y, x) order.

    The thorax is fitted into the in-plane field of view (a small field of view gives a small chest); lesions
    and vessels keep their sizes in mm.

    Attributes:
        shape: voxels along (z, y, x).
        spacing_mm: distance of voxel centres along (z, y, x).
        seed: the same seed gives the same bytes.
        lesion_count: fewest and most lesions per case, both possible.
        lesion_diameter_mm: range of the nominal diameter (of the sphere of equal volume).
        lesion_kinds: kinds to draw from, each with the same probability.
        irregularity: relative deviation of the lesion's surface from a sphere; 0 is exactly round.
        trunk_count: fewest and most thick vessels per lung; they run mostly through the slices, so that one
            slice shows a disc like a nodule's.
        trunk_diameter_mm: range of their diameter.
        noise_hu: standard deviation of the noise.

    Raises:
        UserError: a value is out of range.
    """

    shape: tuple[int, int, int] = (48, 128, 128)
    spacing_mm: tuple[float, float, float] = (2.5, 1.5, 1.5)
    seed: int = 0
    lesion_count: tuple[int, int] = (1, 3)
    lesion_diameter_mm: tuple[float, float] = (8.0, 25.0)
    lesion_kinds: tuple[LesionKind, ...] = ("solitary", "juxta-pleural", "vessel-attached")
    irregularity: float = 0.08
    trunk_count: tuple[int, int] = (8, 12)
    trunk_diameter_mm: tuple[float, float] = (6.0, 18.0)
    noise_hu: float = 20.0

    def __post_init__(self) -> None:
        self._check_geometry()
        self._check_lesions()
        _check_range("vessel count", self.trunk_count, lowest=0)
        _check_range("vessel diameter", self.trunk_diameter_mm, lowest=1.0)
        if self.noise_hu < 0:
            raise UserError(f"phantom noise must not be negative, is {self.noise_hu} HU")
        if self.seed < 0:
            raise UserError(f"phantom seed must not be negative, is {self.seed}")

    def _check_geometry(self) -> None:
        if min(self.shape) < 1 or min(self.spacing_mm) <= 0:
            raise UserError(
                f"phantom shape and spacing must be positive, are {self.shape} and {self.spacing_mm} mm"
            )
        in_plane_mm = min(n * d for n, d in zip(self.shape[1:], self.spacing_mm[1:], strict=True))
        if in_plane_mm < SMALLEST_FIELD_OF_VIEW_MM:
            raise UserError(
                f"phantom field of view is {in_plane_mm:g} mm in-plane, a thorax needs at least "
                f"{SMALLEST_FIELD_OF_VIEW_MM:g} mm: increase the shape or the spacing"
            )

    def _check_lesions(self) -> None:
        _check_range("lesion count", self.lesion_count, lowest=0)
        _check_range("lesion diameter", self.lesion_diameter_mm, lowest=1.0)
        if self.lesion_diameter_mm[1] > LARGEST_LESION_MM:
            raise UserError(f"phantom lesions can be at most {LARGEST_LESION_MM:g} mm in diameter")
        if not self.lesion_kinds:
            raise UserError("phantom needs at least one kind of lesion")
        if not 0 <= self.irregularity <= 0.3:
            raise UserError(f"phantom irregularity must lie in 0 to 0.3, is {self.irregularity}")

    def as_json(self) -> dict[str, Any]:
        """The settings as JSON keeps them (tuples become lists)."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }


def _check_range(name: str, bounds: tuple[float, float], *, lowest: float) -> None:
    if not lowest <= bounds[0] <= bounds[1]:
        raise UserError(
            f"phantom {name} must be a range, lower bound first, of at least {lowest:g}; "
            f"it is {bounds[0]} to {bounds[1]}"
        )


LUNA16 = PhantomConfiguration()

NSCLC_RADIOMICS = PhantomConfiguration(
    shape=(64, 192, 192),
    spacing_mm=(3.0, 1.953, 1.953),
    lesion_count=(1, 1),
    lesion_diameter_mm=(15.0, 60.0),
    lesion_kinds=("solitary", "juxta-pleural", "mediastinal"),
    irregularity=0.12,
)
