"""Series in all positions, with segments that are hard to outline."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from object_series import POSITIONS, make_source, with_segments

from nnunetv2_raemd.dicom_objects.segmented_series import SegmentedSeries
from nnunetv2_raemd.dicom_objects.source_series import SourceSeries


@pytest.fixture
def make_ct(tmp_path: Path) -> Callable[..., SourceSeries]:
    """Makes a CT series, see `make_source`."""
    return partial(make_source, tmp_path / "ct")


@pytest.fixture(params=list(POSITIONS))
def segmented(request: pytest.FixtureRequest, make_ct: Callable[..., SourceSeries]) -> SegmentedSeries:
    """A segmented series in each of the positions."""
    return with_segments(make_ct(**POSITIONS[request.param]))
