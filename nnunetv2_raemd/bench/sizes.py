"""What a benchmark trains on: how many slices, how large, in sequences of how many."""

from __future__ import annotations

from dataclasses import dataclass

from nnunetv2_raemd.errors import UserError

BATCH_3D = 2  # nnU-Net's 3D plans never have fewer, and for CT scans hardly ever more

FEWEST_FEATURES = 8  # RAEMD-Net's blocks share them out


@dataclass(frozen=True)
class Sizes:
    """Sizes of a training step; ratios are for equally many voxels.

    `slices` of `size` x `size` pixels: a batch of single slices for nnU-Net's 2d, `slices / sequence`
    sequences for RAEMD-Net, two patches for 3d. `features` are those of the first stage (nnU-Net: 32).
    `patch_3d` is by default made of all the slices; with another, 3d sees more or fewer voxels.

    Raises:
        UserError: if the numbers do not fit together.
    """

    size: int = 96
    slices: int = 16
    sequence: int = 8
    features: int = 16
    patch_3d: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        fewest = {"size": 8, "slices": 1, "sequence": 1, "features": FEWEST_FEATURES}
        for name, number in fewest.items():
            if getattr(self, name) < number:
                raise UserError(f"--{name} must be at least {number}, got {getattr(self, name)}")
        if self.slices % self.sequence:
            raise UserError(
                f"--slices {self.slices} do not make whole sequences: give a multiple of --sequence "
                f"{self.sequence}"
            )
        if self.slices % BATCH_3D:
            raise UserError(
                f"--slices {self.slices} do not make {BATCH_3D} patches for 3d: give an even number"
            )
        if len(self.patch_3d) not in {0, 3}:
            raise UserError(
                "--patch-3d takes slices, rows and columns, as in 96 160 160; got "
                f"{len(self.patch_3d)} numbers"
            )
        if not self.patch_3d:
            object.__setattr__(self, "patch_3d", (self.slices // BATCH_3D, self.size, self.size))

    @property
    def patch_2d(self) -> tuple[int, int]:
        return (self.size, self.size)

    @property
    def n_sequences(self) -> int:
        return self.slices // self.sequence
