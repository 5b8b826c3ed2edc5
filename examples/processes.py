"""Which process this is, and sums over all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, distributed

from packtutor import pick_device


class Place(NamedTuple):
    """The number of processes, which one this is, and its device."""

    world: int = 1
    rank: int = 0
    device: torch.device = torch.device("cpu")


@contextmanager
def find_place(device: str | None) -> Iterator[Place]:
    """Join the processes that ``torchrun`` has started, or be the only one.

    Raises:
        ValueError: If there is no such device.
    """
    if device is not None and device.partition(":")[0] == "meta":
        raise ValueError("a tensor on meta holds no numbers to train with")
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if "RANK" not in os.environ or "MASTER_ADDR" not in os.environ:
        yield Place(device=pick_device(device))
        return
    found = pick_device(device)
    if str(found) == "cuda":
        found = pick_device(f"cuda:{os.environ['LOCAL_RANK']}")
        torch.cuda.set_device(found)
    # Counts and generators' states travel on the CPU, gradients where they
    # are.
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if found.type == "cuda" else "gloo"
    )
    try:
        yield Place(world, int(os.environ["RANK"]), found)
    finally:
        distributed.destroy_process_group()


def add_up(*numbers: float) -> list[float]:
    """Return the sums over all processes, in float64."""
    if not _are_several():
        return list(numbers)
    sums = torch.tensor(numbers, dtype=torch.float64)
    distributed.all_reduce(sums)
    return sums.tolist()


def gather(tensor: Tensor) -> list[Tensor]:
    """Return the tensors of all processes, in order of rank, on the CPU."""
    if not _are_several():
        return [tensor]
    found = [
        torch.empty_like(tensor) for _ in range(distributed.get_world_size())
    ]
    distributed.all_gather(found, tensor)
    return found


def _are_several() -> bool:
    return (
        distributed.is_available()
        and distributed.is_initialized()
        and distributed.get_world_size() > 1
    )
