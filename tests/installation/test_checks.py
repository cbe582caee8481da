"""Every branch of every check, under the condition that brings it about."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

from nnunetv2_raemd import nnunet_trainers
from nnunetv2_raemd.installation import discovery
from nnunetv2_raemd.installation.device import check_device
from nnunetv2_raemd.installation.discovery import TRAINERS_FOLDER, VARIABLE, check_trainers, check_variable
from nnunetv2_raemd.installation.finding import Finding, State
from nnunetv2_raemd.installation.loading import check_loading, exported_trainers
from nnunetv2_raemd.installation.nnunet_folders import FOLDERS, check_folders
from nnunetv2_raemd.installation.requirements import check_requirements

# a folder of the kernel: not even root can write there
READ_ONLY = Path("/proc")


def _distribution(folder: Path, name: str, version: str, *requires: str) -> None:
    """Lay out in `folder` what pip leaves behind when it installs a distribution."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    (info / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _by_subject(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


class TestRequirements:
    def test_an_installation_that_meets_them_shows_nnunet_and_torch_only(self) -> None:
        findings = list(check_requirements())
        assert [f.subject for f in findings] == ["nnU-Net", "torch"]
        assert all(f.state is State.OK for f in findings)

    @pytest.mark.parametrize("version", ["2.7.1", "3.0.0"])
    def test_an_nnunet_of_another_version_is_a_problem(
        self, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _distribution(tmp_path, "nnunetv2", version)
        monkeypatch.syspath_prepend(tmp_path)
        nnunet = _by_subject(list(check_requirements()))["nnU-Net"]
        assert nnunet.state is State.PROBLEM
        assert version in nnunet.value
        assert 'pip install "nnunetv2<3,>=2.8"' in nnunet.advice

    def test_a_missing_package_is_a_problem(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        _distribution(
            tmp_path, "nnunetv2-raemd", "9.9", "rich>=13", "no-such-package>=1", 'lost>=1; extra == "dev"'
        )
        monkeypatch.syspath_prepend(tmp_path)
        (missing,) = check_requirements()
        assert (missing.subject, missing.state) == ("no-such-package", State.PROBLEM)
        assert "not installed" in missing.value

    def test_a_package_that_was_not_installed_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "path", [])
        (finding,) = check_requirements()
        assert finding.state is State.PROBLEM
        assert "pip install ." in finding.advice


class TestDevice:
    def test_cuda_names_the_gpus(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Properties:
            name = "H100"
            total_memory = 80 * 2**30

        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: Properties)
        assert check_device() == Finding("Device", "CUDA: H100 (80 GiB), H100 (80 GiB)")

    @pytest.mark.parametrize(("mps", "option"), [(True, "-device mps"), (False, "-device cpu")])
    def test_without_cuda_the_option_of_nnunet_is_named(
        self, mps: bool, option: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        finding = check_device()
        assert finding.state is State.NOTE
        assert option in finding.advice

    def test_a_torch_that_does_not_load_is_a_problem(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "torch.py").write_text("raise OSError('libcudart.so: cannot open shared object file')")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "torch", raising=False)
        finding = check_device()
        assert finding.state is State.PROBLEM
        assert "libcudart.so" in finding.value


class TestFolders:
    @pytest.fixture(autouse=True)
    def usable_folders(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for variable in FOLDERS:
            (tmp_path / variable).mkdir()
            monkeypatch.setenv(variable, str(tmp_path / variable))

    def test_usable_folders_are_named_and_left_empty(self, tmp_path: Path) -> None:
        assert list(check_folders()) == [Finding(name, str(tmp_path / name)) for name in FOLDERS]
        assert not any(any((tmp_path / name).iterdir()) for name in FOLDERS)

    @pytest.mark.parametrize("variable", FOLDERS)
    def test_unset(self, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(variable)
        finding = _by_subject(list(check_folders()))[variable]
        assert (finding.value, finding.state) == ("not set", State.PROBLEM)
        assert f"export {variable}=" in finding.advice

    def test_absent(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("nnUNet_results", str(tmp_path / "absent"))
        finding = _by_subject(list(check_folders()))["nnUNet_results"]
        assert finding.state is State.PROBLEM
        assert f'mkdir -p "{tmp_path / "absent"}"' in finding.advice

    def test_a_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path / "file"))
        finding = _by_subject(list(check_folders()))["nnUNet_preprocessed"]
        assert (finding.value, finding.state) == (f"{tmp_path / 'file'} is not a folder", State.PROBLEM)

    @pytest.mark.skipif(not READ_ONLY.is_dir(), reason=f"{READ_ONLY} exists on Linux only")
    @pytest.mark.parametrize(
        ("variable", "state"),
        [
            ("nnUNet_raw", State.NOTE),
            ("nnUNet_preprocessed", State.PROBLEM),
            ("nnUNet_results", State.PROBLEM),
        ],
    )
    def test_read_only(self, variable: str, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(variable, str(READ_ONLY))
        finding = _by_subject(list(check_folders()))[variable]
        assert finding.state is state
        assert finding.advice


class TestVariable:
    def test_our_folder_among_others(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        value = os.pathsep.join(["", str(tmp_path), str(TRAINERS_FOLDER)])
        monkeypatch.setenv(VARIABLE, value)
        assert check_variable() == Finding(VARIABLE, value)

    def test_our_folder_by_way_of_a_link(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(TRAINERS_FOLDER)
        monkeypatch.setenv(VARIABLE, str(tmp_path / "link"))
        assert check_variable().state is State.OK

    def test_unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(VARIABLE, raising=False)
        finding = check_variable()
        assert (finding.value, finding.state) == ("not set", State.PROBLEM)
        assert "nnunetv2_raemd.pth" in finding.advice

    def test_overwritten(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv(VARIABLE, str(tmp_path))
        finding = check_variable()
        assert finding.state is State.PROBLEM
        assert "overwrote" in finding.advice
        assert str(TRAINERS_FOLDER) in finding.advice


class TestTrainers:
    """Where the names come first, without importing anything."""

    def test_all_are_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(VARIABLE, str(TRAINERS_FOLDER))
        finding = check_trainers()
        assert finding.state is State.OK
        assert sorted(finding.value.split(", ")) == sorted(exported_trainers())

    def test_none_is_found_where_the_variable_was_overwritten(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv(VARIABLE, str(tmp_path))
        finding = check_trainers()
        assert finding.state is State.PROBLEM
        assert "nnUNetTrainerRAEMD: not found" in finding.value

    @pytest.mark.parametrize(
        "line", ["class nnUNetTrainerRAEMD: pass", "from elsewhere import x as nnUNetTrainerRAEMD"]
    )
    @pytest.mark.parametrize("place", ["somebodys_trainer.py", "package/below/somebodys_trainer.py"])
    def test_a_name_that_comes_first_elsewhere_is_a_problem(
        self, line: str, place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        file = tmp_path / place
        for folder in file.parents[: len(file.relative_to(tmp_path).parts) - 1]:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "__init__.py").touch()
        file.write_text(line)
        monkeypatch.setenv(VARIABLE, os.pathsep.join([str(tmp_path), str(TRAINERS_FOLDER)]))
        finding = check_trainers()
        assert finding.state is State.PROBLEM
        assert finding.value == (
            f"nnUNetTrainerRAEMD: another class of this name is found first, in {file.resolve()}"
        )

    def test_a_name_that_comes_later_elsewhere_does_not_matter(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "somebodys_trainer.py").write_text("class nnUNetTrainerRAEMD: pass")
        monkeypatch.setenv(VARIABLE, os.pathsep.join([str(TRAINERS_FOLDER), str(tmp_path)]))
        assert check_trainers().state is State.OK

    def test_a_module_that_is_not_python_is_named(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "broken_trainer.py").write_text("class (:")
        monkeypatch.setenv(VARIABLE, os.pathsep.join([str(tmp_path), str(TRAINERS_FOLDER)]))
        finding = check_trainers()
        assert finding.state is State.PROBLEM
        assert "broken_trainer.py" in finding.value

    def test_an_empty_folder_of_trainers_is_a_problem(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(discovery, "TRAINERS_FOLDER", tmp_path)
        finding = check_trainers()
        assert finding.state is State.PROBLEM
        assert finding.value.startswith("none in ")


class TestLoading:
    """These go through nnU-Net's own lookup."""

    def test_all_are_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(VARIABLE, str(TRAINERS_FOLDER))
        finding = check_loading()
        assert finding.state is State.OK
        assert finding.value == f"nnU-Net loads all {len(exported_trainers())} trainers"
        assert "nnUNetTrainerRAEMD" in exported_trainers()
        assert "nnUNetTrainer" not in exported_trainers()

    def test_none_is_found_where_the_variable_was_overwritten(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv(VARIABLE, str(tmp_path))
        finding = check_loading()
        assert finding.state is State.PROBLEM
        assert "nnUNetTrainerRAEMD: not found (RuntimeError" in finding.value

    def test_a_class_of_the_same_name_that_comes_first_is_a_problem(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "somebodys_trainer.py").write_text(
            "from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer\n"
            "class nnUNetTrainerRAEMD(nnUNetTrainer): pass\n"
        )
        monkeypatch.setenv(VARIABLE, os.pathsep.join([str(tmp_path), str(TRAINERS_FOLDER)]))
        finding = check_loading()
        assert finding.state is State.PROBLEM
        assert "nnUNetTrainerRAEMD: another class of this name is found first" in finding.value
        assert "somebodys_trainer" in finding.value

    def test_a_broken_module_in_the_users_folder_is_named(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "broken_trainer.py").write_text("import no_such_module_at_all")
        monkeypatch.setenv(VARIABLE, os.pathsep.join([str(tmp_path), str(TRAINERS_FOLDER)]))
        finding = check_loading()
        assert finding.state is State.PROBLEM
        assert "no_such_module_at_all" in finding.value

    def test_an_empty_folder_of_trainers_is_a_problem(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(nnunet_trainers, "__path__", [str(tmp_path)])
        finding = check_loading()
        assert finding.state is State.PROBLEM
        assert finding.value.startswith("none in ")

    def test_a_trainer_that_does_not_load_is_a_problem(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "unloadable.py").write_text("raise ImportError('an old nnU-Net')")
        monkeypatch.setattr(nnunet_trainers, "__path__", [str(tmp_path)])
        finding = check_loading()
        assert finding.state is State.PROBLEM
        assert "an old nnU-Net" in finding.value
