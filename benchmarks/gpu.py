"""The suite for a GPU: runs, conversions, attention, and hidden waits.

    python -m benchmarks --full --only gpu

All of it takes a device, so that a CPU can test it; only CUDA is measured.
"""

from __future__ import annotations

import gc
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from benchmarks import gpu_attention, gpu_cases, gpu_moves
from benchmarks.gpu_runs import measure_run
from benchmarks.gpu_waits import measure_waits

# After these seconds no further case starts; each left out is named.
LONGEST_S = 420.0
# What may be taken of the memory that is free: the estimates are rough.
_SHARE = 0.8

Row = dict[str, Any]
Labelled = tuple[str, Callable[[], list[Row]]]


def jobs(
    *, full: bool, device: torch.device | None = None
) -> Iterator[Labelled]:
    """Yield a label and what returns the rows of each case; none on a CPU."""
    if device is None:
        if not torch.cuda.is_available():
            return
        device = torch.device("cuda", torch.cuda.current_device())
    budget = {"device": device, "budget_s": 2.0 if full else 0.5}
    stop = time.monotonic() + LONGEST_S
    for about, need, measure in _measurements(full, budget):
        label = ", ".join(str(part) for part in about.values())
        yield (
            f"gpu, {label}",
            partial(_measure, about, need, measure, device, stop),
        )


def describe(device: torch.device | None = None) -> Row:
    """Return which GPU it was, and the versions of what drives it."""
    if not torch.cuda.is_available():
        return {}
    found = torch.cuda.get_device_properties(device)
    cudnn: Any = torch.backends.cudnn
    return {
        "name": found.name,
        "compute_capability": f"{found.major}.{found.minor}",
        "memory_gib": found.total_memory / 2**30,
        "driver": _driver(),
        "cuda": torch.version.cuda,
        "cudnn": cudnn.version(),
        "torch": torch.__version__,
        "cublas_workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    }


def _measurements(
    full: bool,  # noqa: FBT001
    budget: dict[str, Any],
) -> Iterator[tuple[Row, int, Callable[[], Row]]]:
    """Yield what a row says of itself, the bytes it needs, and its measure."""
    device = budget["device"]
    yield {"kind": "waits"}, 0, partial(measure_waits, device)
    for lengths, features in gpu_moves.settings(full=full):
        need = gpu_moves.bytes_needed(lengths, features)
        about = {"kind": "conversions", "case": f"{features} features"}
        yield (
            about | {"row_bytes": 4 * features},
            need,
            partial(gpu_moves.measure_moves, lengths, features, **budget),
        )
    for name, lengths, precision in gpu_attention.settings(full=full):
        need = gpu_attention.bytes_needed(lengths, precision)
        for training in (False, True):
            yield (
                _about("attention", name, precision, training=training),
                need,
                partial(
                    gpu_attention.measure_attention,
                    lengths,
                    precision,
                    training=training,
                    **budget,
                ),
            )
    for case, precision in gpu_cases.cases(full=full):
        for training in (False, True):
            yield (
                _about("run", case.name, precision, training=training)
                | case.describe()
                | {"padding_fraction": gpu_cases.padding(case)},
                gpu_cases.bytes_needed(case, precision, training=training),
                partial(
                    measure_run, case, precision, training=training, **budget
                ),
            )


def _about(kind: str, name: str, precision: str, *, training: bool) -> Row:
    return {
        "kind": kind,
        "case": name,
        "precision": precision,
        "run": "training" if training else "forward",
    }


def _measure(
    about: Row,
    need: int,
    measure: Callable[[], Row],
    device: torch.device,
    stop: float,
) -> list[Row]:
    """Return the row of a case, or why it was left out."""
    free = _free(device)
    if need > free:
        skipped = f"needs about {_gib(need)} of the {_gib(free)} to be used"
    elif time.monotonic() > stop:
        skipped = f"the {LONGEST_S:.0f} seconds of the suite were over"
    else:
        try:
            return [about | measure()]
        except torch.cuda.OutOfMemoryError:
            skipped = "ran out of memory"
        finally:
            gc.collect()
            if device.type == "cuda":
                torch.cuda.empty_cache()
    return [about | {"skipped": skipped}]


def _free(device: torch.device) -> int:
    if device.type != "cuda":
        return 2**30
    return int(torch.cuda.mem_get_info(device)[0] * _SHARE)


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"


def _driver() -> str | None:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv"]
    try:
        shown = subprocess.run(
            command,
            capture_output=True,
            check=True,
            encoding="utf-8",
            timeout=30,
        ).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    return shown[-1] if shown else None
