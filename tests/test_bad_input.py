"""Bad input is refused in words, and leaves everything as it was."""

from __future__ import annotations

import inspect
import os
import random
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from bad_input import files, public
from bad_input.cases import Cases, Row
from bad_input.frozen import freeze
from bad_input.good import PUBLIC, call_well
from bad_input.table import NOTHING_TO_REFUSE, TABLE

mpl.use("agg")

import matplotlib.pyplot as plt

ROWS = [
    pytest.param(cases, row, id=f"{cases.name}-{row.wrong}")
    for cases in TABLE
    for row in cases.rows
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("files")
    files.write(made)
    return made


def settings(folder: Path) -> dict[str, Any]:
    """Return what belongs to the whole process, or lies on the disk."""
    backends = torch.backends
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # older names of the same settings
        precision = [
            backends.cudnn.allow_tf32,
            backends.cuda.matmul.allow_tf32,
            backends.cudnn.rnn.fp32_precision,
            backends.cudnn.conv.fp32_precision,
            backends.cuda.matmul.fp32_precision,
        ]
    return {
        "PyTorch's generator": freeze(torch.get_rng_state()),
        "Python's generator": random.getstate(),
        "NumPy's generator": freeze(np.random.get_state()),  # noqa: NPY002
        "default dtype": torch.get_default_dtype(),
        "default device": str(torch.get_default_device()),
        "gradients": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(),
        "determinism": torch.are_deterministic_algorithms_enabled(),
        "search for kernels": backends.cudnn.benchmark,
        "precision": precision,
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "files": files.read(folder),
        "figures": plt.get_fignums(),
        "digits": sys.get_int_max_str_digits(),
        "depth": sys.getrecursionlimit(),
    }


@pytest.mark.parametrize(("cases", "row"), ROWS)
def test_bad_input(
    cases: Cases,
    row: Row,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    function = cases.function or PUBLIC[cases.name]
    call = row.make()
    held, around = freeze(tuple(call)), settings(folder)

    with pytest.raises(row.error) as caught:
        call.of(function)

    assert caught.type is row.error
    assert row.says(str(caught.value)), str(caught.value)
    assert freeze(tuple(call)) == held
    assert settings(folder) == around
    assert capfd.readouterr() == ("", "")
    call_well(cases)


@pytest.mark.parametrize("cases", TABLE, ids=[cases.name for cases in TABLE])
def test_good_input(
    cases: Cases, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a good call that always fails would say nothing of the rows."""
    monkeypatch.chdir(folder)
    call_well(cases)


# --- the table itself -----------------------------------------------------


def test_every_public_callable_is_in_the_table() -> None:
    named = {cases.name for cases in TABLE}
    assert len(named) == len(TABLE)
    assert named | set(NOTHING_TO_REFUSE) >= set(PUBLIC)
    # The others are commands.
    assert all(cases.function for cases in TABLE if cases.name not in PUBLIC)
    assert not named & set(NOTHING_TO_REFUSE)


def test_what_takes_no_argument_takes_none() -> None:
    for name, reason in NOTHING_TO_REFUSE.items():
        taken = public.parameters(PUBLIC[name])
        assert (reason == "no argument") == (not taken), name


def test_every_parameter_has_a_row() -> None:
    """A row that gives an argument by its name, or by its place."""
    for cases in TABLE:
        if cases.function is None:
            names = public.parameters(PUBLIC[cases.name])
            missing = set(names) - mentioned(cases) - {"args", "kwargs"}
            assert not missing, f"{cases.name}: {missing}"


def mentioned(cases: Cases) -> set[str]:
    """Return the parameters that differ from the good call in some row."""
    signature = inspect.signature(PUBLIC[cases.name])
    good = cases.good()
    usual = signature.bind_partial(*good.args, **good.kwargs).arguments
    found = set()
    for row in cases.rows:
        bad = row.make()
        bound = signature.bind_partial(*bad.args, **bad.kwargs).arguments
        found |= {
            name
            for name in signature.parameters
            if name not in usual
            or name not in bound
            or freeze(usual[name]) != freeze(bound[name])
        } & {*bound, *usual}
    return found


def test_there_are_enough_rows() -> None:
    assert len(ROWS) >= 250
    names = [row.id for row in ROWS]
    assert len(set(names)) == len(names)


def test_every_text_says_something_of_the_input() -> None:
    """No pattern that anything matches."""
    for cases in TABLE:
        for row in cases.rows:
            text = row.text
            if isinstance(text, re.Pattern):
                assert not text.fullmatch("")
                assert not text.fullmatch("something went wrong")


# --- what sees that nothing has changed -----------------------------------


def test_a_change_of_any_kind_is_seen() -> None:
    lstm = torch.nn.LSTM(2, 3)
    values = torch.zeros(3)
    packed = torch.nn.utils.rnn.pack_sequence([torch.ones(2), torch.ones(1)])
    before = freeze((lstm, values, packed, [1, 2]))
    assert freeze((lstm, values, packed, [1, 2])) == before
    lstm.eval()
    assert freeze((lstm, values, packed, [1, 2])) != before
    lstm.train()
    with torch.no_grad():
        lstm.bias_hh_l0[0] += 1
    assert freeze((lstm, values, packed, [1, 2])) != before
    with torch.no_grad():
        lstm.bias_hh_l0[0] -= 1
    handle = lstm.register_forward_hook(print)
    assert freeze((lstm, values, packed, [1, 2])) != before
    handle.remove()
    values[1] = -0.0
    assert freeze((lstm, values, packed, [1, 2])) != before
    values[1] = 0.0
    packed.batch_sizes[1] = 2
    assert freeze((lstm, values, packed, [1, 2])) != before
    packed.batch_sizes[1] = 1
    assert freeze((lstm, values, packed, [2, 1])) != before
    assert freeze([1]) != freeze([True])
    assert freeze((1,)) != freeze([1])


@pytest.mark.parametrize(
    ("change", "undo"),
    [
        (lambda _: torch.rand(1), lambda _: None),
        (lambda _: random.random(), lambda _: None),
        (lambda _: np.random.rand(), lambda _: None),  # noqa: NPY002
        (
            lambda _: torch.set_default_dtype(torch.float64),
            lambda _: torch.set_default_dtype(torch.float32),
        ),
        (
            lambda _: torch.use_deterministic_algorithms(True),
            lambda _: torch.use_deterministic_algorithms(False),
        ),
        (
            lambda _: os.environ.update(PACKTUTOR_DEVICE="meta"),
            lambda _: os.environ.pop("PACKTUTOR_DEVICE"),
        ),
        (lambda _: plt.figure(), lambda _: plt.close("all")),
        (
            lambda folder: (folder / "left.txt").write_text("over", "utf-8"),
            lambda folder: (folder / "left.txt").unlink(),
        ),
    ],
    ids=[
        "PyTorch draws",
        "Python draws",
        "NumPy draws",
        "dtype",
        "determinism",
        "environment",
        "figure",
        "file",
    ],
)
def test_a_change_of_the_process_is_seen(
    change: Callable[[Path], object],
    undo: Callable[[Path], object],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PACKTUTOR_DEVICE", "cpu")
    before = settings(folder)
    assert settings(folder) == before
    try:
        change(folder)
        assert settings(folder) != before
    finally:
        undo(folder)
