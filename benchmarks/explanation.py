"""Whether explanations say something: deletion, insertion, localisation, against chance and no training.

    python benchmarks/explanation.py MODEL PREPROCESSED --fold 0 --cases 12

MODEL: nnUNet_results/DATASET/TRAINER__PLANS__CONFIGURATION of a RAEMD-Net. PREPROCESSED: nnUNet_preprocessed
of that dataset, whose validation cases of the fold are rated. One thread.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from scipy.stats import wilcoxon
from torch import Tensor, nn

from nnunetv2_raemd.architecture.raemd_net import RAEMDNet
from nnunetv2_raemd.explanation.attention_masks import attention_masks
from nnunetv2_raemd.explanation.faithfulness import Faithfulness, faithfulness, random_attribution
from nnunetv2_raemd.explanation.gradient_attribution import grad_cam, integrated_gradients
from nnunetv2_raemd.explanation.lesion_window import LesionWindow, lesion_window
from nnunetv2_raemd.explanation.slice_reliance import SliceReliance, slice_reliance

Attribution = Callable[[nn.Module, LesionWindow], Tensor]
EACH = 4  # results so far are printed after so many cases


def main() -> None:
    """Rate the explanations of a trained model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("preprocessed", type=Path)
    parser.add_argument("--fold", default="0")
    parser.add_argument("--cases", type=int, default=12)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    plans = json.loads((arguments.model / "plans.json").read_text(encoding="utf-8"))
    name = arguments.model.name.split("__")[-1]
    configuration = PlansManager(plans).get_configuration(name)
    network, untrained = _network(configuration), _network(configuration)
    file = arguments.model / f"fold_{arguments.fold}" / "checkpoint_final.pth"
    checkpoint = torch.load(file, map_location="cpu", weights_only=False)
    network.load_state_dict(checkpoint["network_weights"])
    untrained.apply(untrained.initialize)
    cases = _cases(arguments.preprocessed, configuration.data_identifier, int(arguments.fold))
    patch = tuple(configuration.patch_size)
    _rate(network.eval(), untrained.eval(), cases, patch, arguments.cases)


def _network(configuration: ConfigurationManager) -> RAEMDNet:
    torch.manual_seed(0)
    network: RAEMDNet = get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        1,
        2,
        deep_supervision=False,
    )
    return network


def _cases(preprocessed: Path, identifier: str, fold: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (C, Z, Y, X) and masks (Z, Y, X) of the validation."""
    splits = json.loads((preprocessed / "splits_final.json").read_text(encoding="utf-8"))
    names = sorted(splits[fold]["val"])
    dataset = nnUNetDatasetBlosc2(str(preprocessed / identifier), names)
    for name in names:
        data, labels, *_ = dataset.load_case(name)
        yield torch.from_numpy(np.asarray(data[:])).float(), torch.from_numpy(np.asarray(labels[:]))[0] == 1


def _last_stage(network: nn.Module) -> nn.Module:
    *_, last = network.get_submodule("decoder.stages").children()
    return last


def _rate(
    network: RAEMDNet,
    untrained: RAEMDNet,
    cases: Iterator[tuple[Tensor, Tensor]],
    patch: tuple[int, ...],
    n_cases: int,
) -> None:
    kinds: dict[str, Attribution] = {
        "integrated gradients": lambda net, window: integrated_gradients(net, window).clamp(min=0),
        "Grad-CAM": lambda net, window: grad_cam(net, _last_stage(net), window),
        "spatial attention": _attention,
    }
    found: dict[str, list[Faithfulness]] = {}
    reliances: list[SliceReliance] = []
    for number, (image, mask) in zip(range(n_cases), cases, strict=False):
        centre = mask.nonzero().float().mean(0).tolist()
        window = lesion_window(network, image, centre, patch, head=1, regions=False)
        if window is None or not mask.any():
            print(f"case {number}: not predicted")
            continue
        z, y, x = (slice(first, first + size) for first, size in zip(window.start, patch, strict=True))
        attributions = {"chance": random_attribution(window, number)}
        for name, kind in kinds.items():
            attributions[name] = kind(network, window)
            attributions[f"{name}, untrained"] = kind(untrained, window)
        for name, attribution in attributions.items():
            rated = faithfulness(network, window, attribution.detach(), mask[z, y, x])
            found.setdefault(name, []).append(rated)
        reliances.append(slice_reliance(network, window))
        if len(reliances) % EACH == 0:
            _print(found, reliances)
    _print(found, reliances)


def _print(found: dict[str, list[Faithfulness]], reliances: list[SliceReliance]) -> None:
    chance = found["chance"]
    print(f"\n{len(chance)} lesions; p: Wilcoxon signed-rank test against chance")
    print("| map | deletion (p) | insertion (p) | inside / even share (p) |\n|---|---|---|---|")
    for name, rated in found.items():
        cells = []
        for field in ("deletion", "insertion"):
            ours, theirs = ([getattr(one, field) for one in these] for these in (rated, chance))
            cells.append(f"{np.mean(ours):.3f} ({_p(ours, theirs)})")
        ratios, theirs = ([one.inside / one.by_chance for one in these] for these in (rated, chance))
        cells.append(f"{np.mean(ratios):.1f} ({_p(ratios, theirs)})")
        print(f"| {name} | {' | '.join(cells)} |")
    added = [one.added for one in reliances]
    reach = np.median([one.reach for one in reliances])
    print(
        f"Neighbouring slices add {np.mean(added):+.3f} ± {np.std(added):.3f}; reach {reach:.0f}", flush=True
    )


def _p(ours: list[float], theirs: list[float]) -> str:
    return "–" if np.allclose(ours, theirs) else f"{wilcoxon(ours, theirs).pvalue:.2g}"


def _attention(network: nn.Module, window: LesionWindow) -> Tensor:
    masks = attention_masks(network, window)
    assert masks is not None
    return masks.spatial


if __name__ == "__main__":
    main()
