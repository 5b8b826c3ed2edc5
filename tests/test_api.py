"""What the package promises as a whole: names, docstrings, memory."""

import inspect
import pathlib
import re
import subprocess
import sys
import typing

import pytest
import torch
from strategies import make_floats
from torch.nn.utils.rnn import pack_sequence, pad_sequence
from torch.utils._python_dispatch import TorchDispatchMode

import packtutor
from packtutor import Ragged, lengths_from_mask, mask_from_lengths

PUBLIC = [
    "DOCS",
    "BucketBatchSampler",
    "Cost",
    "CostComparison",
    "NextTokens",
    "Paragraph",
    "Plan",
    "Ragged",
    "Violation",
    "Vocabulary",
    "__version__",
    "check_model",
    "check_packed",
    "collate",
    "dot_cost",
    "lengths_from_mask",
    "make_repeatable",
    "mask_from_lengths",
    "next_tokens",
    "one_by_one",
    "padding_fraction",
    "pick_device",
    "plan_run",
    "python_help_paragraphs",
    "python_help_texts",
    "rnn_cost",
    "run_rnn",
    "tokenize",
]
MEMBERS = {
    "BucketBatchSampler": [
        "load_state_dict",
        "repeated",
        "set_epoch",
        "state_dict",
    ],
    "Cost": ["additions", "multiplications"],
    "CostComparison": ["packed", "padded", "saved_fraction"],
    "NextTokens": ["inputs", "targets"],
    "Paragraph": ["kind", "source", "text"],
    "Plan": [
        "cells",
        "padding_fraction",
        "route",
        "slabs",
        "time_ms",
        "tokens",
    ],
    "Ragged": [
        "apply",
        "cat",
        "from_list",
        "from_nested",
        "from_packed",
        "from_padded",
        "index_select",
        "lengths",
        "max_length",
        "offsets",
        "pin_memory",
        "reverse",
        "to",
        "to_list",
        "to_nested",
        "to_packed",
        "to_padded",
        "values",
    ],
    "Vocabulary": ["decode", "encode", "from_texts", "pad_id", "unk_id"],
}


def test_the_public_names():
    assert sorted(packtutor.__all__) == sorted(PUBLIC)
    for name in PUBLIC:
        assert hasattr(packtutor, name)


@pytest.mark.parametrize("name", MEMBERS)
def test_the_public_members(name):
    tuples = ("Cost", "Next", "Pa", "Plan")
    inherited = dir(tuple) if name.startswith(tuples) else []
    members = [
        member
        for member in dir(getattr(packtutor, name))
        if not member.startswith("_") and member not in inherited
    ]
    assert members == MEMBERS[name]


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (packtutor.tokenize, "(text)"),
        (packtutor.Vocabulary.from_texts, "(texts, *, min_count=1)"),
        (Ragged, "(values, lengths)"),
        (
            Ragged.from_padded,
            "(padded, lengths, *, batch_first=True, padding_side='right')",
        ),
        (
            Ragged.to_padded,
            (
                "(self, *, batch_first=True, padding_value=0, "
                "padding_side='right', total_length=None)"
            ),
        ),
        (
            mask_from_lengths,
            (
                "(lengths, total_length=None, *, padding_side='right', "
                "device=None)"
            ),
        ),
        (lengths_from_mask, "(mask)"),
        (packtutor.check_model, "(fn, batch)"),
        (packtutor.check_packed, "(packed)"),
        (packtutor.padding_fraction, "(lengths, batch_size=None)"),
        (packtutor.dot_cost, "(lengths, *, columns=1)"),
        (packtutor.rnn_cost, "(rnn, lengths, *, elementwise=True)"),
        (packtutor.one_by_one, "(rnn, batch, hx=None)"),
        (packtutor.run_rnn, "(rnn, batch, hx=None, *, plan=None)"),
        (
            packtutor.plan_run,
            "(rnn, lengths, *, training=False, device=None, dtype=None)",
        ),
        (packtutor.nn.convert, "(module)"),
        (
            packtutor.BucketBatchSampler,
            (
                "(lengths, *, max_cells, measure='padded', oversize='alone', "
                "shuffle=True, seed=0, num_replicas=None, rank=None)"
            ),
        ),
        (
            packtutor.BucketBatchSampler.state_dict,
            "(self, batches_done)",
        ),
        (packtutor.collate, "(samples)"),
        (packtutor.next_tokens, "(batch)"),
        (packtutor.pooling.last, "(batch, h_n)"),
        (packtutor.pooling.mean, "(batch)"),
        (packtutor.pooling.max, "(batch)"),
        (packtutor.pick_device, "(name=None)"),
        (packtutor.make_repeatable, "(seed=0)"),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_the_signatures(function, signature):
    found = inspect.signature(function)
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in found.parameters.values()
    ]
    found = found.replace(
        parameters=bare, return_annotation=inspect.Signature.empty
    )
    assert str(found) == signature


