"""The networks that plans name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import pytest
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from small_plans import RAEMD, TO_IMPORT, UNET, plan, unet_arguments

from nnunetv2_raemd.errors import UserError
from nnunetv2_raemd.nnunet_files.json_file import parse_json
from nnunetv2_raemd.nnunet_files.network_name import check_networks_are_known
from nnunetv2_raemd.nnunet_files.plans_file import Plans


def plans(network: str = UNET, **arguments: Any) -> Plans:
    content: Any = plan(unet_arguments() | arguments, network=network, patch_size=(24, 24))
    content["configurations"]["other"] = {"inherits_from": "2d"}
    return cast(Plans, content)


@pytest.mark.parametrize("network", [UNET, RAEMD])
def test_networks_of_nnunet_and_ours_are_known(network: str) -> None:
    check_networks_are_known(plans(network), Path("plans.json"))


def test_a_plan_could_start_a_program(tmp_path: Path) -> None:
    """What the check is for: nnU-Net itself calls what it is told to."""
    mark = tmp_path / "code_was_run"
    run = {"args": [sys.executable, "-c", f"open({str(mark)!r}, 'w')"]}
    bad = plans(nonlin="subprocess.check_call", nonlin_kwargs={"popenargs": []} | run)
    with pytest.raises(UserError, match=r"plans\.json was not used.*nonlin is 'subprocess\.check_call'"):
        check_networks_are_known(bad, Path("plans.json"))
    assert not mark.exists()
    bad = plans(nonlin="subprocess.Popen", nonlin_kwargs=run)
    arguments = bad["configurations"]["2d"]["architecture"]["arch_kwargs"]
    with pytest.raises(TypeError):  # a process is no layer, but it has been started
        get_network_from_plans(UNET, arguments, TO_IMPORT, 1, 2)
    with pytest.raises(UserError, match=r"nonlin is 'subprocess\.Popen'"):
        check_networks_are_known(bad, Path("plans.json"))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"network": "antigravity.Network"}, "network_class_name is 'antigravity.Network'"),
        ({"network": "torch.nn.modules.module.functools.partial"}, "network_class_name"),
        ({"network": "torch.hub.load"}, "network_class_name"),
        ({"conv_op": "torch.nn.init.kaiming_normal_"}, "conv_op"),
        ({"norm_op": ["os.system"]}, "norm_op"),
    ],
)
def test_everything_else_is_refused_and_not_imported(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        check_networks_are_known(plans(**changed), Path("plans.json"))
    assert "antigravity" not in sys.modules


def test_the_list_of_imports_is_part_of_the_shape() -> None:
    raw = (
        b'{"plans_name": "p", "original_median_spacing_after_transp": [1, 1, 1],'
        b'"original_median_shape_after_transp": [1, 1, 1], "configurations": {"2d": {"architecture": '
        b'{"network_class_name": "n", "arch_kwargs": {}, "_kw_requires_import": "nonlin"}}}}'
    )
    with pytest.raises(UserError, match='_kw_requires_import is "nonlin", but should be a list'):
        parse_json(raw, Plans, Path("plans.json"), "")
