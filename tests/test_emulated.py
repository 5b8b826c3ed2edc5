"""All tests that take a device, on a second one that needs no hardware."""

import os
import re
import subprocess
import sys
from pathlib import Path

import emulated
import pytest
import torch
from tolerances import assert_close

ROOT = Path(__file__).resolve().parents[1]
KINDS = [torch.nn.RNN, torch.nn.GRU, torch.nn.LSTM]


@pytest.mark.skipif(
    not emulated.HERE, reason="tried with PyTorch 2.13 and later"
)
@pytest.mark.skipif(
    "PACKTUTOR_DEVICE" in os.environ, reason="another device is asked for"
)
def test_what_takes_a_device_passes_on_a_second_one():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests"],
        cwd=ROOT,
        env={
            **{k: v for k, v in os.environ.items() if "COV" not in k},
            "PACKTUTOR_DEVICE": emulated.NAME,
        },
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert f"devices: cpu, {emulated.NAME}" in done.stdout
    (passed,) = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) > 1000


# What the device itself must do; it holds for a GPU as well.


@pytest.fixture
def away(device):
    if device.type == "cpu":
        pytest.skip("one device alone")
    return device


def test_devices_do_not_mix(away):
    here, there = torch.ones(2, 2), torch.ones(2, 2, device=away)
    index = torch.tensor([0], device=away)
    for mix in (
        lambda: here + there,
        lambda: torch.cat([there, here]),
        lambda: torch.nn.functional.embedding(index, here),
        lambda: torch.nn.functional.linear(there, here),
        lambda: here[index],
        lambda: there.index_put((index,), here),
    ):
        with pytest.raises(RuntimeError):
            mix()
    assert (there + here[0, 0]).device == away  # one number may
    assert there[torch.tensor([0])].device == away


def test_a_generator_of_the_cpu_draws_nothing_there(away):
    generator = torch.Generator()
    for draw in (
        lambda: torch.randperm(5, generator=generator, device=away),
        lambda: torch.rand(2, generator=generator, device=away),
    ):
        with pytest.raises(RuntimeError, match="generator"):
            draw()


def test_numpy_sees_nothing_of_it(away):
    with pytest.raises((TypeError, RuntimeError)):
        torch.ones(2, device=away).numpy()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [False, True])
def test_a_packed_run_there_is_the_one_here(kind, bias, device):
    torch.manual_seed(0)
    seqs = [torch.randn(n, 3, dtype=torch.float64) for n in (4, 1, 2)]
    net = kind(3, 4, bias=bias, num_layers=2, bidirectional=True).double()
    results = []
    for place in (torch.device("cpu"), device):
        net = net.to(place)
        packed = torch.nn.utils.rnn.pack_sequence(
            [seq.to(place) for seq in seqs], enforce_sorted=False
        )
        packed.data.requires_grad_()
        output, state = net(packed)
        states = state if isinstance(state, tuple) else (state,)
        weighed = sum(
            (part * part.cos()).sum() for part in (output.data, *states)
        )
        grads = torch.autograd.grad(weighed, (packed.data, *net.parameters()))
        results.append([output.data, *states, *grads])
    for one, other in zip(*results, strict=True):
        assert_close(other.cpu(), one)


def test_weights_are_loaded_there(away):
    first, second = torch.nn.LSTM(2, 3), torch.nn.LSTM(2, 3).to(away)
    second.load_state_dict(first.state_dict())
    assert_close(second.weight_hh_l0.cpu(), first.weight_hh_l0)
    x = torch.ones(4, 1, 2)
    assert_close(second(x.to(away))[0].cpu(), first(x)[0])