def public_functions():
    """Yield the name and the function of all that can be called or read."""
    for name in packtutor.__all__:
        found = getattr(packtutor, name)
        if inspect.isfunction(found):
            yield name, found
        for member in MEMBERS.get(name, []):
            inner = inspect.getattr_static(found, member)
            inner = getattr(inner, "__func__", getattr(inner, "fget", inner))
            if inspect.isfunction(inner):
                yield f"{name}.{member}", inner
    for name in ("last", "max", "mean"):
        yield f"pooling.{name}", getattr(packtutor.pooling, name)


FUNCTIONS = dict(public_functions())


def sections(documented):
    return set(re.findall(r"^(\w[\w ]*):$", inspect.getdoc(documented), re.M))


def test_there_are_functions_to_look_at():
    assert len(FUNCTIONS) > 25
    assert "Ragged.to_padded" in FUNCTIONS
    assert "CostComparison.saved_fraction" in FUNCTIONS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_documented(name):
    function = FUNCTIONS[name]
    found = sections(function)
    first_line, second_line = (inspect.getdoc(function) + "\n").split("\n")[:2]
    assert first_line.endswith(".")
    assert not second_line
    assert "Cost" in found
    # Pinning needs an accelerator, so a doctest cannot run it.
    assert "Example" in found or name == "Ragged.pin_memory"
    parameters = [
        parameter
        for parameter in inspect.signature(function).parameters
        if parameter not in ("self", "cls")
    ]
    # to() hands on what torch.Tensor.to takes, and its errors.
    if parameters:
        assert "Args" in found
        assert "Raises" in found or name == "Ragged.to"
    hints = typing.get_type_hints(function)
    if torch.Tensor in hints.values() and name != "Vocabulary.decode":
        assert "Shapes" in found


@pytest.mark.parametrize(
    "name", [name for name in MEMBERS if name != "Ragged"]
)
def test_every_class_is_documented(name):
    assert "Example" in sections(getattr(packtutor, name))


@pytest.mark.parametrize("name", ["BucketBatchSampler", "Ragged"])
def test_what_a_user_makes_is_documented(name):
    expected = {"Args", "Shapes", "Raises", "Example", "Cost", "Source"}
    assert expected <= sections(getattr(packtutor, name))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_hint_can_be_resolved(name):
    hints = typing.get_type_hints(FUNCTIONS[name])
    assert "return" in hints


def test_the_version_is_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+", packtutor.__version__)


