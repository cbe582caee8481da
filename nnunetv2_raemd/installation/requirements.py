"""Whether the installed packages are of the versions that the plugin's own metadata asks for."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

from nnunetv2_raemd.installation.finding import Finding, problem

DISTRIBUTION = "nnunetv2-raemd"
ALWAYS_SHOWN = {"nnunetv2": "nnU-Net", "torch": "torch"}


def check_requirements() -> Iterator[Finding]:
    """Yield nnU-Net and torch, and every other requirement only where it is not met."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield problem(
            "Installation",
            "the package is imported from a folder, not installed",
            "nnU-Net cannot find the trainers like this: run `pip install .` (or `pip install -e .`) "
            "in the folder of the checkout",
        )
        return
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            finding = _check(requirement)
            if requirement.name in ALWAYS_SHOWN or finding.advice:
                yield finding


def _check(requirement: Requirement) -> Finding:
    subject = ALWAYS_SHOWN.get(requirement.name, requirement.name)
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        version = None
    if version is None:
        found = f"not installed, {requirement.specifier} is needed"
    elif not requirement.specifier.contains(version, prereleases=True):
        found = f"{version}, but {requirement.specifier} is needed"
    else:
        return Finding(subject, version)
    return problem(subject, found, f'run `pip install "{requirement}"` in this environment')
