"""Vectors that go to another device together."""

from types import SimpleNamespace

import pytest
import torch
from elsewhere import PLACE, elsewhere
from networks import NETWORKS, make_network
from strategies import make_floats
from tolerances import assert_same

from packtutor import Ragged, mask_from_lengths, next_tokens, pooling, run_rnn
from packtutor._sending import send

VECTORS = [
    [torch.tensor([3, 1, 2])],
    [torch.tensor([3, 1]), torch.tensor([], dtype=torch.int64)],
    [torch.tensor([], dtype=torch.int64)],
    [torch.tensor([2**40]), torch.tensor([7, 8, 9]), torch.tensor([-1])],
]


@pytest.mark.parametrize("vectors", VECTORS, ids=str)
def test_vectors_arrive_as_they_were_by_one_copy(vectors):
    with elsewhere() as (_, waits):
        found = send(PLACE, *vectors)
        assert waits == ["from the CPU"]
    assert len(found) == len(vectors)
    for own, other in zip(found, vectors, strict=True):
        assert_same(own.held, other)


@pytest.mark.parametrize("vectors", VECTORS, ids=str)
def test_on_the_cpu_they_are_the_same_tensors(vectors):
    found = send(torch.device("cpu"), *vectors)
    assert all(own is other for own, other in zip(found, vectors, strict=True))


def test_cuda_gets_them_from_pinned_memory_without_a_wait(monkeypatch):
    """No CUDA is needed: what would copy them writes down what it is asked."""
    asked = []

    def pin(tensor):
        def to(device, *, non_blocking):
            asked.append((device, non_blocking))
            return tensor

        return SimpleNamespace(to=to)

    cuda = torch.device("cuda")
    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "pin_memory", pin)
        found = send(cuda, *VECTORS[-1])
    assert asked == [(cuda, True)]
    for own, other in zip(found, VECTORS[-1], strict=True):
        assert_same(own, other)


@pytest.fixture
def forbid_waiting(device):
    """On CUDA, let PyTorch raise where it would wait for the device."""
    if device.type != "cuda":
        pytest.skip("only a CUDA device is waited for")
    torch.cuda.synchronize(device)
    torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


def test_no_conversion_waits_for_the_device(device, request):
    batch = Ragged(make_floats(6, 2, device=device), [1, 3, 2])
    padded = batch.to_padded()
    request.getfixturevalue("forbid_waiting")
    Ragged.from_padded(padded, [1, 3, 2])
    batch.to_padded(padding_side="left")
    batch.to_packed()
    batch.reverse()
    batch.index_select([1, 1])
    pooling.mean(batch)
    pooling.max(batch)
    mask_from_lengths([1, 3, 2], device=device)
    next_tokens(batch)


@pytest.mark.parametrize("name", NETWORKS)
def test_no_network_waits_for_the_device(name, device, request):
    rnn = make_network(name, device)
    batch = Ragged(make_floats(6, 3, device=device), [1, 3, 2])
    run_rnn(rnn, batch)  # cuDNN chooses, and may wait, once
    request.getfixturevalue("forbid_waiting")
    run_rnn(rnn, batch)
    run_rnn(rnn, batch.to_packed())
