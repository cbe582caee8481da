"""Whether explanations say something: deletion, insertion, localisation, against chance and no training.

    python benchmarks/explanation.py MODEL --preprocessed PREPROCESSED --folds 0 1 2 3 4 --cases 12
    python benchmarks/explanation.py MODEL --phantoms 24

MODEL: nnUNet_results/DATASET/TRAINER__PLANS__CONFIGURATION of a RAEMD-Net. PREPROCESSED: nnUNet_preprocessed
of that dataset, of which the lesions of so many validation cases of each fold are rated. Or rated are those
of so many phantoms as those of `raemd demo`, made by another seed, with their exact masks. Of a lesion, only
what the network finds can be explained: a predicted component that touches it. One thread.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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
from nnunetv2_raemd.phantom.configuration import PhantomConfiguration
from nnunetv2_raemd.phantom.thorax import make_thorax
from nnunetv2_raemd.volumes.components import find_components

Attribution = Callable[[nn.Module, LesionWindow], Tensor | None]
"""None for networks that have no such map."""
Case = tuple[Tensor, Tensor]
"""Image (C, Z, Y, X) and the numbers of the lesions (Z, Y, X), 0 elsewhere."""
CHANCE, UNTRAINED = "chance", ", untrained"
PHANTOM = PhantomConfiguration(
    shape=(40, 96, 96),
    spacing_mm=(2.5, 2.0, 2.0),
    seed=3,  # the demonstration has 1 and 2
    lesion_diameter_mm=(8.0, 18.0),
    trunk_count=(1, 3),
)
EACH = 8  # results so far are printed after so many lesions


@dataclass(frozen=True)
class Model:
    """A trained RAEMD-Net's folder."""

    folder: Path

    @property
    def plans(self) -> PlansManager:
        return PlansManager(json.loads((self.folder / "plans.json").read_text(encoding="utf-8")))

    @property
    def configuration(self) -> ConfigurationManager:
        return self.plans.get_configuration(self.folder.name.split("__")[-1])

    def untrained(self) -> RAEMDNet:
        torch.manual_seed(0)
        configuration = self.configuration
        network: RAEMDNet = get_network_from_plans(
            configuration.network_arch_class_name,
            configuration.network_arch_init_kwargs,
            configuration.network_arch_init_kwargs_req_import,
            1,
            2,
            deep_supervision=False,
        )
        network.apply(network.initialize)
        return network.eval()

    def trained(self, fold: str) -> RAEMDNet:
        network = self.untrained()
        file = self.folder / f"fold_{fold}" / "checkpoint_final.pth"
        checkpoint = torch.load(file, map_location="cpu", weights_only=False)
        network.load_state_dict(checkpoint["network_weights"])
        return network

    def validation_cases(self, preprocessed: Path, fold: str) -> Iterator[Case]:
        splits = json.loads((preprocessed / "splits_final.json").read_text(encoding="utf-8"))
        names = sorted(splits[int(fold)]["val"])
        dataset = nnUNetDatasetBlosc2(str(preprocessed / self.configuration.data_identifier), names)
        for name in names:
            data, labels, *_ = dataset.load_case(name)
            numbers = find_components(np.asarray(labels[0]) == 1).numbers
            yield torch.from_numpy(np.asarray(data[:])).float(), torch.from_numpy(numbers.astype(np.int64))

    def phantoms(self, number: int) -> Iterator[Case]:
        preprocessor = self.configuration.preprocessor_class(verbose=False)
        dataset_json = json.loads((self.folder / "dataset.json").read_text(encoding="utf-8"))
        for case in range(number):
            thorax = make_thorax(PHANTOM, case)
            image, numbers, _ = preprocessor.run_case_npy(
                thorax.hu[None].astype(np.float32),
                thorax.lesion_labels[None].astype(np.int16),
                {"spacing": list(thorax.spacing_mm)},
                self.plans,
                self.configuration,
                dataset_json,
            )
            yield torch.from_numpy(image), torch.from_numpy(numbers[0].astype(np.int64))