def test_torch_is_all_that_is_needed():
    code = """
import sys, warnings

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numpy", "matplotlib", "tqdm"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocker())
# PyTorch itself says that it misses NumPy.
warnings.filterwarnings("ignore", "Failed to initialize NumPy")
import torch
warnings.simplefilter("error")
from packtutor import *
from packtutor import pooling
batch = Ragged.from_list([torch.arange(3.0), torch.arange(2.0)])
batch = Ragged.from_packed(batch.to_packed())
padded = batch.to_padded(padding_value=-1.0)
assert Ragged.from_padded(padded, [3, 2]).values.tolist() == [0, 1, 2, 0, 1]
assert mask_from_lengths([3, 2]).sum() == 5
lstm = torch.nn.LSTM(1, 2)
assert pooling.max(batch).tolist() == [2, 1]
assert pooling.mean(batch).tolist() == [1, 0.5]
assert len(list(BucketBatchSampler([3, 2, 1], max_cells=4))) == 2
assert collate([(batch[0], 1)]).labels.tolist() == [1]
batch = batch.apply(lambda x: x[:, None])
one_by_one(lstm, batch)
run_rnn(lstm, batch)
assert rnn_cost(lstm, [3, 2]).saved_fraction
assert Vocabulary.from_texts(DOCS).decode([2]) == ["on"]
print(sorted({name.partition(".")[0] for name in sys.modules}
             & {"numpy", "matplotlib", "tqdm"}))
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert run.stderr == ""
    assert run.stdout.strip() == "[]"


def test_figures_stay_out_of_the_package():
    folder = pathlib.Path(packtutor.__file__).parent
    drawing = (
        "figures.py",
        "_charts.py",
        "_choices.py",
        "_directions.py",
        "_drawing.py",
        "_four.py",
        "_layouts.py",
        "_padded.py",
        "_pictures.py",
        "_stepped.py",
        "_strips.py",
    )
    for path in folder.glob("*.py"):
        if path.name not in (*drawing, "__main__.py"):
            text = path.read_text("utf-8")
            assert not re.search(
                r"^\s*(import|from) (numpy|matplotlib)", text, re.M
            )


class Counter(TorchDispatchMode):
    """Counts what PyTorch runs, and the largest tensor that is new."""

    def __init__(self, *known):
        super().__init__()
        self.known = {t.untyped_storage().data_ptr() for t in known}
        self.operations = []
        self.largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.operations.append(str(function))
        outputs = result if isinstance(result, (list, tuple)) else [result]
        for output in outputs:
            # A nested tensor has no storage of its own.
            if isinstance(output, torch.Tensor) and not output.is_nested:
                new = output.untyped_storage().data_ptr() not in self.known
                if new:
                    self.largest = max(self.largest, output.numel())
        return result


def layouts(sizes, trailing=()):
    values = make_floats(sum(sizes), *trailing)
    seqs = list(values.split(sizes))
    return {
        "values": values,
        "seqs": seqs,
        "padded": pad_sequence(seqs, batch_first=True),
        "packed": pack_sequence(seqs, enforce_sorted=False),
        "longer": pack_sequence(
            [torch.cat([seq, seq[-1:]]) for seq in seqs], enforce_sorted=False
        ),
        "nested": Ragged(values, sizes).to_nested(),
        "batch": Ragged(values, sizes),
        "sizes": torch.tensor(sizes),
        "mask": mask_from_lengths(sizes),
    }


CONVERSIONS = {
    "constructor": lambda x: Ragged(x["values"], x["sizes"]),
    "from_list": lambda x: Ragged.from_list(x["seqs"]),
    "to_list": lambda x: x["batch"].to_list(),
    "from_padded": lambda x: Ragged.from_padded(x["padded"], x["sizes"]),
    "from_padded left": lambda x: Ragged.from_padded(
        x["padded"], x["sizes"], padding_side="left"
    ),
    "from_padded time first": lambda x: Ragged.from_padded(
        x["padded"].transpose(0, 1), x["sizes"], batch_first=False
    ),
    "to_padded": lambda x: x["batch"].to_padded(padding_side="left"),
    "from_packed": lambda x: Ragged.from_packed(x["packed"]),
    "from_nested": lambda x: Ragged.from_nested(x["nested"]),
    "to_nested": lambda x: x["batch"].to_nested(),
    "to_packed": lambda x: x["batch"].to_packed(),
    "item": lambda x: x["batch"][-1],
    "reverse": lambda x: x["batch"].reverse(),
    "index_select": lambda x: x["batch"].index_select(x["sizes"] * 0),
    "cat": lambda x: Ragged.cat([x["batch"], x["batch"]]),
    "offsets": lambda x: x["batch"].offsets,
    "check_packed": lambda x: packtutor.check_packed(x["packed"]),
    "mask": lambda x: mask_from_lengths(x["sizes"]),
    "lengths": lambda x: lengths_from_mask(x["mask"]),
    "padding": lambda x: packtutor.padding_fraction(x["sizes"], 10),
    "cost": lambda x: packtutor.dot_cost(x["sizes"]),
    "collate": lambda x: packtutor.collate(x["seqs"]),
    "next_tokens": lambda x: packtutor.next_tokens(x["batch"]),
    "next_tokens packed": lambda x: packtutor.next_tokens(x["longer"]),
    "mean": lambda x: packtutor.pooling.mean(x["batch"]),
    "max": lambda x: packtutor.pooling.max(x["batch"]),
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_no_loop_runs_over_sequences_or_steps(name):
    counted = []
    # Both beyond what is read as a list.
    for sequences, steps in ((100, 80), (200, 160)):
        sizes = [1 + i % steps for i in range(sequences)]
        sizes[3] = steps
        given = layouts(sizes)
        with Counter() as counter:
            CONVERSIONS[name](given)
        counted.append(len(counter.operations))
    assert counted[0] == counted[1] > 0


@pytest.mark.parametrize(
    "name",
    [
        "from_list",
        "to_list",
        "from_padded",
        "from_padded left",
        "from_padded time first",
        "from_packed",
        "to_packed",
        "from_nested",
        "to_nested",
        "item",
        "reverse",
        "index_select",
        "collate",
        "next_tokens",
        "next_tokens packed",
        "mean",
        "max",
    ],
)
def test_no_padded_tensor_is_built_on_the_way(name):
    # 1,099 tokens, and 100,000 cells.
    sizes = [1] * 99 + [1000]
    given = layouts(sizes, trailing=(4,))
    if name == "index_select":
        given["sizes"] += 99
    with Counter(given["padded"]) as counter:
        CONVERSIONS[name](given)
    assert 0 < counter.largest <= 4 * sum(sizes)


def test_a_padded_tensor_is_built_once():
    given = layouts([1] * 99 + [1000], trailing=(4,))
    with Counter() as counter:
        given["batch"].to_padded()
    assert counter.largest == 4 * 100 * 1000
    assert sum("new_full" in name for name in counter.operations) == 1


def test_what_a_batch_first_network_returns_is_not_copied():
    # nn.LSTM(batch_first=True) returns a transposed view.
    padded = make_floats(50, 20, 3).transpose(0, 1)
    sizes = [50] + [1] * 19
    with Counter(padded) as counter:
        batch = Ragged.from_padded(padded, sizes)
    assert counter.largest == 3 * sum(sizes)
    assert torch.equal(batch[0], padded[0])
