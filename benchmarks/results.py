"""Write results, whole or not at all, and read them."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import math
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from benchmarks.digest import digest_for
from packtutor._files import write_whole

ROOT = Path(__file__).resolve().parents[1]
COMMITTED = ROOT / "benchmarks" / "results"
QUICK = COMMITTED / "quick"
NAMES = (
    "recurrence",
    "conversions",
    "growth",
    "memory",
    "training",
    "stragglers",
    "gpu",
)
_PEERS = ("torch", "numpy", "onnxruntime", "jax", "flax")


def about(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return where, when and of which code a result was measured."""
    commit = _git("rev-parse", "HEAD")
    return {
        "machine": {
            "processor": _processor(),
            "logical_cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "memory_gib": _memory_gib(),
            "system": platform.system(),
        },
        "versions": {
            "python": platform.python_version(),
            **_versions(),
        },
        "commit": commit,
        "changed_since_commit": bool(_git("status", "--porcelain")),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "digest": digest_for(name),
        "settings": settings,
    }


def write(folder: Path, name: str, result: dict[str, Any]) -> Path:
    """Write one result; who reads it never sees half of it.

    Raises:
        OSError: If it cannot be written; an old result then stands.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    text = json.dumps(rounded(result), indent=1, allow_nan=False)
    write_whole(path, f"{text}\n".encode())
    return path


def read_all(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the results that stand in a folder, by name."""
    paths = {name: folder / f"{name}.json" for name in NAMES}
    return {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in paths.items()
        if path.is_file()
    }


def rounded(value: Any) -> Any:
    """Return numbers with four significant digits: more would be noise."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.4g}")
    return value


def _versions() -> dict[str, str]:
    """Return those of the peers that are here; a GPU is measured without."""
    found = {}
    for name in _PEERS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    try:
        return subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            check=True,
            encoding="utf-8",
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""  # not a git checkout


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
