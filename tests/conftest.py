"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

if TYPE_CHECKING:
    from dicom_patient import DicomPatient, MakePatient, SaveDicom
    from nnunet_workspace import Workspace

os.environ.setdefault("nnUNet_def_n_proc", "1")  # nnU-Net reads it when it is imported
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell
    signal.signal(signal.SIGINT, signal.default_int_handler)
TESTS = Path(__file__).resolve().parent
REPOSITORY = TESTS.parent
# folders whose files share fixtures that take long
SHARED_FIXTURES = ("nnunet", "training", "baselines", "installation", "deployment")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that no process is left with it in the end."""
    items.sort(key=lambda item: item.path.parent.name not in SHARED_FIXTURES)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """What a test and its fixtures draw is the same in every run, whatever has run before."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several processes (`-n`), keep the tests of a file, or of such a folder, in one of them."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - only there with several processes

    class ByFixtures(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", maxsplit=1)[0]
            folder = Path(file).parent.name
            return folder if folder in SHARED_FIXTURES else file

    return ByFixtures(config, log)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real CT, DICOM and annotation data, which is not part of the repository."""
    folder = Path(os.environ.get("RAEMD_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data folder {folder} is absent (set RAEMD_TEST_DATA to where it is)")
    return folder


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """nnU-Net's folders with dataset 501: tiny CT with one class, preprocessed for 2d and 3d_fullres.

    Made by the first of pytest-xdist's processes that asks for it; each has a copy of its own.
    """
    # imports torch, which most tests do without
    from nnunet_workspace import make_workspace, workspace_in  # noqa: PLC0415

    own = tmp_path_factory.mktemp("nnunet") / "own"
    shared = tmp_path_factory.getbasetemp().parent / "shared_nnunet"
    if not os.environ.get("PYTEST_XDIST_WORKER"):
        return make_workspace(own)
    with FileLock(shared.with_suffix(".lock")):
        if not shared.is_dir():
            make_workspace(shared.with_suffix(".unfinished"))
            shared.with_suffix(".unfinished").rename(shared)
    copytree(shared, own)
    return workspace_in(own)


@pytest.fixture(scope="session")
def more_datasets(workspace: Workspace) -> Workspace:
    """Also with 502 (two channels, regions, ignore label) and 503 (PNG, three classes, ignore label)."""
    from nnunet_workspace import add_datasets  # noqa: PLC0415 - as in `workspace`

    add_datasets(workspace)
    return workspace


@pytest.fixture
def make_patient(tmp_path: Path) -> MakePatient:
    """Makes patients below `tmp_path / "dicom"`, a folder each."""
    from dicom_patient import DicomPatient  # noqa: PLC0415 - pydicom is not for every test

    def make(patient_id: str = "LUNG1-900", **options: Any) -> DicomPatient:
        return DicomPatient(tmp_path / "dicom" / patient_id, patient_id, **options)

    return make


@pytest.fixture
def save_dicom() -> SaveDicom:
    """Writes a data set to a file, creating its folder."""
    from dicom_patient import save  # noqa: PLC0415

    return save
