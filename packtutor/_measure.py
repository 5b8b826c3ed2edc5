"""Time an LSTM over a few batches: padded, packed, and by ``run_rnn``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from packtutor._advice import Times
from packtutor._expected import count_bytes, expect
from packtutor.ragged import Ragged
from packtutor.recurrence import run_rnn

# Seconds that all takes, about; rounds at most; rounds there must be time for.
BUDGET, ROUNDS = 30.0, 10
_LEAST = 4

# The median of fewer rounds is that of what else the machine did.
SURE = 3

# One run may take so many bytes, which small machines have.
_MEMORY = 2**30

_WAYS = Times._fields


class Measured(NamedTuple):
    """What the clock said, and about what.

    Of ``all_batches``, some were ``drawn``, and ``batches`` of these timed in
    so many ``rounds``; the others would have taken too long. Packing was
    timed without the ``empty_sequences`` among them. The times are None where
    no batch was timed. ``scatter`` is the interquartile range of the rounds'
    times as a share of their median, of the way and the kind of run in which
    it is greatest; None where fewer than ``SURE`` rounds say nothing of it.
    """

    batches: int
    drawn: int
    all_batches: int
    rounds: int
    empty_sequences: int
    device: str
    threads: int
    forward: Times | None
    training: Times | None
    scatter: float | None


class Way(NamedTuple):
    """One way to run a batch: its features, the run, a gradient for it."""

    features: Tensor
    run: Callable[[], Tensor]
    gradient: Tensor


# Milliseconds of a forward run and of a training step, for each way.
_Pass = dict[str, tuple[float, float]]


def measure(
    drawn: list[Tensor],
    all_batches: int,
    input_size: int,
    hidden_size: int,
    device: torch.device,
    *,
    clock: Callable[[], float] = time.perf_counter,
    on_batch: Callable[[int], object] = int,
) -> Measured:
    """Time a forward run and a training step over batches, in three ways.

    Each way starts from its own layout and ends in it. They take turns, so
    that what else the machine does meets all of them. The first round warms
    up and is dropped, unless it took all the time there is.

    Args:
        drawn: The lengths (B,) of each batch, one of them above 0.
        all_batches: How many there were to draw from.
        input_size: E, the features of a token.
        hidden_size: H, the size of the state.
        device: Where to run.
        clock: Returns seconds.
        on_batch: Is called with 1 after each batch of each round.
    """
    begin = clock()
    shape = nn.LSTM(input_size, hidden_size, device="meta")
    # From the shortest to the longest: what is not known of this machine is
    # learnt before it can cost much.
    expected = sorted(
        (expect(shape, lengths, device), index)
        for index, lengths in enumerate(drawn)
        if count_bytes(shape, lengths) <= _MEMORY
    )
    fitting = [
        (seconds, drawn[index])
        for seconds, index in expected
        if seconds * _LEAST <= BUDGET
    ]
    rounds: list[list[_Pass]] = []
    if fitting:
        lstm = nn.LSTM(
            input_size, hidden_size, batch_first=True, device=device
        )
        rounds = _time_rounds(lstm, fitting, begin, clock, on_batch)
    count = len(rounds[0]) if rounds else 0
    timed = [lengths for _, lengths in fitting[:count]]
    kept = rounds[1:] or rounds
    return Measured(
        batches=len(timed),
        drawn=len(drawn),
        all_batches=all_batches,
        rounds=len(kept),
        empty_sequences=sum(int((lengths == 0).sum()) for lengths in timed),
        device=str(device),
        threads=torch.get_num_threads(),
        forward=_middle(kept, 0),
        training=_middle(kept, 1),
        scatter=_spread(kept),
    )


def _time_rounds(
    lstm: nn.LSTM,
    fitting: list[tuple[float, Tensor]],
    begin: float,
    clock: Callable[[], float],
    on_batch: Callable[[int], object],
) -> list[list[_Pass]]:
    """Time the batches, as many rounds of them as there is time for.

    ``fitting`` has the seconds that one round is expected to take for each.
    """
    # What PyTorch sets up once belongs to no batch.
    _pass(lstm, torch.tensor([2, 1], device="cpu"), 0, clock)
    first: list[_Pass] = []
    start, total, slowness = clock(), 0.0, 1.0
    for seconds, lengths in fitting:
        total += seconds
        if first and total * slowness * _LEAST > BUDGET:
            break
        first.append(_pass(lstm, lengths, 0, clock))
        on_batch(1)
        slowness = (clock() - start) / total
    rounds = [first]
    last = clock() - start
    while len(rounds) < ROUNDS and clock() - begin + last <= BUDGET:
        start, passes = clock(), []
        for _, lengths in fitting[: len(first)]:
            passes.append(_pass(lstm, lengths, len(rounds), clock))
            on_batch(1)
        rounds.append(passes)
        last = clock() - start
    return rounds


def _pass(
    lstm: nn.LSTM, lengths: Tensor, turn: int, clock: Callable[[], float]
) -> _Pass:
    """Time each way once, another one first each turn."""
    ways = make_ways(lstm, lengths)
    weights = list(lstm.parameters())
    device = weights[0].device
    found: _Pass = {}
    for place in range(len(_WAYS)):
        name = _WAYS[(place + turn) % len(_WAYS)]
        features, run, gradient = ways[name]

        def train(
            run: Callable[[], Tensor] = run,
            wanted: tuple[Tensor, ...] = (features, *weights),
            gradient: Tensor = gradient,
        ) -> None:
            torch.autograd.grad(run(), wanted, gradient)

        with torch.no_grad():
            forward = stop_time(run, device, clock)
        found[name] = forward, stop_time(train, device, clock)
    return found


def make_ways(lstm: nn.LSTM, lengths: Tensor) -> dict[str, Way]:
    """Return the same batch in three layouts, with features at random."""
    device = next(lstm.parameters()).device
    values = torch.rand(int(lengths.sum()), lstm.input_size, device=device)
    ragged = Ragged(values, lengths)
    padded = ragged.to_padded().requires_grad_()
    # Packing refuses what is empty; no token is lost.
    packed = Ragged(values, lengths[lengths > 0]).to_packed()
    packed.data.requires_grad_()
    values.requires_grad_()
    by_token = torch.ones(len(values), lstm.hidden_size, device=device)
    # A loss sees no pad.
    by_cell = Ragged(by_token, lengths).to_padded()
    return {
        "padded_ms": Way(padded, lambda: lstm(padded)[0], by_cell),
        "packed_ms": Way(packed.data, lambda: lstm(packed)[0].data, by_token),
        "run_rnn_ms": Way(
            values, lambda: run_rnn(lstm, ragged)[0].values, by_token
        ),
    }


def stop_time(
    run: Callable[[], object],
    device: torch.device,
    clock: Callable[[], float],
) -> float:
    """Return how many milliseconds a run takes, with what it leaves behind."""
    _wait_for(device)
    start = clock()
    run()
    _wait_for(device)
    return 1000 * (clock() - start)


def _wait_for(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _middle(rounds: list[list[_Pass]], kind: int) -> Times | None:
    """Return the mean over batches of each one's median over rounds."""
    if not rounds:
        return None
    return Times(
        *(
            statistics.fmean(
                statistics.median(times[way][kind] for times in of_batch)
                for of_batch in zip(*rounds, strict=True)
            )
            for way in _WAYS
        )
    )


def _spread(rounds: list[list[_Pass]]) -> float | None:
    """Return how far the rounds differ, in the way in which they do most."""
    if len(rounds) < SURE:
        return None
    return max(
        _quartiles_apart(
            [sum(times[way][kind] for times in batches) for batches in rounds]
        )
        for way in _WAYS
        for kind in (0, 1)
    )


def _quartiles_apart(totals: list[float]) -> float:
    lower, middle, upper = statistics.quantiles(totals, method="inclusive")
    return (upper - lower) / middle
