"""Hold the pages without cells to the package and to PyTorch."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
import torch
from notebooks import BOOK, CHAPTERS, ROOT, read, sections
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)

import packtutor
from packtutor import Ragged, figures, lengths_from_mask, mask_from_lengths
from packtutor.__main__ import main


def page(name: str) -> str:
    return (BOOK / f"{name}.md").read_text(encoding="utf-8")


def table(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head."""
    after = text.partition(f"## {heading}\n")[2]
    part = after.partition("\n## ")[0]
    rows = [line for line in part.splitlines() if line.startswith("|")]
    return [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in rows[2:]
    ]


def code(cell: str) -> str:
    found = re.fullmatch(r"`([^`]+)`", cell)
    assert found, cell
    return found[1]


# --- api ------------------------------------------------------------------


def test_api_lists_every_public_name() -> None:
    listed = re.findall(r"^\.\. (?:auto|py:)\w+:: (\S+)", page("api"), re.M)
    names = {
        f"packtutor.{name}"
        for name in packtutor.__all__
        if name != "__version__"
    }
    modules = {"RNN", "GRU", "LSTM", "convert"}
    names |= {f"packtutor.nn.{name}" for name in modules}
    assert sorted(listed) == sorted(names | {"packtutor.figures"})


@pytest.mark.parametrize(
    "name", [n for n in packtutor.__all__ if n not in ("DOCS", "__version__")]
)
def test_each_name_says_when_not_to_use_it(name: str) -> None:
    docstring = inspect.getdoc(getattr(packtutor, name)) or ""
    assert "\nNot for:\n" in docstring
    assert "\nExample:\n    >>> " in docstring


def test_each_figure_says_when_not_to_use_it() -> None:
    functions = [
        member
        for name, member in inspect.getmembers(figures, inspect.isfunction)
        if member.__module__ == "packtutor.figures" and name[0] != "_"
    ]
    assert functions
    for function in functions:
        docstring = inspect.getdoc(function) or ""
        assert "\nNot for:\n" in docstring, function.__name__
        assert "\nExample:\n    >>> " in docstring, function.__name__


# --- shapes ---------------------------------------------------------------


def same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and not isinstance(one, PackedSequence):
        one = one[0]  # pad_packed_sequence gives lengths as well
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, PackedSequence):
        return all(map(torch.equal, one, other))
    return len(one) == len(other) and all(map(torch.equal, one, other))


def test_conversions_agree() -> None:
    seqs = [torch.tensor([7]), torch.tensor([2, 3, 4]), torch.tensor([5, 6])]
    lengths = torch.tensor([1, 3, 2])
    names = {
        "seqs": seqs,
        "lengths": lengths,
        "padded": pad_sequence(seqs, batch_first=True),
        "packed": pack_sequence(seqs, enforce_sorted=False),
        "mask": mask_from_lengths(lengths),
        "Ragged": Ragged,
        "pack_padded_sequence": pack_padded_sequence,
        "pack_sequence": pack_sequence,
        "pad_packed_sequence": pad_packed_sequence,
        "pad_sequence": pad_sequence,
        "unpack_sequence": unpack_sequence,
        "unpad_sequence": unpad_sequence,
        "lengths_from_mask": lengths_from_mask,
    }
    rows = table(page("shapes"), "From one layout to another")
    assert len(rows) == 8
    for _, target, by_torch, by_ragged in rows[:6]:
        theirs = eval(code(by_torch), names)
        ours = eval(code(by_ragged), names)
        assert same(theirs, ours), target
    mask = eval(code(rows[6][3]), {**globals(), **names})
    assert torch.equal(mask, torch.arange(3) < lengths[:, None])
    assert torch.equal(lengths_from_mask(names["mask"]), lengths)
    assert torch.equal(names["mask"].sum(1), lengths)


