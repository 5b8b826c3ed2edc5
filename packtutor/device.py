"""The one place that picks a device and makes runs repeatable."""

from __future__ import annotations

import os
import warnings
from typing import Any, Literal, TypeAlias

import torch

from packtutor._checks import as_count, short

Precision: TypeAlias = Literal["ieee", "tf32"]


def pick_device(name: str | None = None) -> torch.device:
    """Return the device that the book's code runs on.

    The environment variable ``PACKTUTOR_DEVICE`` names it where ``name`` does
    not; without both it is the CPU, on which the stored outputs were made.

    Args:
        name: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``...

    Raises:
        TypeError: If ``name`` is not a ``str``.
        ValueError: If it names no device, or one that is not there.

    Example:
        >>> pick_device("cpu")
        device(type='cpu')

    Cost:
        O(1).

    Source:
        Chapter 4.

    Not for:
        Code that has a device already: use that of its tensors.
    """
    source = "name"
    if name is None:
        source = "PACKTUTOR_DEVICE"
        name = os.environ.get(source) or "cpu"
    if not isinstance(name, str):
        raise TypeError(
            f"name is of type {type(name).__name__}; it must be a str"
        )
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"{source} is {short(name)}; it must name a device that PyTorch "
            f"finds here ({reason})"
        ) from None
    return device


def make_repeatable(seed: int = 0) -> torch.Generator:
    """Seed PyTorch and turn off what makes two runs differ.

    Sets, for the whole process: the seed of every device, deterministic
    algorithms, full float32 precision instead of TF32 on CUDA, and no search
    for the fastest cuDNN kernel. Call it before the first CUDA call.

    Args:
        seed: From 0 to 2**64 - 1.

    Shapes:
        returns: A generator on the CPU with that seed. Draw data and weights
            from it in float64, then move them: float32 draws differ in their
            last bits between processors.

    Raises:
        TypeError: If ``seed`` is not an integer.
        ValueError: If it is negative or too large.

    Example:
        >>> generator = make_repeatable(seed=0)
        >>> torch.randint(10, (3,), generator=generator)
        tensor([4, 9, 3])

    Cost:
        O(1); deterministic kernels can be slower.

    Source:
        PyTorch's note on reproducibility.

    Not for:
        Benchmarks: they want the fastest kernels (``make_fast``).
    """
    seed = as_count(seed, "seed", 0, 2**64 - 1)
    # cuBLAS reads this when CUDA starts; cuDNN's RNNs need it to repeat.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(mode=True)
    torch.backends.cudnn.benchmark = False
    set_float32("ieee")
    return torch.Generator().manual_seed(seed)


def make_fast(precision: Precision = "ieee") -> None:
    """Let PyTorch take its fastest kernels: the settings of a benchmark.

    The counterpart of ``make_repeatable``, for the whole process. What cuBLAS
    read from the environment when CUDA started stays as it is.

    Args:
        precision: Of float32 on CUDA: ``"ieee"`` keeps all 24 bits, ``"tf32"``
            rounds what is multiplied to 11.

    Raises:
        ValueError: If ``precision`` is another text.

    Example:
        >>> make_fast("tf32")
        >>> torch.backends.cudnn.rnn.fp32_precision
        'tf32'

    Cost:
        O(1).

    Source:
        PyTorch's note on numerical accuracy.

    Not for:
        Printed results: two runs may differ.
    """
    precision = _as_precision(precision)
    torch.use_deterministic_algorithms(mode=False)
    torch.backends.cudnn.benchmark = True
    set_float32(precision)


def set_float32(precision: Precision) -> None:
    """Say how CUDA multiplies float32; nothing else changes."""
    precision = _as_precision(precision)
    backends: Any = torch.backends  # its types lag behind its attributes
    # The older names of the same settings too: torch.export reads them, and
    # PyTorch raises where the old and the new ones disagree. PyTorch 2.9 warns
    # of the old ones.
    rounded = precision == "tf32"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        backends.cudnn.allow_tf32 = backends.cuda.matmul.allow_tf32 = rounded
    backends.cudnn.rnn.fp32_precision = precision
    backends.cudnn.conv.fp32_precision = precision
    backends.cuda.matmul.fp32_precision = precision


def _as_precision(precision: object) -> Precision:
    if not isinstance(precision, str) or precision not in ("ieee", "tf32"):
        raise ValueError(
            f"precision is {short(precision)}; it must be 'ieee' or 'tf32'"
        )
    return "ieee" if precision == "ieee" else "tf32"
