"""The devices, PyTorch's settings, and Hypothesis' profile."""

import os

import emulated
import pytest
import torch
from hypothesis import settings

from packtutor import Ragged
from packtutor.device import set_float32

# It asserts for the tests, which should show both sides of what failed.
pytest.register_assert_rewrite("bad_input.good")

# The tensors are tiny: several threads would only wait for each other.
torch.set_num_threads(1)

# The same examples each time, and no time limit: the first one is slow.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=40,
)
settings.load_profile("repeatable")


# A device without hardware is added to PyTorch where it is asked for.
_EMULATED = os.environ.get("PACKTUTOR_DEVICE") == emulated.NAME
if _EMULATED:
    emulated.install()


def pytest_collection_modifyitems(config, items):
    """Run what takes a device on the emulated one, and nothing else."""
    if not _EMULATED:
        return
    chosen, others = [], []
    for item in items:
        callspec = getattr(item, "callspec", None)
        taken = callspec is not None and emulated.NAME in callspec.id
        (chosen if taken else others).append(item)
        for start, reason in emulated.LACKS.items():
            if item.name.startswith(start):
                item.add_marker(pytest.mark.skip(reason=reason))
    config.hook.pytest_deselected(items=others)
    items[:] = chosen


def _devices():
    name = os.environ.get("PACKTUTOR_DEVICE")
    if not name and torch.cuda.is_available():
        name = "cuda"
    return ["cpu"] if name in (None, "", "cpu") else ["cpu", name]


def pytest_terminal_summary(terminalreporter):
    """Say where the tests ran: a skip alone is easily overlooked."""
    text = f"devices: {', '.join(_devices())}"
    if not torch.cuda.is_available():
        text += " (no CUDA device here: what needs one was not tested)"
    terminalreporter.write_line(text)


@pytest.fixture(scope="session", params=_devices())
def device(request):
    """Each device that is here; with its number, as tensors show it."""
    return torch.empty(0, device=request.param).device


@pytest.fixture(autouse=True)
def _untouched_settings():
    """Start from PyTorch's own settings, but for TF32; leave what was found.

    A GPU would round float32 to TF32, which hides a mistake of 1 in 1,000.
    """
    backends = torch.backends
    precise = backends.cudnn.rnn, backends.cudnn.conv, backends.cuda.matmul
    before = (
        torch.get_rng_state(),
        torch.are_deterministic_algorithms_enabled(),
        backends.cudnn.benchmark,
        [backend.fp32_precision for backend in precise],
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )
    torch.use_deterministic_algorithms(False)
    set_float32("ieee")
    yield
    torch.set_rng_state(before[0])
    torch.use_deterministic_algorithms(before[1])
    backends.cudnn.benchmark = before[2]
    for backend, precision in zip(precise, before[3], strict=True):
        backend.fp32_precision = precision
    os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
    if before[4] is not None:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = before[4]


@pytest.fixture
def batch(device):
    """Three documents as ids: 3, 2 and 1 words."""
    return Ragged(torch.arange(6, device=device), [3, 2, 1])
