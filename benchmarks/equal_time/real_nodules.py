"""RAEMD-Net and nnU-Net's U-Nets on real nodules, at equal processor time: the study of docs/real-nodules.md.

    python benchmarks/equal_time/real_nodules.py --data FOLDER [--output FOLDER] [--seconds 300] [--seeds 0]
        [--folds 0 1 2 3 4] [--systems NAME ...]

FOLDER holds `cubes.npz` and `ratings.csv`: nodules of LIDC-IDRI in cubes of 1 mm voxels, one per patient. The
script writes an nnU-Net dataset with five folds and runs nnU-Net's planning, `raemd study` and `raemd
evaluate`. Each training has the same processor time on one thread, with the learning rate scaled to it.
Interrupted, it is continued by the same command; more folds, seeds and systems may be added at any time.
Figures of each case go to `cases.csv` and the tables to `tables.md` in the output folder.
"""

from __future__ import annotations

from cubes_dataset import nodules
from nodule_tables import write_tables
from nodule_trainings import evaluate, trained_study
from study_commands import study_parser

SYSTEMS = ("RAEMD-Net", "nnU-Net 2d", "nnU-Net 3d_fullres", "U-Net 3D, our recipe", "U-Net 2D, our recipe")
FOLDS = ("0", "1", "2", "3", "4")


def main() -> None:
    """Run what is missing and write the tables."""
    options, root, variables, models = trained_study(study_parser(__doc__, SYSTEMS, FOLDS), seconds=300)
    cases = evaluate(models, options.folds, root / "evaluation", variables)
    write_tables(cases, root, models, nodules(options.data))


if __name__ == "__main__":
    main()
