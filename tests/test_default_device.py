"""What the package makes lies where it should, whatever the default device.

``torch.set_default_device`` changes where a tensor is made that no argument
places. A program that sets it to its GPU must not move the package's own
bookkeeping there, nor split it between two devices.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import pytest
import torch
from bad_input import files, public
from bad_input.cases import Cases
from bad_input.frozen import freeze
from bad_input.table import TABLE

mpl.use("agg")

import matplotlib.pyplot as plt

PACKAGE = Path(__file__).parents[1] / "packtutor"
PUBLIC = public.find()
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


@pytest.mark.parametrize("cases", TABLE, ids=[cases.name for cases in TABLE])
def test_results_do_not_depend_on_the_default_device(
    cases: Cases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    function = cases.function or PUBLIC[cases.name]
    call = cases.good()
    torch.set_default_device("meta")
    try:
        result = call.of(function)
    finally:
        torch.set_default_device(None)
    try:
        if inspect.signature(cases.gives).parameters:
            assert cases.gives(result)
        else:
            assert freeze(result) == freeze(cases.gives())
    finally:
        plt.close("all")
