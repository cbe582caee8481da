"""Plans of nnU-Net's planners for all tests of this folder."""

from __future__ import annotations

import copy

import pytest
from planned_datasets import SCANS, Plan, Planned, run_planner


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """`planned("default", "small")`: the plan that nnU-Net's planner makes, as read from its file."""
    plans: dict[tuple[str, str], Plan] = {}

    def plan(planner: str = "default", scans: str = "small") -> Plan:
        if (planner, scans) not in plans:
            plans[planner, scans] = run_planner(planner, SCANS[scans], tmp_path_factory.mktemp("planned"))
        return copy.deepcopy(plans[planner, scans])

    return plan
