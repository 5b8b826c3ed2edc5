"""The device that is picked, and runs that repeat."""

import os

import numpy as np
import pytest
import torch

from packtutor import make_repeatable, pick_device
from packtutor.device import make_fast


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv("PACKTUTOR_DEVICE", raising=False)


def test_it_is_the_cpu_unless_something_else_is_said():
    assert pick_device() == torch.device("cpu")
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("meta") == torch.device("meta")


def test_the_environment_names_it(monkeypatch):
    monkeypatch.setenv("PACKTUTOR_DEVICE", "meta")
    assert pick_device() == torch.device("meta")
    assert pick_device("cpu") == torch.device("cpu")
    monkeypatch.setenv("PACKTUTOR_DEVICE", "")
    assert pick_device() == torch.device("cpu")


def test_each_device_here_can_be_picked(device, monkeypatch):
    assert pick_device(str(device)) == device
    monkeypatch.setenv("PACKTUTOR_DEVICE", str(device))
    assert pick_device() == device
    assert torch.ones(2, device=pick_device()).device == device


@pytest.mark.parametrize(
    "name",
    ["", "gpu", "CPU", "cpu:x", "cpu:-1", "cuda:99", "hpu", "xla", "ipu"],
)
def test_a_device_that_is_not_there_is_named(name, monkeypatch):
    text = f"name is '{name}'; it must name a device that PyTorch finds here"
    with pytest.raises(ValueError, match=text):
        pick_device(name)
    if name:
        monkeypatch.setenv("PACKTUTOR_DEVICE", name)
        with pytest.raises(ValueError, match=f"PACKTUTOR_DEVICE is '{name}'"):
            pick_device()


def test_the_reason_is_one_line(monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("\nno driver\nmore\n")

    monkeypatch.setattr(torch, "empty", fail)
    with pytest.raises(ValueError, match=r"finds here \(no driver\)$"):
        pick_device("cpu")


@pytest.mark.parametrize("name", [0, True, torch.device("cpu"), b"cpu"])
def test_a_name_is_a_text(name):
    text = f"name is of type {type(name).__name__}; it must be a str"
    with pytest.raises(TypeError, match=text):
        pick_device(name)


def test_the_settings_make_runs_repeat(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    torch.backends.cudnn.benchmark = True
    generator = make_repeatable(5)
    assert torch.initial_seed() == 5
    assert generator.initial_seed() == 5
    assert generator.device.type == "cpu"
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.benchmark is False
    assert torch.backends.cudnn.rnn.fp32_precision == "ieee"
    assert torch.backends.cudnn.conv.fp32_precision == "ieee"
    assert torch.backends.cuda.matmul.fp32_precision == "ieee"
    # PyTorch's own code reads these, and raises if they disagree.
    assert torch.backends.cudnn.allow_tf32 is False
    assert torch.backends.cuda.matmul.allow_tf32 is False
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


@pytest.mark.parametrize("precision", ["ieee", "tf32"])
def test_a_benchmark_takes_the_fastest_kernels(precision):
    make_repeatable()
    make_fast(precision)
    assert not torch.are_deterministic_algorithms_enabled()
    backends = torch.backends
    assert backends.cudnn.benchmark is True
    for backend in (backends.cudnn.rnn, backends.cudnn.conv):
        assert backend.fp32_precision == precision
    assert backends.cuda.matmul.fp32_precision == precision
    assert backends.cudnn.allow_tf32 is (precision == "tf32")


def test_a_precision_is_one_of_two():
    text = "precision is 'fast'; it must be 'ieee' or 'tf32'"
    with pytest.raises(ValueError, match=text):
        make_fast("fast")
    assert torch.backends.cudnn.rnn.fp32_precision == "ieee"


def test_the_callers_workspace_is_kept(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    make_repeatable()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_draws_repeat(device):
    def draw(seed):
        generator = make_repeatable(seed)
        return (
            torch.randint(1000, (4,), generator=generator).tolist(),
            torch.randint(1000, (4,), device=device).tolist(),
        )

    assert draw(0) == draw(0)
    assert draw(0)[0] != draw(1)[0]
    assert draw(0)[1] != draw(1)[1]


def test_a_run_repeats_to_the_bit(device):
    def run():
        make_repeatable(0)
        lstm = torch.nn.LSTM(3, 4, 2, dropout=0.5).to(device)
        output, _ = lstm(torch.randn(5, 2, 3).to(device))
        output.sum().backward()
        return output.detach(), lstm.weight_ih_l0.grad

    for first, second in zip(run(), run(), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("seed", [0, 2**63, 2**64 - 1, np.uint64(7)])
def test_every_seed_of_pytorch_is_taken(seed):
    assert make_repeatable(seed).initial_seed() == int(seed)


@pytest.mark.parametrize(
    ("seed", "error", "text"),
    [
        (-1, ValueError, "seed is -1; it must be at least 0"),
        (
            2**64,
            ValueError,
            f"seed is {2**64}; it must be at most {2**64 - 1}",
        ),
        (1.0, TypeError, "seed is 1.0; it must be an integer of at least 0"),
        (None, TypeError, "seed is None; it must be an integer"),
        (True, TypeError, "seed is True; it must be an integer"),
    ],
)
def test_a_bad_seed_changes_nothing(seed, error, text):
    before = torch.get_rng_state()
    with pytest.raises(error, match=text):
        make_repeatable(seed)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    "said", ["no driver", "no driver\nmore", "\nno driver\nmore\nand more\n"]
)
def test_the_first_line_of_the_reason_is_shown(said, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError(said)

    monkeypatch.setattr(torch, "empty", fail)
    with pytest.raises(ValueError, match=r"finds here \(no driver\)$"):
        pick_device("cpu")


def test_the_defaults_are_seed_0_and_full_precision():
    assert make_repeatable().initial_seed() == 0
    make_fast("tf32")
    make_fast()
    assert torch.backends.cudnn.rnn.fp32_precision == "ieee"
    assert torch.backends.cuda.matmul.allow_tf32 is False
