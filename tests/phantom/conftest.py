"""Small phantoms shared by the tests of this folder."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnunetv2_raemd.phantom.configuration import LUNA16, PhantomConfiguration
from nnunetv2_raemd.phantom.thorax import Thorax, make_thorax


@pytest.fixture(scope="session")
def small() -> PhantomConfiguration:
    """Settings of a scan that takes a fraction of a second."""
    return replace(LUNA16, shape=(32, 80, 80), spacing_mm=(4.0, 2.2, 2.2), lesion_diameter_mm=(10.0, 20.0))


@pytest.fixture(scope="session")
def thorax() -> Thorax:
    """A scan as the demonstration uses it."""
    return make_thorax(LUNA16, 1)
