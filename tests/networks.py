"""Small recurrent networks of every kind, and ways to run them."""

import copy
from typing import NamedTuple

import torch
from hypothesis import strategies as st
from strategies import make_floats
from torch import nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from packtutor import Plan, Ragged
from packtutor._slabs import Slab

NETWORKS = {
    "tanh": (nn.RNN, {}),
    "relu": (nn.RNN, {"nonlinearity": "relu", "bidirectional": True}),
    "GRU": (nn.GRU, {}),
    "GRU deep": (nn.GRU, {"num_layers": 2, "bidirectional": True}),
    "GRU without bias": (nn.GRU, {"bias": False, "batch_first": True}),
    "LSTM": (nn.LSTM, {}),
    "LSTM batch first": (nn.LSTM, {"batch_first": True, "num_layers": 3}),
    "LSTM both ways": (nn.LSTM, {"bidirectional": True, "num_layers": 2}),
    "LSTM projected": (
        nn.LSTM,
        {"proj_size": 2, "bidirectional": True, "num_layers": 2},
    ),
}


# The kinds of cells, and what makes one of each.
KINDS = {
    "tanh": ("RNN", {}),
    "relu": ("RNN", {"nonlinearity": "relu"}),
    "GRU": ("GRU", {}),
    "LSTM": ("LSTM", {}),
    "projected": ("LSTM", {"proj_size": 1}),
}


class Network(NamedTuple):
    """A network that Hypothesis has drawn, as it can be shown and made."""

    cell: str
    options: dict
    seed: int

    def make(self, dtype=torch.float64, library=nn):
        torch.manual_seed(self.seed)
        cell = getattr(library, self.cell)
        return cell(dtype=torch.float64, **self.options).to(dtype)


def networks(kind, **fixed):
    """Draw networks of one kind, with any other options."""
    cell, extra = KINDS[kind]
    choices = {
        "input_size": st.integers(1, 4),
        # A projection must be smaller.
        "hidden_size": st.integers(2, 5),
        "num_layers": st.integers(1, 3),
        "bidirectional": st.booleans(),
        "bias": st.booleans(),
        "batch_first": st.booleans(),
    }
    drawn = {name: choices[name] for name in choices if name not in fixed}
    return st.builds(
        lambda options, seed: Network(cell, options | fixed | extra, seed),
        st.fixed_dictionaries(drawn),
        st.integers(0, 99),
    )


class Counting(nn.Module):
    """Counts its calls in one buffer, and in another that it assigns."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 3, dtype=torch.float64)
        self.register_buffer("written", torch.zeros(()))
        self.register_buffer("assigned", torch.zeros(()))

    def forward(self, x):
        self.written += 1
        self.assigned = self.assigned + 1
        return self.linear(x)


def make_network(name, device="cpu", dtype=torch.float64):
    torch.manual_seed(1)
    cell, options = NETWORKS[name]
    return cell(3, 4, dtype=torch.float64, **options).to(device, dtype)


def make_batch(sizes, device="cpu", dtype=torch.float64):
    values = make_floats(sum(sizes), 3, device=device, dtype=dtype)
    return Ragged(values, sizes)


def make_state(rnn, sequences, device="cpu", dtype=torch.float64):
    layers = rnn.num_layers * (2 if rnn.bidirectional else 1)
    kind = {"device": device, "dtype": dtype}
    size = rnn.proj_size or rnn.hidden_size
    h_0 = make_floats(layers, sequences, size, **kind)
    if rnn.mode != "LSTM":
        return h_0
    return h_0, make_floats(layers, sequences, rnn.hidden_size, seed=1, **kind)


def parts_of(state):
    return list(state) if isinstance(state, tuple) else [state]


def leaves_of(state):
    if isinstance(state, tuple):
        return tuple(leaves_of(part) for part in state)
    return state if state is None else state.detach().requires_grad_()


def run_packed(rnn, batch, hx=None):
    """PyTorch's own way: pack, run, unpack."""
    packed = pack_sequence(batch.to_list(), enforce_sorted=False)
    output, state = rnn(packed, hx)
    padded, sizes = pad_packed_sequence(output, batch_first=True)
    return Ragged.from_padded(padded, sizes), state


def gradients(run, rnn, batch, hx):
    """Return the results of a run, and all gradients of a mix of them."""
    rnn = copy.deepcopy(rnn)
    # cuDNN warns where the weights are not in one piece.
    rnn.flatten_parameters()
    batch, hx = batch.apply(leaves_of), leaves_of(hx)
    output, state = run(rnn, batch, hx)
    results = [output.values, *parts_of(state)]
    loss = sum(
        (result * make_floats(*result.shape, device=result.device)).sum()
        for result in results
    )
    sources = [batch.values, *rnn.parameters()]
    sources += [] if hx is None else parts_of(hx)
    return results, torch.autograd.grad(loss, sources)


def force(route, cuts, sizes):
    """Return a plan by hand that cuts before each of these steps."""
    sizes = [size for size in sizes if size]
    stops = [cut for cut in sorted({*cuts}) if 0 < cut < max(sizes)]
    slabs = [
        Slab(start, stop, sum(size > start for size in sizes))
        for start, stop in zip([0, *stops], [*stops, max(sizes)], strict=True)
    ]
    cells = sum((stop - start) * rows for start, stop, rows in slabs)
    tokens = sum(sizes)
    full = cells if route == "slabs" else tokens
    return Plan(route, tuple(slabs), tokens, full, 0.0)


def all_plans(rnn, sizes):
    """Return a plan for each route that there is, cut in several ways."""
    longest = max(sizes)
    cuts = {
        "whole": [],
        "each step": range(longest),
        "some": range(0, longest, 2),
        "at ends": sizes,
        "last step": [longest - 1],
    }
    plans = {
        "chosen": None,
        "torch": force("torch", [], sizes),
        "bptt": force("bptt", [], sizes),
    }
    for name, steps in cuts.items():
        if rnn.mode == "LSTM" and not rnn.proj_size:
            plans[f"slabs, {name}"] = force("slabs", steps, sizes)
    return plans


def few_plans(rnn, sizes):
    """Return a plan for each route, for what takes long."""
    wanted = ("torch", "bptt", "slabs, whole", "slabs, some")
    plans = all_plans(rnn, sizes)
    return {name: plans[name] for name in wanted if name in plans}
