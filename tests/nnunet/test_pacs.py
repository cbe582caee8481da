"""From PACS to PACS: a study sent to Orthanc comes back with SEG and SR, by the lines of docs/pacs.md."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_patient import DicomPatient
from nnunet_models import RAEMD
from nnunet_workspace import Workspace, noisy_spheres
from orthanc_server import PASSWORD, USER, Orthanc, orthanc_running, wait_for

from nnunetv2_raemd.dicom.ct_series import order_series
from nnunetv2_raemd.dicom.dicom_index import index_folder
from nnunetv2_raemd.dicom.dicom_seg import CtSlices, draw_segments

DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "pacs.md"
MODEL = f"-d 501 -c 2d -tr {RAEMD} -f 0 -device cpu -npp 0 -nps 0 --disable_tta --disable_progress_bar"
CREDENTIALS = {"RAEMD_DICOMWEB_USER": USER, "RAEMD_DICOMWEB_PASSWORD": PASSWORD}


def documented(language: str) -> str:
    """The one block of the documentation in a language."""
    (block,) = re.findall(rf"```{language}\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
    return block


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> DicomPatient:
    """A thorax of 10 slices, 40 x 40 pixels, as the model was trained on."""
    made = DicomPatient(tmp_path_factory.mktemp("patient"), heights_mm=tuple(2.5 * i for i in range(10)))
    image, _ = noisy_spheres(100, (10, 40, 40))
    made.stored = (np.clip(image, -1000, 2000) + 1024).astype(np.uint16)
    made.write_ct()
    return made


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def orthanc(
    workspace: Workspace, raemd_model: Path, work: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Orthanc]:
    """Set up as the documentation says."""
    folder = tmp_path_factory.mktemp("orthanc")
    (folder / "raemd.lua").write_text(documented("lua"), encoding="utf-8")
    script = folder / "raemd-study"
    script.write_text(documented("sh"), encoding="utf-8")
    script.chmod(0o755)
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "RAEMD_WORK": str(work), "RAEMD_MODEL": MODEL, **CREDENTIALS}
    environment |= workspace.variables()
    with orthanc_running(folder, scripts=[folder / "raemd.lua"], environment=environment) as server:
        yield server


def test_a_study_that_is_sent_comes_back_with_its_lesions_and_once(
    orthanc: Orthanc, patient: DicomPatient, work: Path, tmp_path: Path
) -> None:
    images = [pydicom.dcmread(file) for file in sorted((patient.folder / "ct").iterdir())]
    orthanc.send(images)
    log = work / "log"
    wait_for(lambda: {"SEG", "SR"} <= set(orthanc.instances().values()) or "Error" in _text(log))
    assert "Error" not in _text(log), _text(log)
    first = orthanc.instances()
    assert sorted(first.values()) == ["CT"] * 10 + ["SEG", "SR"]
    # the objects made the study new: Orthanc has called again, and nothing was done
    wait_for(lambda: "Done already: 1" in _text(log))
    orthanc.send(images)
    wait_for(lambda: _text(log).count("Done already: 1") >= 1)
    assert orthanc.instances() == first
    assert PASSWORD not in _text(log)
    _assert_the_seg_is_the_prediction(orthanc, patient, work, tmp_path)


def _assert_the_seg_is_the_prediction(
    orthanc: Orthanc, patient: DicomPatient, work: Path, folder: Path
) -> None:
    from dicomweb_client import DICOMwebClient  # noqa: PLC0415 - an extra
    from dicomweb_client.session_utils import create_session_from_user_pass  # noqa: PLC0415

    client = DICOMwebClient(orthanc.dicomweb, session=create_session_from_user_pass(USER, PASSWORD))
    study = patient.uids["study"]
    (found,) = client.search_for_series(study, search_filters={"Modality": "SEG"})
    (seg,) = client.retrieve_series(study, found["0020000E"]["Value"][0])
    seg.save_as(folder / "seg.dcm")
    (delineation,) = index_folder(folder).delineations
    series = order_series(index_folder(patient.folder).ct[patient.uids["ct"]])
    slices = CtSlices(series.stack, tuple(image.uid for image in series.slices))
    drawn = draw_segments(folder / "seg.dcm", delineation.rois, slices)
    (segmentation,) = (work / "results").glob("*.nii.gz")
    assert np.array_equal(drawn.mask, sitk.GetArrayFromImage(sitk.ReadImage(str(segmentation))) > 0)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def test_a_study_is_fetched_and_a_wrong_password_is_told(
    workspace: Workspace, orthanc: Orthanc, patient: DicomPatient, tmp_path: Path
) -> None:
    orthanc.send([pydicom.dcmread(file) for file in sorted((patient.folder / "ct").iterdir())])
    source = f"{orthanc.dicomweb}/studies/{patient.uids['study']}/series/{patient.uids['ct']}"
    arguments = ["-i", source, "-o", tmp_path / "out", *MODEL.split()]
    wrong = {**CREDENTIALS, "RAEMD_DICOMWEB_PASSWORD": "another"}
    finished = workspace.raemd("predict", *arguments, **wrong)
    assert finished.returncode == 1
    assert "401 (credentials are missing or wrong)" in finished.stdout
    assert "another" not in finished.stdout and "Traceback" not in finished.stdout
    assert not (tmp_path / "out").exists()
    assert workspace.raemd("predict", *arguments, **CREDENTIALS).returncode == 0
    assert (tmp_path / "out" / f"{patient.uids['ct']}.nii.gz").is_file()
