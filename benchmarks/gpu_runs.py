"""Recurrent networks on a GPU: padded, packed, run_rnn, and slabs by force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from benchmarks.cases import Case
from benchmarks.gpu_cases import ALLOWED, FRESH
from benchmarks.gpu_slabs import SHARES, Placed, forced_slabs, place
from benchmarks.layouts import Layout
from benchmarks.recurrence import differences
from benchmarks.stopwatch import measure_on
from benchmarks.timing import Samples, ratio
from packtutor import Ragged, run_rnn
from packtutor.device import make_fast


def measure_run(
    case: Case,
    precision: str,
    *,
    training: bool,
    device: torch.device,
    budget_s: float,
) -> dict[str, Any]:
    """Compare all ways of a case, then time them in turns."""
    make_fast("tf32" if precision == "tf32" else "ieee")
    dtype = precision if precision.endswith("16") else "float32"
    network = replace(case, dtype=dtype).network().to(device)
    network.flatten_parameters()
    ways = make_ways(network, place(case.lengths, device), training=training)
    answers = {name: answer(step(0)) for name, (step, answer) in ways.items()}
    worst = _worst(answers, mixed=case.mixed, both=case.bidirectional)
    del answers
    samples = measure_on(
        device,
        {name: step for name, (step, _) in ways.items()},
        budget_s=budget_s,
    )
    return {
        "ways": {name: found.describe() for name, found in samples.items()},
        "rounds": len(samples["torch packed"].ms),
        "worst_difference": worst,
        "share_of_allowed": worst / ALLOWED[precision],
        "ratios": _ratios(samples, case),
    }


def make_ways(
    network: nn.RNNBase, batch: Placed, *, training: bool
) -> dict[str, tuple[Callable[[int], Any], Callable[[Any], Any]]]:
    """Return each way as a step of a numbered input, and how to read it."""

    def packed(rows: Tensor, run: Callable[..., Any]) -> tuple[Tensor, Any]:
        output, states = run(PackedSequence(rows, *batch.packing[1:]))
        return output.data, states

    def padded(rows: Tensor) -> tuple[Tensor, Any]:
        output, states = network(rows.view(batch.steps, -1, rows.shape[1]))
        return output.flatten(0, 1), states

    def ragged(rows: Tensor) -> tuple[Tensor, Any]:
        output, states = run_rnn(network, Ragged(rows, batch.lengths))
        return output.values, states

    runs: dict[str, tuple[str, Callable[[Tensor], tuple[Tensor, Any]]]] = {
        "torch packed": ("packed", lambda rows: packed(rows, network)),
        "torch padded": ("padded", padded),
        "run_rnn packed": (
            "packed",
            lambda rows: packed(rows, lambda given: run_rnn(network, given)),
        ),
        "run_rnn ragged": ("sequence", ragged),
    }
    simple = network.num_layers == 1 and not network.bidirectional
    # What shuts a pad off is larger than the largest float16.
    half = network.weight_hh_l0.dtype == torch.float16
    if network.mode == "LSTM" and simple and not half:
        for share in SHARES:
            run = forced_slabs(network, batch, share)
            runs[f"slabs at {share}"] = "packed", run
    tokens, device = sum(batch.lengths), network.weight_hh_l0.device
    generator = torch.Generator(device).manual_seed(1)
    given = {
        "generator": generator,
        "device": device,
        "dtype": network.weight_hh_l0.dtype,
    }
    drawn = [
        torch.randn(tokens, network.input_size, **given) for _ in range(FRESH)
    ]
    width = network.hidden_size * (2 if network.bidirectional else 1)
    weighting = torch.randn(tokens, width, **given)
    return {
        name: _way(
            network,
            run,
            batch.layouts[layout],
            drawn,
            weighting if training else None,
        )
        for name, (layout, run) in runs.items()
    }


def _way(
    network: nn.RNNBase,
    run: Callable[[Tensor], tuple[Tensor, Any]],
    layout: Layout,
    drawn: list[Tensor],
    weighting: Tensor | None,
) -> tuple[Callable[[int], Any], Callable[[Any], Any]]:
    inputs = [layout.write(values) for values in drawn]
    weights = list(network.parameters())
    if weighting is None:

        def step(number: int) -> Any:
            with torch.no_grad():
                return *run(inputs[number % FRESH]), ()
    else:
        gradient = layout.write(weighting)

        def step(number: int) -> Any:
            rows = inputs[number % FRESH].requires_grad_()
            output, states = run(rows)
            loss = (output * gradient).sum()
            found = torch.autograd.grad(loss, [rows, *weights])
            return output, states, found

    def answer(returned: Any) -> dict[str, Tensor]:
        output, states, gradients = returned
        found = {
            "outputs": layout.read(output.detach()),
            "h_n": (states[0] if network.mode == "LSTM" else states).detach(),
        }
        if gradients:
            found["input_gradients"] = layout.read(gradients[0])
            flat = [one.flatten() for one in gradients[1:]]
            found["weight_gradients"] = torch.cat(flat)
        return found

    return step, answer


def _worst(
    answers: dict[str, dict[str, Tensor]], *, mixed: bool, both: bool
) -> float:
    """Return the largest difference from torch packed of what must agree."""
    expected = answers["torch packed"]
    if mixed:
        del answers["torch padded"]["h_n"]
        if both:
            del answers["torch padded"]
    return max(
        difference
        for answer in answers.values()
        for difference in differences(answer, expected).values()
    )


def _ratios(samples: dict[str, Samples], case: Case) -> dict[str, float]:
    packed, padded = samples["torch packed"], samples["torch padded"]
    wrong = case.mixed and case.bidirectional
    best = packed
    if not wrong and padded.median_ms < packed.median_ms:
        best = padded
    found = {
        "padded_to_packed": ratio(padded, packed),
        "run_rnn_to_best": ratio(samples["run_rnn packed"], best),
        "ragged_to_best": ratio(samples["run_rnn ragged"], best),
    }
    slabs = [name for name in samples if name.startswith("slabs")]
    if slabs:
        found["slabs_to_packed"] = min(
            ratio(samples[name], packed) for name in slabs
        )
    return found