@dataclass
class Rating:
    """Of all lesions so far."""

    untrained: RAEMDNet
    patch: tuple[int, ...]
    found: dict[str, list[Faithfulness]] = field(default_factory=dict)
    reliances: list[SliceReliance] = field(default_factory=list)
    missed: int = 0

    def rate(self, network: RAEMDNet, case: Case) -> None:
        image, numbers = case
        for number in numbers[numbers > 0].unique().tolist():
            lesion = numbers == number
            window = lesion_window(
                network, image, lesion.nonzero().float().mean(0).tolist(), self.patch, head=1, regions=False
            )
            inside = None if window is None else _cut(lesion, window, self.patch)
            if window is None or inside is None or not (inside & window.roi).any():
                self.missed += 1
                continue
            self._rate_lesion(network, window, inside)
            if len(self.reliances) % EACH == 0:
                self.show()

    def _rate_lesion(self, network: RAEMDNet, window: LesionWindow, lesion: Tensor) -> None:
        attributions = {CHANCE: random_attribution(window, len(self.reliances))}
        for name, kind in KINDS.items():
            for of, suffix in ((network, ""), (self.untrained, UNTRAINED)):
                attribution = kind(of, window)
                if attribution is not None:
                    attributions[f"{name}{suffix}"] = attribution
        for name, attribution in attributions.items():
            rated = faithfulness(network, window, attribution.detach(), lesion)
            self.found.setdefault(name, []).append(rated)
        self.reliances.append(slice_reliance(network, window))

    def show(self) -> None:
        print(f"\n{len(self.reliances)} lesions, {self.missed} more are not predicted. Mean ± SD; p of the")
        print("Wilcoxon signed-rank test against chance and, of trained networks, against the untrained one")
        print("| map | deletion (p) | insertion (p) | inside / even share (p) |\n|---|---|---|---|")
        for name in self.found:
            print(f"| {name} | {' | '.join(self._cell(name, value) for value in MEASURES)} |")
        added = [one.added for one in self.reliances]
        reach = np.median([one.reach for one in self.reliances])
        print(f"Neighboring slices add {np.mean(added):+.3f} ± {np.std(added):.3f}; reach {reach:.0f}")
        print(flush=True)

    def _cell(self, name: str, value: Callable[[Faithfulness], float]) -> str:
        ours = [value(one) for one in self.found[name]]
        others = [other for other in (CHANCE, f"{name}{UNTRAINED}") if other in self.found and other != name]
        p = ", ".join(_p(ours, [value(one) for one in self.found[other]]) for other in others)
        return f"{np.mean(ours):.3g} ± {np.std(ours):.2g} ({p or '–'})"


def _p(ours: list[float], theirs: list[float]) -> str:
    return "–" if np.allclose(ours, theirs) else f"{wilcoxon(ours, theirs).pvalue:.2g}"


def _cut(lesion: Tensor, window: LesionWindow, patch: tuple[int, ...]) -> Tensor:
    """The lesion in the window, (T, H, W), which may reach beyond the image."""
    cut = torch.zeros(patch, dtype=torch.bool)
    places = lesion.nonzero() - torch.tensor(window.start)
    within = ((places >= 0) & (places < torch.tensor(patch))).all(1)
    cut[tuple(places[within].T)] = True
    return cut


def _last_stage(network: nn.Module) -> nn.Module:
    *_, last = network.get_submodule("decoder.stages").children()
    return last


def _attention(network: nn.Module, window: LesionWindow) -> Tensor | None:
    masks = attention_masks(network, window)
    return None if masks is None else masks.spatial


KINDS: dict[str, Attribution] = {
    "integrated gradients": lambda net, window: integrated_gradients(net, window).clamp(min=0),
    "Grad-CAM": lambda net, window: grad_cam(net, _last_stage(net), window),
    "spatial attention": _attention,
}
MEASURES: tuple[Callable[[Faithfulness], float], ...] = (
    lambda one: one.deletion,
    lambda one: one.insertion,
    lambda one: one.inside / one.by_chance,
)


def main() -> None:
    """Rate the explanations of a trained model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    cases = parser.add_mutually_exclusive_group(required=True)
    cases.add_argument("--preprocessed", type=Path)
    cases.add_argument("--phantoms", type=int, default=0)
    parser.add_argument("--folds", nargs="+", default=["0"])
    parser.add_argument("--cases", type=int, default=12)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = Model(options.model)
    rating = Rating(model.untrained(), tuple(model.configuration.patch_size))
    for fold in options.folds:
        network = model.trained(fold)
        rated = (
            model.phantoms(options.phantoms)
            if options.phantoms
            else itertools.islice(model.validation_cases(options.preprocessed, fold), options.cases)
        )
        for case in rated:
            rating.rate(network, case)
    rating.show()


if __name__ == "__main__":
    main()
