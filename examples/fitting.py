"""A whole run: epochs, validation, early stopping, and going on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from examples.batches import make_batches, make_loader
from examples.checkpoints import (
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
)
from examples.model import Classifier
from examples.processes import Place, gather
from examples.settings import Settings, identify
from examples.task import Task, digest_task
from examples.training import Step, choose_amp, evaluate, train_epoch
from packtutor import BucketBatchSampler

# An evaluation keeps nothing for a backward pass: its batches may be larger.
_VALID_CELLS = 4
# What a state raises that has other parts than those that are saved.
_UNFIT = (
    AttributeError,
    IndexError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
)


class Fit:
    """A run of training that can be saved after any step.

    ``history`` has a dictionary for each epoch that is over. ``network`` has
    the last weights, ``best`` those of the epoch with the best accuracy.
    """

    def __init__(self, settings: Settings, task: Task, place: Place) -> None:
        """Make the model, its optimiser and the batches."""
        self.settings, self.place = settings, place
        shards = settings.shards or place.world
        if shards % place.world:
            raise ValueError(
                f"--shards is {shards}; it must be a multiple of the number "
                f"of processes, which is {place.world}"
            )
        torch.manual_seed(settings.seed)
        self.network = _make_network(settings, task, place.device)
        self._model: nn.Module = self.network
        if place.world > 1:
            self._model = DistributedDataParallel(self.network)
        # Each process drops features of its own.
        torch.manual_seed(settings.seed + place.rank)
        self._optimiser = torch.optim.Adam(
            self.network.parameters(), settings.learning_rate
        )
        self._amp = choose_amp(place.device) if settings.amp else None
        self._scaler = torch.amp.GradScaler(
            place.device.type, enabled=self._amp is torch.float16
        )
        self._sampler = make_batches(
            task.train_lengths,
            batches=settings.batches,
            max_cells=settings.max_cells,
            batch_size=settings.batch_size,
            seed=settings.seed,
            shards=shards,
            own=range(place.rank, shards, place.world),
        )
        self._train = make_loader(
            task.train, self._sampler, workers=settings.workers
        )
        held_out = BucketBatchSampler(
            task.valid_lengths,
            max_cells=_VALID_CELLS * settings.max_cells,
            shuffle=False,
            num_replicas=1,
            rank=0,
        )
        self._valid = make_loader(
            task.valid, list(held_out)[place.rank :: place.world]
        )
        self._arguments = {**identify(settings), "shards": shards}
        self._arguments["texts"] = digest_task(task)
        self.epoch = 0
        self.steps: list[list[float]] = []
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, torch.Tensor] = {}
        self._seconds = 0.0

    @property
    def best_epoch(self) -> int:
        """The first epoch with the best accuracy, from 0; -1 before it."""
        if not self.history:
            return -1
        accuracies = [epoch["valid_accuracy"] for epoch in self.history]
        return accuracies.index(max(accuracies))

    @property
    def finished(self) -> bool:
        """Whether all epochs are over, or the last ones were no better."""
        since = self.epoch - 1 - self.best_epoch
        return (
            self.epoch >= self.settings.epochs
            or since >= self.settings.patience
        )

    def __len__(self) -> int:
        """Return the number of steps of an epoch."""
        return len(self._sampler)

    def run_epoch(self, on_step: Callable[[Step], object]) -> dict[str, Any]:
        """Train what remains of the epoch and validate; return its results.

        Saves a checkpoint every ``checkpoint_every`` steps and at the end.
        """
        self._sampler.set_epoch(self.epoch)
        start = time.perf_counter() - self._seconds
        for step in train_epoch(
            self._model,
            self._train,
            self._optimiser,
            place=self.place,
            amp=self._amp,
            scaler=self._scaler,
        ):
            self.steps.append(list(step))
            self._seconds = time.perf_counter() - start
            if len(self.steps) % self.settings.checkpoint_every == 0:
                self.save()
            on_step(step)
        score = evaluate(
            self.network, self._valid, place=self.place, amp=self._amp
        )
        losses, sequences, tokens, cells = zip(*self.steps, strict=True)
        self.history.append(
            {
                "epoch": self.epoch,
                "train_loss": sum(
                    map(float.__mul__, losses, map(float, sequences))
                )
                / sum(sequences),
                "valid_loss": score.loss,
                "valid_accuracy": score.accuracy,
                "seconds": self._seconds,
                "tokens": sum(tokens),
                "cells": sum(cells),
                "step_losses": list(losses),
            }
        )
        if self.best_epoch == self.epoch:
            self.best = {
                name: weight.detach().cpu().clone()
                for name, weight in self.network.state_dict().items()
            }
        self.epoch += 1
        self.steps, self._seconds = [], 0.0
        self._sampler.set_epoch(self.epoch)
        self.save()
        return self.history[-1]

    def save(self) -> None:
        """Save all that the next step depends on; in one of the processes."""
        if self.settings.checkpoint is None:
            return
        # Of all processes: the others' dropout goes on as well.
        generators = gather(torch.get_rng_state())
        if self.place.device.type == "cuda":
            on_gpu = gather(torch.cuda.get_rng_state(self.place.device))
        else:
            on_gpu = []
        if self.place.rank:
            return
        state = {
            "arguments": self._arguments,
            "model": self.network.state_dict(),
            "best_model": self.best,
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
            "sampler": self._sampler.state_dict(len(self.steps)),
            "generators": generators,
            "gpu_generators": on_gpu,
            "epoch": self.epoch,
            "steps": self.steps,
            "history": self.history,
            "seconds": self._seconds,
        }
        save_checkpoint(self.settings.checkpoint, state)

    def load(self) -> None:
        """Go on from the checkpoint.

        Raises:
            CheckpointError: If that cannot be done.
        """
        path = self.settings.checkpoint
        if path is None:
            raise ValueError("there is no checkpoint to go on from")
        state = load_checkpoint(path, self._arguments)
        try:
            self._restore(state)
        except _UNFIT as error:
            raise CheckpointError(
                f"{path} holds no state of this run; remove it to start anew "
                f"({type(error).__name__}: {_first_line(error)})"
            ) from None

    def _restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["model"])
        self.best = state["best_model"]
        self._optimiser.load_state_dict(state["optimiser"])
        self._scaler.load_state_dict(state["scaler"])
        self._sampler.load_state_dict(state["sampler"])
        self.epoch, self.steps = state["epoch"], list(state["steps"])
        self.history = list(state["history"])
        self._seconds = float(state["seconds"])
        if self.epoch != len(self.history) or self.best_epoch >= self.epoch:
            raise ValueError("its epochs are not those of its history")
        # On another number of processes it is another run from here on.
        if len(state["generators"]) == self.place.world:
            torch.set_rng_state(state["generators"][self.place.rank])
        on_gpu = state["gpu_generators"]
        if (
            self.place.device.type == "cuda"
            and len(on_gpu) == self.place.world
        ):
            torch.cuda.set_rng_state(
                on_gpu[self.place.rank], self.place.device
            )


def _make_network(
    settings: Settings, task: Task, device: torch.device
) -> Classifier:
    """Return the network; raise ValueError where no memory can hold it."""
    try:
        network = Classifier(
            len(task.vocabulary),
            len(task.kinds),
            embedding_size=settings.embedding_size,
            hidden_size=settings.hidden_size,
            dropout=settings.dropout,
            strategy=settings.strategy,
        )
        return network.to(device, getattr(torch, settings.dtype))
    except RuntimeError as error:
        raise ValueError(
            f"a network of --embedding-size {settings.embedding_size} and "
            f"--hidden-size {settings.hidden_size} cannot be made on "
            f"{device}: {_first_line(error)}"
        ) from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
