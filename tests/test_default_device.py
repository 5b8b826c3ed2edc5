"""What the package makes lies where it should, on every device.

``torch.set_default_device`` changes where a tensor is made that no argument
places. A program that sets it to its GPU must not move the package's own
bookkeeping there, nor split it between two devices.
"""

from __future__ import annotations

import ast
import copy
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
import torch
from bad_input import files
from bad_input.cases import Call, Cases
from bad_input.frozen import freeze
from bad_input.good import PUBLIC, call_well
from bad_input.table import TABLE
from tolerances import TOLERANCE
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from packtutor import (
    BucketBatchSampler,
    Ragged,
    check_model,
    plan_run,
    run_rnn,
)
from packtutor._measure import measure
from packtutor._samples import Sampler, sorted_blocks
from packtutor.figures import draw_layouts
from packtutor.report import report_file, report_lengths, shuffled_padding

mpl.use("agg")

import matplotlib.pyplot as plt

PACKAGE = Path(__file__).parents[1] / "packtutor"
# What PyTorch makes on the default device if no argument places it.
MAKERS = {
    *("arange", "as_tensor", "asarray", "empty", "eye", "full", "linspace"),
    *("logspace", "nested_tensor", "ones", "rand", "randint", "randn"),
    *("randperm", "range", "scalar_tensor", "tensor", "zeros"),
    *("tril_indices", "triu_indices"),
}


def unplaced(text: str) -> Iterator[str]:
    """Yield the calls of PyTorch that make a tensor on the default device."""
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in MAKERS
            and ast.unparse(node.func.value).split(".")[0] == "torch"
            and "device" not in {keyword.arg for keyword in node.keywords}
        ):
            yield ast.unparse(node)


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem
)
def test_each_tensor_is_placed(path: Path) -> None:
    assert list(unplaced(path.read_text("utf-8"))) == []


def test_an_unplaced_tensor_is_found() -> None:
    assert list(
        unplaced(
            "torch.zeros(2)\n"
            "torch.ones(2, device=x.device)\n"
            "x.new_zeros(2)\n"
            "torch.nested.nested_tensor([])\n"
            "Ragged(torch.arange(3), lengths)\n"
        )
    ) == [
        "torch.zeros(2)",
        "torch.nested.nested_tensor([])",
        "torch.arange(3)",
    ]


@contextmanager
def another_default() -> Iterator[None]:
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


