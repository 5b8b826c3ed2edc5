"""Hold the pages without cells to the package and to PyTorch."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
import torch
from notebooks import BOOK, CHAPTERS, ROOT, read, sections, slug
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
    names |= {f"packtutor.pooling.{name}" for name in ("last", "max", "mean")}
    names |= {"packtutor.batching.LabelledBatch", "packtutor.figures"}
    assert sorted(listed) == sorted(names)


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
        if one.is_nested:
            return same(list(one.unbind()), list(other.unbind()))
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
        "nested": torch.nested.as_nested_tensor(seqs, layout=torch.jagged),
        "mask": mask_from_lengths(lengths),
        "torch": torch,
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
    assert len(rows) == 14
    for _, target, by_torch, by_ragged in rows[:12]:
        theirs = eval(code(by_torch), names)
        ours = eval(code(by_ragged), names)
        assert same(theirs, ours), target
    mask = eval(code(rows[12][3]), {**globals(), **names})
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


# --- cheat sheet ----------------------------------------------------------


def cheat_sheet_names() -> dict[str, Any]:
    """What the lines of the cheat sheet start from."""
    torch.manual_seed(0)
    kind: Any = {"batch_first": True}
    model = torch.nn.Module()
    model.embedding = torch.nn.Embedding(9, 4)
    model.lstm = torch.nn.LSTM(4, 6, **kind)

    def forward(ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        x = pack_padded_sequence(
            model.embedding(ids), lengths, enforce_sorted=False, **kind
        )
        states: torch.Tensor = model.lstm(x)[1][0][-1]
        return states

    model.forward = forward
    return {
        "torch": torch,
        "seqs": [torch.tensor(s) for s in ([7, 8], [2, 3, 4, 5], [6])],
        "B": 3,
        "embedding": model.embedding,
        "lstm": model.lstm,
        "lstm_of_two_directions": torch.nn.LSTM(
            4, 6, bidirectional=True, **kind
        ),
        "attention": torch.nn.MultiheadAttention(4, 2, **kind),
        "scores": torch.rand(3, 4, 9),
        "labels": torch.tensor([[7, 8, 0, 0], [2, 3, 4, 5], [6, 0, 0, 0]]),
        "model": model,
        "cross_entropy": torch.nn.functional.cross_entropy,
        "DataLoader": torch.utils.data.DataLoader,
        "PackedSequence": PackedSequence,
        "pooling": packtutor.pooling,
        "convert": packtutor.nn.convert,
        **{name: getattr(packtutor, name) for name in packtutor.__all__},
        **{
            call.__name__: call
            for call in (
                pack_padded_sequence,
                pack_sequence,
                pad_packed_sequence,
                pad_sequence,
            )
        },
    }


@pytest.fixture
def walked() -> dict[str, Any]:
    """The names after all lines of the two paths, each with its shapes."""
    names = cheat_sheet_names()
    letters = {"B": 3, "T": 4, "N": 7, "E": 4, "H": 6}
    for library, count in (("PyTorch", 8), ("packtutor", 11)):
        rows = table(page("cheat_sheet"), f"The path with {library}")
        assert len(rows) == count
        for line, gives in rows:
            exec(code(line), names)
            for listed, shape in re.findall(
                r"([a-z_.]+(?:, [a-z_.]+)*) (\([^)]*\))", gives
            ):
                for name in listed.split(", "):
                    found = tuple(eval(name, names).shape)
                    assert found == eval(shape, letters), line
    return names


def test_cheat_sheet_layouts_are_one_batch(walked: dict[str, Any]) -> None:
    rows = table(page("cheat_sheet"), "Four layouts of one batch")
    assert [row[0] for row in rows] == ["list", "padded", "packed", "nested"]
    for *_, by_torch, by_ragged in rows:
        theirs = eval(code(by_torch), walked)
        assert same(theirs, eval(code(by_ragged), walked))


def test_cheat_sheet_paths_lead_to_the_same(walked: dict[str, Any]) -> None:
    assert torch.equal(walked["mask"], walked["real"])
    assert torch.allclose(walked["h"], walked["h_n"], atol=1e-6)
    assert torch.allclose(walked["c"], walked["c_n"], atol=1e-6)
    output = walked["output"]
    assert not output[~walked["mask"]].any()
    assert torch.allclose(
        walked["result"].to_padded(), output, rtol=0, atol=1e-6
    )
    assert walked["share"] == 5 / 12
    assert walked["found"] == []
    assert type(walked["model"].lstm) is packtutor.nn.LSTM
    batches = list(walked["loader"])
    assert sum(map(len, batches)) == 3
    assert all(len(b) * b.max_length <= 8 for b in batches)
    with pytest.raises(ValueError, match="batch_sizes"):
        packtutor.check_packed(
            PackedSequence(torch.zeros(3), torch.tensor([1, 2]))
        )


def test_cheat_sheet_repairs_are_right(walked: dict[str, Any]) -> None:
    heading = "The most costly mistakes: no error, wrong numbers"
    rows = table(page("cheat_sheet"), heading)
    assert len(rows) == 8
    wrong, right = (
        [eval(code(row[column]), walked) for row in rows] for column in (1, 2)
    )
    lstm, embedding = walked["lstm"], walked["embedding"]
    alone = [embedding(seq) for seq in walked["seqs"]]  # (L_i, E) each
    outputs = [lstm(x)[0] for x in alone]
    both = [walked["lstm_of_two_directions"](x)[1][0] for x in alone]
    mask, scores = walked["mask"], walked["scores"]
    attended = [walked["attention"](x, x, x)[0] for x in alone]
    losses = -scores.log_softmax(-1).gather(2, walked["labels"][:, :, None])
    expected = [
        torch.stack([output[-1] for output in outputs])[None],
        torch.stack([output[-1] for output in outputs]),
        torch.stack([h_n.flatten() for h_n in both]),
        torch.stack([h_n.flatten() for h_n in both]),
        outputs,
        torch.stack([output.mean(0) for output in outputs]),
        attended,
        losses[mask].mean(),
    ]

    def rows_of(result: Any) -> torch.Tensor:
        """A result by sequence, or by word where the truth has words."""
        if isinstance(result, PackedSequence) or result.shape[:2] == (3, 4):
            result = torch.cat(real(result, walked["lengths"]))
        return result

    for row, *runs in zip(rows, wrong, right, expected, strict=True):
        truth = runs.pop()
        truth = torch.cat(truth) if isinstance(truth, list) else truth
        bad, good = map(rows_of, runs)
        assert torch.allclose(good, truth, rtol=0, atol=1e-6), row[0]
        fits = bad.shape == truth.shape
        assert not (fits and torch.allclose(bad, truth, atol=1e-3)), row[0]


def test_cheat_sheet_leads_to_sections_that_exist() -> None:
    links = re.findall(r"\]\((\S+?\.ipynb)#([^)]+)\)", page("cheat_sheet"))
    assert len(links) == 8
    for name, anchor in links:
        headings = [slug(s.heading) for s in sections(read(BOOK / name))]
        assert headings.count(anchor) == 1


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
    assert len(blocks) == 2
    for block in blocks:
        exec(block, {})


def test_the_changed_model_gives_what_the_page_says() -> None:
    blocks = re.findall(r"```python\n(.*?)```", page("change"), flags=re.S)
    assert len(blocks) == 6
    for seed in range(3):
        torch.manual_seed(seed)
        exec("\n".join(blocks), {})


def test_timings_of_the_changed_model_are_those_that_were_measured() -> None:
    path = ROOT / "benchmarks" / "results" / "recurrence.json"
    measured = json.loads(path.read_text(encoding="utf-8"))
    cases = {(row["case"], row["run"]): row for row in measured["cases"]}
    case = {
        "32, even to ": "uniform, B=32",
        "64, skewed to ": "log-normal, B=64",
    }
    rows = table(page("change"), "Will it help?")
    assert len(rows) == 4
    for lengths, run, *times in rows:
        kind, longest = re.fullmatch(r"(.+ )(\d+)", lengths).groups()
        row = cases[f"LSTM, 2 x 2, {case[kind]}", run]
        assert int(longest) == row["T"]
        ways = "torch padded", "torch packed", "run_rnn packed"
        assert times == [f"{row['ways'][way]['ms']:.1f}" for way in ways]
        assert not row["ways"]["torch padded"]["right"]
    about = measured["about"]
    version = about["versions"]["torch"].partition("+")[0]
    threads = about["machine"]["threads"]
    assert f"{threads} threads of one CPU with torch {version}" in page(
        "change"
    )


def test_timings_in_the_readme_are_those_that_were_measured() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", text, re.M)
    assert len(rows) == 4
    path = ROOT / "benchmarks" / "results" / "growth.json"
    growth = json.loads(path.read_text(encoding="utf-8"))
    ms = {(row["way"], row["T"]): row["ms"] for row in growth["cases"]}
    for steps, torch_ms, own_ms in rows:
        length = int(steps.replace(",", ""))
        assert torch_ms == f"{ms['torch packed', length]:,.0f}"
        assert own_ms == f"{ms['run_rnn packed', length]:,.0f}"
    about = growth["about"]
    version = about["versions"]["torch"].partition("+")[0]
    assert f"torch {version} on {about['machine']['threads']} CPU" in text


def test_accuracies_in_the_readme_are_those_that_were_measured() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    path = ROOT / "benchmarks" / "results" / "training.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    base = found["baselines"]
    wanted = (
        found["accuracy"]["run_rnn, budgeted"]["mean"],
        base["majority"],
        base["bag_of_words"],
        *found["control_accuracy"],
    )
    said = re.search(
        r"About (0\.\d\d) of .* kind gives (0\.\d\d); .* gives (0\.\d\d), "
        r".* it stays at (0\.\d\d)\.",
        text,
    )
    assert said
    assert list(said.groups()) == [f"{value:.2f}" for value in wanted]


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


# --- choose ---------------------------------------------------------------


def test_the_picture_and_the_table_name_the_same_ways() -> None:
    cells = [row[1] for row in table(page("choose"), "The ways")]
    named = [cell.partition(".** ")[0].removeprefix("**") for cell in cells]
    listed = list(dict.fromkeys(named))  # two rows may share a way
    boxes = [text.get_text() for text in figures.draw_choices().axes[0].texts]
    plt.close("all")
    assert [text for text in boxes if text in listed] == listed
    assert boxes.count("yes") == boxes.count("no") == len(listed) - 1 == 7
    ways = [row[0] for row in table(page("choose"), "In code")]
    shown = [way for way in ways if not way.startswith("the same, ")]
    assert shown == listed


def test_each_way_is_shown_in_a_section_that_asserts() -> None:
    links = re.findall(r"\]\((\S+?\.ipynb)#([^)]+)\)", page("choose"))
    assert len(links) == 20
    for name, anchor in links:
        found = [
            section
            for section in sections(read(BOOK / name))
            if slug(section.heading) == anchor
        ]
        assert len(found) == 1, anchor
        assert any("assert" in cell.source for cell in found[0].code), anchor


def real(result: Any, lengths: torch.Tensor) -> list[torch.Tensor]:
    """The rows of each sequence in a result of any layout."""
    if isinstance(result, tuple) and not isinstance(result, PackedSequence):
        result = result[0]
    if isinstance(result, PackedSequence):
        result = Ragged.from_packed(result)
    elif isinstance(result, torch.Tensor) and result.is_nested:
        result = result.transpose(1, 2).flatten(-2).unbind()
    elif isinstance(result, torch.Tensor):
        result = Ragged.from_padded(result, lengths)
    return list(result)


def test_each_way_gives_what_each_document_gives_alone() -> None:
    torch.manual_seed(0)
    kind: Any = {"dtype": torch.float64}
    lengths = torch.tensor([3, 1, 2])
    batch = Ragged(torch.rand(6, 4, **kind), lengths)
    lstm = torch.nn.LSTM(4, 5, batch_first=True, **kind)
    linear = torch.nn.Linear(4, 3, **kind)
    conv = torch.nn.Conv1d(4, 3, 3, padding="same", **kind)
    attention = torch.nn.MultiheadAttention(4, 2, batch_first=True, **kind)
    attend = torch.nn.functional.scaled_dot_product_attention
    nested = batch.to_nested()
    padded = batch.to_padded()
    mask = mask_from_lengths(lengths)
    padded[~mask] = 7.0  # what a layer before may have left there
    names = {
        "torch": torch,
        "of_one_length": [batch[0], batch[0]],
        "batch": batch,
        "packed": batch.to_packed(),
        "padded": padded,
        "mask": mask,
        "lengths": lengths,
        "heads": nested.unflatten(-1, (2, -1)).transpose(1, 2),
        "lstm": lstm,
        "linear": linear,
        "conv": conv,
        "attention": attention,
        "run_rnn": packtutor.run_rnn,
        "scaled_dot_product_attention": attend,
    }

    def alone(seq: torch.Tensor, way: str) -> torch.Tensor:
        parts = seq.unflatten(-1, (2, -1)).transpose(0, 1)
        runs = {
            "linear": lambda: linear(seq),
            "conv": lambda: conv(seq.mT).mT,
            "scaled": lambda: (
                attend(parts, parts, parts).transpose(0, 1).flatten(1)
            ),
            "attention": lambda: attention(seq, seq, seq)[0],
            "lstm": lambda: lstm(seq)[0],
        }
        run: Any = next(run for name, run in runs.items() if name in way)
        output: torch.Tensor = run()
        return output

    rows = table(page("choose"), "In code")
    assert len(rows) == 10
    for way, cell in rows:
        expression = code(cell)
        with warnings.catch_warnings():
            # PyTorch says that its nested tensors are a prototype.
            warnings.simplefilter("ignore", UserWarning)
            result = eval(expression, names)
        expected = [alone(seq, expression) for seq in batch]
        if way == "Stack them":
            assert all(
                torch.allclose(row, expected[0], rtol=0, atol=1e-12)
                for row in result[0]
            )
            continue
        if way == "Pad, and keep the lengths":
            result = [row[None] for row in result]
            expected = [output[-1:] for output in expected]
        else:
            result = real(result, lengths)
        for one, other in zip(result, expected, strict=True):
            assert torch.allclose(one, other, rtol=0, atol=1e-12), way
    for unmasked in (conv(padded.mT).mT, attention(padded, padded, padded)):
        rows_of = real(unmasked, lengths)
        name = "conv" if rows_of[0].shape[1] == 3 else "attention"
        assert not torch.allclose(rows_of[1], alone(batch[1], name))


def test_batch_norm_on_the_values_counts_no_pad() -> None:
    torch.manual_seed(0)
    norm = torch.nn.BatchNorm1d(4, dtype=torch.float64)
    batch = Ragged(torch.rand(6, 4, dtype=torch.float64), [3, 1, 2])
    on_values = batch.apply(norm).values
    var, mean = torch.var_mean(batch.values, 0, correction=0)
    wanted = (batch.values - mean) / (var + norm.eps).sqrt()
    assert torch.allclose(on_values, wanted)
    padded = norm(batch.to_padded().mT).mT[mask_from_lengths(batch.lengths)]
    assert not torch.allclose(padded, wanted, atol=0.1)


def test_run_rnn_takes_the_ways_that_need_it() -> None:
    lstm = torch.nn.LSTM(4, 5, dtype=torch.float64)
    values = torch.rand(4, 4, dtype=torch.float64)
    batch = Ragged(values, [3, 0, 1])
    for given in (batch, batch.to_nested()):
        _, (h_n, _) = packtutor.run_rnn(lstm, given)
        assert not h_n[0, 1].any()
        assert torch.allclose(h_n[0, 2], lstm(values[3:])[1][0][0])


def test_picture_of_the_choices_is_the_one_drawn_today(tmp_path: Path) -> None:
    drawn = tmp_path / "choose.png"
    drawn.write_bytes(figures.choices_png())
    kept, fresh = plt.imread(BOOK / "assets" / "choose.png"), plt.imread(drawn)
    for new, old in zip(fresh.shape, kept.shape, strict=True):
        assert abs(new - old) < 0.02 * old
    if fresh.shape == kept.shape:
        assert float(abs(fresh - kept).mean()) < 0.02
