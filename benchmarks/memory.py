"""Measure peak memory, each run in a process of its own.

On Linux the kernel keeps a process's peak of resident memory and resets it on
request: it is reset when inputs, weights and a small warm run stand, and read
after the run. Elsewhere the peak cannot be reset; nothing is measured there.
"""

from __future__ import annotations

import ctypes
import gc
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.cases import Case, draw, log_normal, triangular, uniform
from benchmarks.results import ROOT
from benchmarks.ways import make_task, torch_ways
from packtutor import Ragged, run_rnn

WAYS = ("run_rnn packed", "torch packed", "torch padded")
HOW = "peak of resident memory (VmHWM), reset before the run"
_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")

_SHORT = draw("short", 63, lambda g: g.randint(1, 20))
CASES = {
    case.name: case
    for case in (
        Case("uniform, B=128", uniform(128)),
        Case("log-normal, B=128", log_normal(128), quick=True),
        Case("log-normal, B=256", log_normal(256)),
        Case("triangular to 1000", triangular(), inputs=32, hidden=64),
        Case("one of 2000 among short", (2000, *_SHORT)),
        Case("equal, T=50", (50,) * 128),
        Case("GRU, log-normal, B=128", log_normal(128), cell="GRU"),
    )
}


def can_measure() -> bool:
    """Tell whether this system can reset and read the peak."""
    return _RESET.exists() and "VmHWM" in _STATUS.read_text(encoding="utf-8")


def measure_memory(case: Case, *, training: bool) -> dict[str, Any]:
    """Return each way's peak in MiB above the level before the run."""
    run = "training" if training else "forward"
    peaks = {
        name: _in_a_process("peak", case.name, run, name) for name in WAYS
    }
    return {
        **case.describe(),
        "run": run,
        "cells": len(case.lengths) * max(case.lengths),
        "peak_mib": peaks,
        "to_padded": peaks[WAYS[0]] / peaks["torch padded"],
        "bytes_per_token": peaks[WAYS[0]] * 2**20 / sum(case.lengths),
    }


def measure_small_batches(runs: int) -> dict[str, Any]:
    """Return what many small batches leave behind in one process.

    The growth is counted from the end of the first tenth, at each further
    tenth: what fills a cache comes to rest, a leak does not. PyTorch's padded
    run over batches of the same sizes shows what it keeps by itself.
    """
    grown = {
        name: _in_a_process("small", str(runs), name)
        for name in ("run_rnn ragged", "torch padded")
    }
    return {"batches": runs, "growth_mib": grown}


def _in_a_process(*arguments: str) -> Any:
    command = [sys.executable, "-m", "benchmarks.memory", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, check=True, encoding="utf-8"
    )
    return json.loads(done.stdout)


def _peak_of(case: Case, run: str, name: str) -> float:
    training = run == "training"
    network = case.network()
    # The padded kernel too: what a library sets up once is not the run's.
    warm = make_task(network, (3, 2, 1), training=training)
    for kind in (name, "torch padded"):
        torch_ways(warm)[kind].step()
    task = make_task(network, case.lengths, training=training)
    way = torch_ways(task)[name]
    _give_back()
    before = _read("VmRSS")
    _RESET.write_text("5", encoding="utf-8")
    kept = way.step()
    peak = _read("VmHWM") - before
    del kept
    return peak


def _give_back() -> None:
    """Hand freed memory to the system: else a run may reuse it unseen."""
    gc.collect()
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def _growth_over(runs: int, name: str) -> list[float]:
    """Run docs-sized and somewhat larger batches in one of two ways."""
    generator = random.Random(3)  # noqa: S311
    small = Case("small", (3, 2, 1), inputs=10, hidden=5).network()
    larger = Case("larger", (3, 2, 1), inputs=16, hidden=32).network()
    levels = []
    for run in range(runs):
        network, longest = (small, 6) if run % 8 else (larger, 40)
        lengths = [
            generator.randint(0, longest)
            for _ in range(generator.randint(1, 8))
        ]
        with torch.set_grad_enabled(run % 4 == 0):
            if name == "run_rnn ragged":
                values = torch.randn(sum(lengths), network.input_size)
                output = run_rnn(network, Ragged(values, lengths))[0].values
            else:
                steps = max(*lengths, 1)
                size = steps, len(lengths), network.input_size
                output = network(torch.randn(size))[0]
        if output.requires_grad:
            network.zero_grad()
            output.sum().backward()
        if (run + 1) % (runs // 10) == 0:
            levels.append(_read("VmRSS"))
    return [level - levels[0] for level in levels[1:]]


def _read(key: str) -> float:
    """Return a number of this process's status, in MiB."""
    for line in _STATUS.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) / 1024
    raise KeyError(key)


def main() -> None:
    """Measure what the arguments say, within this process."""
    kind, *rest = sys.argv[1:]
    found: float | list[float]
    if kind == "peak":
        found = _peak_of(CASES[rest[0]], rest[1], rest[2])
    else:
        found = _growth_over(int(rest[0]), rest[1])
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