@pytest.mark.parametrize("cases", TABLE, ids=[cases.name for cases in TABLE])
def test_a_good_call_is_good_with_another_default(
    cases: Cases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    call_well(cases, another_default())


LENGTHS = [5, 3, 70_000, 2, 2, 9, 1, 0, 4, 4, 7, 12, 1, 3] * 3

NUMBERS = torch.tensor(LENGTHS)


def sample(**options: Any) -> object:
    sampler = BucketBatchSampler(LENGTHS, max_cells=40, **options)
    return list(sampler), sampler.state_dict(1)


def draw() -> object:
    """Draw from the lengths as the command does with --measure."""
    sampler = Sampler(4, 3)
    sampler.add(NUMBERS)
    return sampler.drawn()


# What goes past the good calls: shuffled, on several processes, long.
@pytest.mark.parametrize(
    "call",
    [
        sample,
        lambda: sample(shuffle=False, measure="packed"),
        lambda: sample(num_replicas=2, rank=1),
        lambda: sample(num_replicas=3, rank=0, measure="packed"),
        lambda: sample(num_replicas=30, rank=2),
        lambda: report_lengths(LENGTHS * 40, batch_size=4),
        lambda: report_lengths(LENGTHS, batch_size=4, sort=True),
        lambda: report_file(BytesIO(b"a b c\nd\n\ne f"), batch_size=2),
        lambda: shuffled_padding(LENGTHS, 4),
        draw,
        lambda: list(sorted_blocks(NUMBERS[:3].sort().values, NUMBERS[:3])),
        lambda: type(draw_layouts(["on your mark", "get set", "go"])),
    ],
)
def test_the_default_device_changes_no_result(call: Any) -> None:
    expected = call()
    with another_default():
        found = call()
    plt.close("all")
    assert freeze(found) == freeze(expected)


def test_batches_are_timed_with_another_default() -> None:
    drawn = [torch.tensor([3, 0, 1])]
    with another_default():
        found = measure(drawn, 9, 2, 3, torch.device("cpu"))
    assert found.batches == 1


class Summed(nn.Module):
    """Adds up each row, pads and all."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.table = nn.Embedding(9, size)

    def forward(self, padded: Tensor, lengths: Tensor) -> Tensor:
        if not padded.is_floating_point():
            padded = self.table(padded)
        return (padded + self.weight).sum(1)


@pytest.mark.parametrize("ids", [False, True])
def test_faults_of_a_model_are_found_with_another_default(ids: bool) -> None:
    torch.manual_seed(0)
    rows = torch.randn(6, 3)
    values = torch.arange(1, 7) if ids else rows
    model, ragged = Summed(3), Ragged(values, [3, 2, 1])
    batch = ragged.to_padded(), ragged.lengths
    expected = check_model(model, batch)
    assert expected
    with another_default():
        found = check_model(model, batch)
    assert freeze(found) == freeze(expected)


def test_a_compiled_run_works_with_another_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lstm = nn.LSTM(4, 8)
    batch = Ragged(torch.randn(366, 4), [40, 30, 30, 20, 2] * 3)
    plan = plan_run(lstm, batch.lengths, training=True)
    assert plan.route == "slabs"
    expected, _ = run_rnn(lstm, batch)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    with another_default():
        found, _ = run_rnn(lstm, batch, plan=plan)
    torch.testing.assert_close(found.values, expected.values)


# What reads numbers, or is told on which device a tensor has to be.
ON_THE_CPU = {
    *("packed.check_batch_sizes", "packed.check_indices"),
    "packed.check_inverse",
}


def move(value: Any, device: torch.device) -> Any:
    """Return a value with all its tensors on the device."""
    if isinstance(value, nn.Module):
        return copy.deepcopy(value).to(device)
    if isinstance(value, (Tensor, Ragged, PackedSequence)):
        return value.to(device)
    if isinstance(value, dict):
        return {key: move(held, device) for key, held in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(move(held, device) for held in value))
    if type(value) in (list, tuple):
        return type(value)(move(held, device) for held in value)
    return value


def leaves(value: Any) -> Iterator[Any]:
    """Yield the tensors of a result, and whatever else it holds."""
    if isinstance(value, Tensor) and value.is_nested:
        value = value.values()
    if isinstance(value, Ragged):
        value = value.values, value.lengths
    if isinstance(value, (list, tuple)):
        for held in value:
            yield from leaves(held)
    elif dataclasses.is_dataclass(value):
        yield from leaves(list(vars(value).values()))
    else:
        yield value


@pytest.mark.parametrize(
    "cases",
    [cases for cases in TABLE if cases.name not in ON_THE_CPU],
    ids=lambda cases: cases.name,
)
def test_a_good_call_is_good_on_each_device(
    cases: Cases,
    device: torch.device,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    function = cases.function or PUBLIC[cases.name]
    there = Call(*(move(held, device) for held in cases.good()))
    expected, found = cases.good().of(function), there.of(function)
    plt.close("all")
    for one, other in zip(leaves(expected), leaves(found), strict=True):
        if not isinstance(one, Tensor):
            assert type(one) is type(other)
        elif one.is_floating_point():
            torch.testing.assert_close(
                other.detach().cpu(),
                one.detach(),
                rtol=0,
                atol=TOLERANCE[one.dtype],
            )
        else:
            assert one.dtype == other.dtype
            assert torch.equal(other.cpu(), one)