def test_letters_hold_on_the_docs() -> None:
    vocabulary = packtutor.Vocabulary.from_texts(packtutor.DOCS)
    lengths = [len(vocabulary.encode(doc)) for doc in packtutor.DOCS]
    values = {row[0]: row[2] for row in table(page("shapes"), "Letters")}
    assert values["B"] == str(len(lengths))
    assert values["T"] == str(max(lengths))
    assert values["L_i"] == ", ".join(map(str, lengths))
    assert values["N"] == str(sum(lengths))
    assert values["V"] == str(len(vocabulary))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("projection", [0, 2])
def test_shapes_of_an_lstm(
    layers: int, directions: int, projection: int
) -> None:
    lstm = torch.nn.LSTM(
        10,
        5,
        num_layers=layers,
        bidirectional=directions == 2,
        proj_size=projection,
        batch_first=True,
        dtype=torch.float64,
    )
    size = projection or 5
    x = torch.zeros(6, 10, dtype=torch.float64)
    packed = Ragged(x, [3, 2, 1]).to_packed()
    padded = Ragged(x, [3, 2, 1]).to_padded()
    for data in (packed, padded):
        output, (h_n, c_n) = lstm(data)
        if data is packed:
            assert tuple(output.data.shape) == (6, directions * size)
        else:
            assert tuple(output.shape) == (3, 3, directions * size)
        assert tuple(h_n.shape) == (layers * directions, 3, size)
        assert tuple(c_n.shape) == (layers * directions, 3, 5)
    split = h_n.view(layers, directions, 3, size)
    assert torch.equal(split[-1, -1], h_n[-1])
    assert torch.equal(split[-1, 0], h_n[-directions])


def test_fields_of_a_packed_sequence() -> None:
    rows = table(page("shapes"), "The four fields of a PackedSequence")
    assert [code(row[0]) for row in rows] == list(PackedSequence._fields)
    packed = pack_sequence(
        [torch.zeros(2, 4), torch.zeros(3, 4)], enforce_sorted=False
    )
    for name, shape in {
        "batch_sizes": (3,),
        "sorted_indices": (2,),
        "unsorted_indices": (2,),
    }.items():
        field = getattr(packed, name)
        assert field.dtype == torch.int64
        assert tuple(field.shape) == shape
    assert pack_sequence([torch.zeros(2)]).sorted_indices is None


# --- front page, README, corrections --------------------------------------


def test_front_page_lists_the_chapters_by_their_titles() -> None:
    text = page("index")
    for path in CHAPTERS:
        title = sections(read(path))[0].heading
        number = int(path.stem[:2])
        # The walk-through is numbered; what follows it is read in any order.
        name = f"{number} {title}" if number <= 5 else title
        assert f"[{name}]({path.name})" in text


def test_the_commands_print_what_the_readme_shows() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(
        r"```\n\$ (?:\.venv/bin/)?packtutor (.*)\n((?:.*\n)+?)```", text
    )
    assert [line.split()[0] for line, _ in blocks] == ["explain", "report"]
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    for line, shown in blocks:
        run = subprocess.run(
            [sys.executable, "-m", "packtutor", *shlex.split(line)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=True,
            cwd=ROOT,
            env=environment,
        )
        assert run.stdout == shown


def test_correction_rows_name_chapters_that_exist() -> None:
    numbers = {int(path.stem[:2]) for path in CHAPTERS}
    rows = [r for r in page("corrections").splitlines() if "`test_" in r]
    assert len(rows) == 14
    for row in rows:
        assert int(row.strip("| ").split("|")[-1]) in numbers


def test_code_in_the_readme_runs() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    assert len(blocks) == 1
    for block in blocks:
        exec(block, {})


def test_picture_shows_what_explain_draws(tmp_path: Path) -> None:
    """The committed picture is the one that the command draws today."""
    drawn = tmp_path / "layouts.png"
    assert main(["explain", *packtutor.DOCS, "--figure", str(drawn)]) == 0
    kept = plt.imread(BOOK / "assets" / "layouts.png")
    fresh = plt.imread(drawn)
    # Fonts are measured a little differently from version to version.
    for new, old in zip(fresh.shape, kept.shape, strict=True):
        assert abs(new - old) < 0.02 * old
    if fresh.shape == kept.shape:
        assert float(abs(fresh - kept).mean()) < 0.02
