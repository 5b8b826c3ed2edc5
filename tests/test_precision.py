"""Which types float32 is lowered to, and what check_model allows them."""

import functools
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from packtutor import Ragged, check_model, mask_from_lengths, run_rnn
from packtutor._precision import lowered_on, lowered_types
from packtutor.device import set_float32

CPU = torch.device("cpu")
LENGTHS = [20, 12, 5, 3]
B, H = torch.bfloat16, torch.float16
FIELD = "fp32_precision"


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def multiply():
    """Say how the CPU multiplies float32, for one test."""
    setting = torch.backends.mkldnn.matmul
    before = setting.fp32_precision
    set_to = functools.partial(setattr, setting, FIELD)
    yield set_to
    set_to(before)


def network():
    return nn.Sequential(
        nn.Linear(6, 16), nn.ReLU(), nn.LayerNorm(16), nn.Linear(16, 3)
    )


def tokens(dtype=torch.float32):
    return Ragged(torch.randn(40, 6, dtype=dtype), LENGTHS)


def within(dtype, fn):
    """Run a model under autocast, and give its results back in float32."""

    def run(*batch):
        with torch.autocast("cpu", dtype=dtype):
            return fn(*batch)

    return run


def rounds(dtype):
    """A model whose kernel for large batches multiplies with few digits."""

    def run(batch):
        values = batch.values
        if len(batch) == len(LENGTHS):
            values = values.to(dtype).to(values)
        return Ragged(values, batch.lengths)

    return run


# --- what is noticed ------------------------------------------------------


def test_without_a_setting_nothing_is_lowered(multiply):
    multiply("ieee")
    with lowered_types(CPU) as found:
        network()(torch.zeros(1, 6))
    assert found == set()


@pytest.mark.parametrize("dtype", [B, H])
def test_autocast_around_the_call_is_noticed(dtype):
    with torch.autocast("cpu", dtype=dtype), lowered_types(CPU) as found:
        pass
    assert found == {dtype}


@pytest.mark.parametrize("model", [nn.Linear(6, 6), nn.ReLU()])
def test_autocast_is_noticed_where_a_module_is_called(model):
    with lowered_types(CPU) as found:
        with torch.autocast("cpu", dtype=B):
            x = torch.zeros(1, 6) @ torch.zeros(6, 6)
            assert found == set()
            with torch.autocast("cpu", enabled=False):
                model(x.float())
            assert found == set()
            model(x)
        assert found == {B}
        with torch.autocast("cpu", dtype=H):
            model(x.float())
    assert found == {B, H}


def test_devices_without_autocast_are_passed_over():
    with lowered_types(torch.device("meta")) as found:
        nn.Linear(2, 2, device="meta")(torch.zeros(1, 2, device="meta"))
    assert found == set()


@pytest.mark.parametrize(
    ("name", "dtypes"), [("ieee", set()), ("tf32", {H}), ("bf16", {B})]
)
def test_lost_digits_of_products_are_noticed(name, dtypes, multiply):
    multiply(name)
    with lowered_types(CPU) as found:
        pass
    assert found == dtypes
    multiply("ieee")
    with lowered_types(CPU) as found:
        multiply(name)
        nn.ReLU()(torch.zeros(1))
        multiply("ieee")
    assert found == dtypes


def test_each_device_has_its_own_products(multiply):
    set_float32("tf32")  # on CUDA
    multiply("ieee")
    with lowered_types(CPU) as found:
        network()(torch.zeros(1, 6))
    assert found == set()
    with lowered_types(torch.device("cuda")) as found:
        pass
    assert found == {H}
    multiply("bf16")
    with lowered_types(torch.device("cuda")) as found:
        network()(torch.zeros(1, 6))  # its weights are on the CPU
    assert found == {H, B}


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: nn.GRU(2, 2), "rnn"),
        (lambda: nn.Conv1d(2, 2, 1), "conv"),
        (lambda: nn.Linear(2, 2), None),
    ],
)
def test_networks_and_convolutions_have_their_own_digits(
    make, part, monkeypatch, multiply
):
    set_float32("ieee")  # on CUDA
    multiply("ieee")
    module = make()
    for kind, library in (("cuda", "cudnn"), ("cpu", "mkldnn")):
        for name, dtype in (("tf32", H), ("bf16", B)):
            for setting in ("rnn", "conv"):
                stand_in = SimpleNamespace(**{FIELD: name})
                with monkeypatch.context() as patch:
                    own = getattr(torch.backends, library)
                    patch.setattr(own, setting, stand_in)
                    expected = {dtype} if setting == part else set()
                    assert lowered_on(kind, module) == expected


def test_a_network_that_is_not_called_is_noticed(multiply, monkeypatch):
    multiply("ieee")
    stand_in = SimpleNamespace(**{FIELD: "bf16"})
    monkeypatch.setattr(torch.backends.mkldnn, "rnn", stand_in)
    with lowered_types(CPU, [nn.Sequential(nn.GRU(2, 2))]) as found:
        pass
    assert found == {B}
    rnn = nn.GRU(6, 3)
    batch = tokens()
    rounded = rounds(B)
    assert check_model(lambda b: run_rnn(rnn, rounded(b))[0], batch) == []
    monkeypatch.undo()
    assert check_model(lambda b: run_rnn(rnn, rounded(b))[0], batch)


# --- what check_model allows ----------------------------------------------


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("dtype", [B, H])
def test_no_false_alarm_from_mixed_precision(dtype, grad):
    model = network()

    def fn(batch):
        return batch.apply(lambda values: model(values).float())

    with torch.set_grad_enabled(grad):
        assert check_model(within(dtype, fn), tokens()) == []
        with torch.autocast("cpu", dtype=dtype):
            assert check_model(fn, tokens()) == []


@pytest.mark.parametrize(("name", "dtype"), [("bf16", B), ("tf32", H)])
def test_no_false_alarm_from_products_with_few_digits(name, dtype, multiply):
    batch = tokens()
    multiply("ieee")
    found = check_model(rounds(dtype), batch)
    assert [violation.test for violation in found] == ["split", "alone"]
    multiply(name)
    assert check_model(rounds(dtype), batch) == []


def test_no_false_alarm_where_the_cpu_multiplies_with_few_digits(multiply):
    model = network()
    multiply("bf16")  # as torch names it, "medium"; not every CPU does
    assert check_model(lambda batch: batch.apply(model), tokens()) == []


def test_float64_is_held_to_its_own_digits(multiply):
    multiply("bf16")
    found = check_model(
        within(B, rounds(torch.float32)), tokens(torch.float64)
    )
    assert [violation.test for violation in found] == ["split", "alone"]


@pytest.mark.parametrize("real", [True, False])
def test_a_mistake_is_found_in_mixed_precision(real):
    model = network()
    padded = tokens().to_padded()

    def mean(padded, lengths):
        mask = mask_from_lengths(lengths, padded.shape[1])[..., None]
        filled = padded.masked_fill(~mask, 0)
        total = model(filled).float().masked_fill(~mask, 0).sum(1)
        return total / (lengths[:, None] if real else padded.shape[1])

    found = check_model(within(B, mean), (padded, LENGTHS))
    tests = ["extra padding", "split", "alone"]
    assert [v.test for v in found] == ([] if real else tests)
