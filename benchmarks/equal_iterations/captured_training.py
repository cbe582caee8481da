"""The training of one network, whose steps are CUDA graphs on a GPU and ordinary calls on a CPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from batch_ring import Batch
from boundary_term import boundary_term
from shared_batches import SLICES
from step_optimizer import NesterovStep, RecipeStep, StepOptimizer
from torch import Tensor, nn
from trained_systems import System
from window_probabilities import foreground_probabilities

WARM_UP_STEPS = 2
"""in which libraries choose their kernels and reserve memory, which a capture must not"""


class CapturedTraining:
    """A network, its loss and its optimizer on the device of `inputs`.

    Batches are read from `inputs`, by kind, and `done` is the part of the training that has passed, on the
    device: both are filled from outside before a step. Each kind of batch has a graph of its own.
    """

    def __init__(
        self, system: System, network: nn.Module, loss: nn.Module, inputs: Mapping[str, Batch], done: Tensor
    ) -> None:
        self.system, self.loss, self.inputs, self.done = system, loss, inputs, done
        self.network = network.to(done.device).train()
        self._leave_out_untrained_weights()
        optimizer = RecipeStep if system.has_our_recipe else NesterovStep
        self.optimizer: StepOptimizer = optimizer(self.network.parameters(), done)
        self.last_loss = torch.zeros((), device=done.device)
        self.graphs: dict[str, torch.cuda.CUDAGraph] = {}
        self.stream: torch.cuda.Stream | None = None

    def _leave_out_untrained_weights(self) -> None:
        """Those of heads that nnU-Net's deep supervision gives no weight have no gradient."""
        images, masks = self._seen(self.system.kinds[-1])
        self.loss(self.network(images), masks).backward()
        for weight in self.network.parameters():
            weight.requires_grad_(weight.grad is not None)
            weight.grad = None

    def _seen(self, kind: str) -> tuple[Tensor, list[Tensor]]:
        """Images and masks of the batch at hand; single slices are sequences of one for RAEMD-Net."""
        batch = self.inputs[kind]
        if kind == SLICES and self.system.takes_sequences:
            return batch.images.unsqueeze(2), [mask.unsqueeze(2) for mask in batch.masks]
        return batch.images, list(batch.masks)

    def step(self, kind: str) -> None:
        """Train on the batch at hand of this kind."""
        images, masks = self._seen(kind)
        for weight in self.optimizer.weights:
            weight.grad = None
        outputs = self.network(images)
        loss = self.loss(outputs, masks)
        distances = self.inputs[kind].distances
        if self.system.boundary_term and distances is not None:
            loss = loss + boundary_term(outputs[0], distances) * self.done
        loss.backward()
        self.optimizer.step()
        self.last_loss.copy_(loss.detach())

    def capture(self) -> None:
        """Make the graphs, in a stream of this training's own; its state is as before in the end."""
        self.stream = stream = torch.cuda.Stream()
        kept = [tensor.detach().clone() for tensor in self.optimizer.state()]
        for kind in self.system.kinds:
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(WARM_UP_STEPS):
                    self.step(kind)
            stream.synchronize()
            self.graphs[kind] = torch.cuda.CUDAGraph()
            for weight in self.optimizer.weights:
                weight.grad = None
            with torch.cuda.graph(self.graphs[kind], stream=stream):
                self.step(kind)
        with torch.no_grad():
            for tensor, before in zip(self.optimizer.state(), kept, strict=True):
                tensor.copy_(before)

    def replay(self, kind: str, after: torch.cuda.Stream) -> torch.cuda.Event:
        """As `step`, on the GPU once it is through with `after`; the event says when it is done."""
        assert self.stream is not None
        self.stream.wait_stream(after)
        with torch.cuda.stream(self.stream):
            self.graphs[kind].replay()
            event = torch.cuda.Event()
            event.record()
        return event

    def probabilities(self, images: Tensor) -> Tensor:
        """Of foreground, (n, z, y, x) as the images."""
        kind = self.system.kinds[-1]
        n_images, depth, *plane = images.shape
        window = self.inputs[kind].images.shape[2:]
        with self._weights_to_predict_with():
            if kind != SLICES:
                return foreground_probabilities(self._finest_logits, images, window)
            slices = images.reshape(n_images * depth, 1, *plane)
            of_slices = foreground_probabilities(self._logits_of_slices, slices, (1, *window))
        return of_slices.reshape(images.shape)

    def _finest_logits(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)[0]
        return logits

    def _logits_of_slices(self, sequences_of_one: Tensor) -> Tensor:
        if self.system.takes_sequences:
            return self._finest_logits(sequences_of_one)
        return self._finest_logits(sequences_of_one.squeeze(2)).unsqueeze(2)

    @contextmanager
    def _weights_to_predict_with(self) -> Iterator[None]:
        """In the place of those that training goes on with, within the block."""
        weights = self.optimizer.weights
        kept = [weight.detach().clone() for weight in weights]
        _copy(self.optimizer.weights_to_predict_with, weights)
        yield
        _copy(kept, weights)


@torch.no_grad()
def _copy(values: Sequence[Tensor], into: Sequence[Tensor]) -> None:
    for tensor, value in zip(into, values, strict=True):
        tensor.copy_(value)
