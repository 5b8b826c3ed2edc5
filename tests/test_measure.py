"""`packtutor report --measure`: what is drawn, timed, left out, and said."""

import contextlib
import io
import itertools
import json
import random
import sys
from collections import Counter
from pathlib import Path
from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from packtutor import __main__, _expected, _measure, _report
from packtutor._costs import Rates
from packtutor._expected import count_bytes, expect
from packtutor._measure import ROUNDS, Measured, Way, measure
from packtutor._samples import Sampler, sorted_blocks
from packtutor._timetable import show_times
from packtutor.report import Times, advice, report_lengths

REPORTS = Path(__file__).parent / "reports"
CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(0, 4), min_size=1, max_size=40)


# --- what is drawn --------------------------------------------------------


def draw(lengths, size, most, blocks=1000):
    sampler = Sampler(size, most)
    for start in range(0, len(lengths), blocks):
        sampler.add(torch.tensor(lengths[start : start + blocks]))
    drawn, seen = sampler.drawn()
    return [batch.tolist() for batch in drawn], seen


@given(LENGTHS, st.integers(1, 45), st.integers(1, 5), st.integers(1, 50))
def test_batches_are_those_of_the_file(lengths, size, most, block):
    parts = [lengths[i : i + size] for i in range(0, len(lengths), size)]
    parts = [part for part in parts if any(part)]
    drawn, seen = draw(lengths, size, most, block)
    assert seen == len(parts)
    assert len(drawn) == min(most, seen)
    assert Counter(map(tuple, drawn)) <= Counter(map(tuple, parts))
    assert draw(lengths, size, most) == (drawn, seen)


def test_the_lots_are_those_of_the_seed_0():
    """In float64: of a million batches no two have the same lot."""
    lengths = list(range(1, 201))
    generator = torch.Generator().manual_seed(0)
    lots = torch.rand(100, generator=generator, dtype=torch.float64)
    least = lots.argsort()[:3].tolist()
    drawn, _ = draw(lengths, 2, 3)
    assert drawn == [[2 * place + 1, 2 * place + 2] for place in least]


def test_the_last_batch_is_drawn_once():
    sampler = Sampler(2, 5)
    sampler.add(torch.tensor([3, 2, 1]))
    first, second = sampler.drawn(), sampler.drawn()
    assert first[1] == second[1] == 2
    assert list(map(len, first[0])) == list(map(len, second[0]))


def test_each_batch_has_the_same_chance():
    chosen = Counter()
    for seed in range(400):
        sampler = Sampler(2, 3)
        sampler._random.manual_seed(seed)
        for start in range(1, 13):
            sampler.add(torch.tensor([start]))
        chosen.update(batch[0].item() for batch in sampler.drawn()[0])
    assert sorted(chosen) == [1, 3, 5, 7, 9, 11]
    assert all(abs(times - 200) < 50 for times in chosen.values())


@given(LENGTHS)
def test_lengths_in_order(lengths):
    values, counts = torch.unique(torch.tensor(lengths), return_counts=True)
    with mock.patch("packtutor._samples._BLOCK", 7):
        blocks = list(sorted_blocks(values, counts))
    assert torch.cat(blocks).tolist() == sorted(lengths)
    assert max(map(len, blocks)) <= 7


# --- what is timed --------------------------------------------------------


class Clock:
    """A clock that only a run moves, each by its own milliseconds."""

    def __init__(self, training=1, **speeds):
        self.now, self.speeds, self.calls = 0.0, speeds, []
        self.training, self.batches = training, []

    def __call__(self):
        return self.now

    def make_ways(self, lstm, lengths):
        features = torch.ones(1, requires_grad=True)
        steps = int(lengths.max())
        self.batches.append(lengths.tolist())
        # What is padded has the batch first.
        assert lstm.batch_first

        def way(name, ms):
            def run():
                self.calls.append((name, steps, torch.is_grad_enabled()))
                cost = next(ms) if isinstance(ms, itertools.cycle) else ms
                factor = self.training if torch.is_grad_enabled() else 1
                self.now += factor * steps * cost / 1000
                weights = [weight.sum() for weight in lstm.parameters()]
                return features * sum(weights)

            return Way(features, run, torch.ones(1))

        return {name: way(name, ms) for name, ms in self.speeds.items()}


def fake(monkeypatch, drawn, clock, expected=0.01, **options):
    monkeypatch.setattr(_measure, "make_ways", clock.make_ways)
    monkeypatch.setattr(
        _measure, "expect", lambda lstm, lengths, device: expected
    )
    drawn = [torch.tensor(lengths) for lengths in drawn]
    return measure(drawn, 9, 2, 3, CPU, clock=clock, **options)


def test_medians_and_turns(monkeypatch):
    clock = Clock(
        padded_ms=itertools.cycle([1, 2, 9]), packed_ms=5, run_rnn_ms=4
    )
    done = []
    found = fake(monkeypatch, [[2, 0, 2], [4]], clock, on_batch=done.append)
    assert found == Measured(
        batches=2,
        drawn=2,
        all_batches=9,
        rounds=ROUNDS - 1,
        empty_sequences=1,
        device="cpu",
        threads=torch.get_num_threads(),
        forward=found.forward,
        training=found.training,
        scatter=found.scatter,
    )
    for times in (found.forward, found.training):
        assert times[1:] == pytest.approx((15, 12))
    assert sum(done) == 2 * ROUNDS
    # What PyTorch sets up once is set up by a batch of unequal lengths.
    assert clock.batches == [[2, 1], *[[2, 0, 2], [4]] * ROUNDS]
    assert [name for name, *_ in clock.calls[:6:2]] == list(Times._fields)
    # Forward, then a training step, of each way before the next one; another
    # way is first in the next round.
    runs = clock.calls[6:]
    names = [name for name, _, _ in runs]
    ways = ["padded_ms", "packed_ms", "run_rnn_ms"]
    for turn in range(3):
        order = [ways[(turn + place) % 3] for place in range(3)]
        doubled = [way for way in order for _ in range(2)]
        assert names[12 * turn : 12 * turn + 6] == doubled
    assert [grad for *_, grad in runs] == [False, True] * (len(runs) // 2)


def test_a_median_ignores_an_outlier(monkeypatch):
    costs = itertools.cycle([1, 1, 1, 1, 1, 1, 1, 900])
    clock = Clock(padded_ms=costs, packed_ms=2, run_rnn_ms=3)
    found = fake(monkeypatch, [[10]], clock)
    for times in (found.forward, found.training):
        assert times == pytest.approx((10, 20, 30))


@pytest.mark.parametrize("way", Times._fields)
@pytest.mark.parametrize("training", [False, True])
def test_the_way_that_scatters_most_is_told(monkeypatch, way, training):
    """By a forward run or a training step, over all batches of a round."""
    # Of nine rounds with 8 to 16 ms, half lie from 10 to 14.
    costs = [0, *random.Random(0).sample(range(8, 17), 9)]
    clock = Clock(padded_ms=1, packed_ms=2, run_rnn_ms=3)
    runs = itertools.count()

    def instead(lstm, lengths, turn, clock):
        times = dict.fromkeys(Times._fields, (1.0, 3.0))
        # Between two batches a round's time may move.
        late = next(runs) % 2
        own = [1.0, 3.0]
        own[training] = costs[turn] / 2 + (1 if late else -1)
        times[way] = tuple(own)
        return times

    monkeypatch.setattr(_measure, "_pass", instead)
    found = fake(monkeypatch, [[2], [3]], clock)
    assert found.rounds == 9
    assert found.scatter == pytest.approx(4 / 12)


def test_too_few_rounds_say_nothing_of_scatter(monkeypatch):
    for ms, rounds in ((1000, 2), (800, 3)):
        clock = Clock(padded_ms=ms, packed_ms=ms, run_rnn_ms=ms)
        found = fake(monkeypatch, [[1]], clock)
        assert found.rounds == rounds
        assert found.scatter == (None if rounds < 3 else pytest.approx(0))


def test_fewer_rounds_where_they_take_long(monkeypatch):
    # A round takes 6 s: the first, and as many as fit half a minute.
    clock = Clock(padded_ms=1000, packed_ms=1000, run_rnn_ms=1000)
    found = fake(monkeypatch, [[1]], clock)
    # What is set up first takes twice that, for its two steps.
    assert (found.batches, found.rounds) == (1, 2)
    assert clock.now <= 30.1


def test_a_training_step_has_times_of_its_own(monkeypatch):
    clock = Clock(training=3, padded_ms=1, packed_ms=2, run_rnn_ms=4)
    found = fake(monkeypatch, [[10]], clock)
    assert found.forward == pytest.approx((10, 20, 40))
    assert found.training == pytest.approx((30, 60, 120))


def test_what_just_fits_is_timed(monkeypatch):
    """Four rounds of half a minute, and of the memory all."""
    clock = Clock(padded_ms=625, packed_ms=625, run_rnn_ms=625)
    found = fake(monkeypatch, [[1], [1]], clock, expected=3.75)
    assert (found.batches, found.rounds) == (2, 2)
    monkeypatch.setattr(
        _measure, "_MEMORY", count_bytes(nn.LSTM(2, 3), torch.tensor([1]))
    )
    clock = Clock(padded_ms=1, packed_ms=1, run_rnn_ms=1)
    assert fake(monkeypatch, [[1]], clock, expected=7.5).batches == 1
    assert fake(monkeypatch, [[1, 1]], clock, expected=7.5).batches == 0
    assert fake(monkeypatch, [[1]], clock, expected=7.6).batches == 0


def test_what_a_round_takes_is_learnt_from_the_first_batches(monkeypatch):
    # A pass of 3 s, where 2 were expected: four rounds of two take 24 s.
    clock = Clock(padded_ms=500, packed_ms=500, run_rnn_ms=500)
    assert fake(monkeypatch, [[1]] * 4, clock, expected=2).batches == 2


def test_one_round_where_it_takes_all_the_time(monkeypatch):
    clock = Clock(padded_ms=1000, packed_ms=1000, run_rnn_ms=1000)
    found = fake(monkeypatch, [[7]], clock)
    assert (found.batches, found.rounds) == (1, 1)
    assert found.forward == pytest.approx((7000, 7000, 7000))


def test_fewer_batches_on_a_slow_machine(monkeypatch):
    clock = Clock(padded_ms=100, packed_ms=100, run_rnn_ms=100)
    drawn = [[4, 0], [5], [6], [3, 0, 0]]
    # Half a second each is expected; the first one takes five times that.
    found = fake(monkeypatch, drawn, clock, expected=0.5)
    assert (found.batches, found.drawn) == (2, 4)
    assert found.empty_sequences == 1


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [
        ([30_000_000], (128, 256)),
        ([3, 2], (10**6, 10**6)),
        ([3000] * 64, (128, 256)),
        ([10**12], (1, 1)),
        ([20_000] * 50 + [10_000], (1, 1)),
    ],
)
def test_what_is_too_long_is_not_run(lengths, sizes, monkeypatch):
    monkeypatch.setattr(_measure, "make_ways", None)
    found = measure([torch.tensor(lengths)], 1, *sizes, CPU)
    assert (found.batches, found.rounds, found.forward) == (0, 0, None)
    assert (found.drawn, found.training, found.scatter) == (1, None, None)


def test_what_is_expected_grows_with_the_batch():
    lstm = nn.LSTM(32, 64, device="meta")
    cuda = torch.device("cuda")
    short, long = torch.tensor([40, 20]), torch.tensor([4000, 2000])
    assert expect(lstm, long, CPU) > 200 * expect(lstm, short, CPU)
    # Its packed kernel is linear.
    assert expect(lstm, long, cuda) < 110 * expect(lstm, short, cuda)
    assert count_bytes(lstm, long) > 20 * count_bytes(lstm, short)


def test_what_is_expected_by_hand(monkeypatch):
    """In microseconds: a call, its steps, and its cells or tokens."""
    rates = {
        # fused, training: a call, a step, a token, what steps add to it
        (True, False): Rates(100, 10, 1, 0),
        (False, False): Rates(50, 7, 2, 0.5),
        (True, True): Rates(1000, 100, 10, 0),
        (False, True): Rates(300, 20, 4, 0.25),
    }

    def find(lstm, *, fused, training):
        return rates[fused, training]

    monkeypatch.setattr(_expected, "find_rates", find)
    lstm, lengths = nn.LSTM(3, 5, device="meta"), torch.tensor([4, 1, 0])
    # Padded: 12 cells; packed: 5 tokens. run_rnn: the faster of both.
    padded = 100 + 40 + 12, 1000 + 400 + 120
    packed = 50 + 28 + 10, 300 + 80 + 20
    slower = 0.5 * 4 * 5, 0.25 * 4 * 5
    cuda = sum(padded) + 2 * sum(packed)
    found = expect(lstm, lengths, torch.device("cuda"))
    assert found == pytest.approx(cuda / 1e6, rel=1e-12)
    found = expect(lstm, lengths, CPU)
    assert found == pytest.approx((cuda + 2 * sum(slower)) / 1e6, rel=1e-12)
    # Where a packed call takes ten times as long, padding is the faster.
    rates[False, True] = Rates(3000, 20, 4, 0.25)
    found = expect(lstm, lengths, torch.device("cuda"))
    cuda += 2 * 2700 - (3100 - padded[1])
    assert found == pytest.approx(cuda / 1e6, rel=1e-12)


def test_the_memory_of_a_training_step():
    """Four copies of the weights; for each cell four of x and twelve of h."""
    lstm = nn.LSTM(3, 5, device="meta")
    weights = sum(weight.numel() for weight in lstm.parameters())
    floats = 4 * weights + 6 * (4 * 3 + 12 * 5)
    assert count_bytes(lstm, torch.tensor([3, 2])) == 4 * floats


def test_a_device_is_waited_for(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.accelerator, "synchronize", waited.append)
    times = iter([1.0, 1.5])
    device = torch.device("meta")
    found = _measure.stop_time(lambda: None, device, lambda: next(times))
    assert found == 500
    assert waited == [device, device]


def test_the_ways_agree(device):
    lstm = nn.LSTM(4, 5, batch_first=True, device=device)
    lengths = torch.tensor([3, 0, 5, 1])
    ways = _measure.make_ways(lstm, lengths)
    weights = list(lstm.parameters())
    gradients = {}
    for name, way in ways.items():
        output = way.run()
        assert output.shape == way.gradient.shape
        assert int(way.gradient.sum()) == 9 * 5
        gradients[name] = torch.autograd.grad(
            output, [way.features, *weights], way.gradient
        )
    for theirs in (gradients["padded_ms"], gradients["packed_ms"]):
        for one, other in zip(
            theirs[1:], gradients["run_rnn_ms"][1:], strict=True
        ):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert gradients["padded_ms"][0].shape == (4, 5, 4)
    assert gradients["packed_ms"][0].shape == (9, 4)


def test_the_real_thing(device):
    found = measure(
        [torch.tensor([3, 0, 1]), torch.tensor([5])], 7, 4, 5, device
    )
    assert (found.batches, found.rounds) == (2, ROUNDS - 1)
    assert (found.empty_sequences, found.device) == (1, str(device))
    for times in (found.forward, found.training):
        assert all(ms > 0 for ms in times)


# --- what is said ---------------------------------------------------------

MEASURED = Measured(
    batches=8,
    drawn=8,
    all_batches=300,
    rounds=9,
    empty_sequences=0,
    device="cpu",
    threads=2,
    forward=Times(18.25, 16.5, 9),
    training=Times(1058.5, 80, 27),
    scatter=0.25,
)
SHOWN = """\
Measured on cpu with 2 threads, in ms a batch: 8 of 300 batches, drawn at
random, the median of 9 rounds, each way from its own layout. A training step
is the run and its backward pass; the advice goes by it. All for one layer in
one direction: in two directions a padded run of mixed lengths gives wrong
outputs.
           forward  ratio  training step  ratio
  pad         18.2   2.03        1,058.5  39.20
  pack        16.5   1.83           80.0   2.96
  run_rnn      9.0   1.00           27.0   1.00
"""


def shown(**changes):
    lines = show_times(MEASURED._replace(**changes), 80)
    assert max(map(len, lines)) < 80
    assert lines[-1] == ""
    return " ".join(" ".join(lines).split())


def test_times_as_lines():
    assert "\n".join(show_times(MEASURED, 80)) == SHOWN
    assert show_times(None, 80) == []


def test_what_was_timed_is_said():
    assert "on cpu with 1 thread, in" in shown(threads=1)
    assert "on cuda, in ms" in shown(device="cuda")
    assert "the median of 1 round," in shown(rounds=1)
    unsure = " outputs. So few rounds are unsure: other work disturbs them. "
    for rounds in (1, 2):
        assert unsure in shown(rounds=rounds, scatter=None)
    assert unsure not in shown(rounds=3)
    assert "5 of 300 batches, drawn at random (3 more too long to be " in (
        shown(batches=5)
    )
    assert " random (1 more too long to be measured), the" in shown(batches=7)
    assert ": 5 of 8 batches (3 more too long" in (
        shown(batches=5, all_batches=8)
    )
    assert ": all 8 batches, the" in shown(all_batches=8)
    assert ": the only batch, the" in (
        shown(batches=1, drawn=1, all_batches=1)
    )
    for number, text in ((1, "1 empty sequence"), (2, "2 empty sequences")):
        assert f"pack runs without {text}: PyTorch refuses" in (
            shown(empty_sequences=number)
        )
    assert "pad 0.500 1.00" in shown(forward=Times(0.5, 1, 2))


def test_what_a_busy_machine_does_to_times_is_said():
    again = ": other work disturbs them. Leave the machine alone, and run th"
    scattered = f" outputs. These times scatter by 40%{again}is again. "
    assert scattered in shown(scatter=0.4)
    assert "These times scatter by 26%" in shown(scatter=0.2551)
    longer = f"A forward run took longer than the step that contains it{again}"
    for place in range(3):
        forward = [1, 1, 1]
        forward[place] = 2
        output = shown(forward=Times(*forward), training=Times(1, 1, 1))
        assert longer in output
        assert scattered in shown(forward=Times(*forward), scatter=0.4)
    # One round says nothing of what the next one would.
    few = shown(forward=Times(2, 2, 2), training=Times(1, 1, 1), scatter=None)
    assert "So few rounds" in few
    assert longer not in few
    quiet = Times(1, 1, 1)
    assert again not in shown(forward=quiet, training=quiet)


def test_nothing_timed_is_said():
    nothing = {
        "batches": 0,
        "forward": None,
        "training": None,
        "scatter": None,
    }
    assert shown(**nothing) == (
        "Measured: nothing. Too long to be measured: 8 of 300 batches, drawn "
        "at random."
    )
    assert shown(**nothing, drawn=1, all_batches=1) == (
        "Measured: nothing. Too long to be measured: the only batch."
    )


# --- the command ----------------------------------------------------------


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


SMALL = ["--input-size", "3", "--hidden-size", "4"]


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch):
    monkeypatch.delenv("PACKTUTOR_DEVICE", raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def run(*arguments, stdin=b"", errors=None):
    output, errors = io.StringIO(), errors or io.StringIO()
    with (
        mock.patch.object(
            sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
        ),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        status = __main__.main(["report", *map(str, arguments)])
    return status, output.getvalue(), errors.getvalue()


def report(*arguments, **options):
    status, output, errors = run(*arguments, **options)
    assert (status, errors) == (0, "")
    return output


def catch(monkeypatch, times):
    """Time nothing; return what would have been timed."""
    seen = []

    def instead(drawn, all_batches, *sizes, on_batch):
        on_batch(1)
        seen[:] = [[batch.tolist() for batch in drawn], all_batches, *sizes]
        number = len(drawn)
        return MEASURED._replace(
            batches=number,
            drawn=number,
            all_batches=all_batches,
            training=times,
        )

    monkeypatch.setattr(_report, "measure", instead)
    return seen


@pytest.mark.parametrize("options", [[], ["--sort"]])
def test_the_batches_of_the_report_are_timed(options, monkeypatch):
    seen = catch(monkeypatch, Times(3, 2, 1))
    numbers = b"3\n0\n0\n0\n9\n1\n5"
    output = report(
        "-",
        "--lengths",
        "--measure",
        "--batch-size",
        2,
        *SMALL,
        *options,
        stdin=numbers,
    )
    batches = [[3, 0], [9, 1], [5]]
    if options:
        batches = [[0, 1], [3, 5], [9]]
    assert sorted(seen[0]) == sorted(batches)
    assert seen[1:] == [3, 3, 4, CPU]
    before, _, after = output.partition("Measured on ")
    plain = report(
        "-", "--lengths", "--batch-size", 2, *SMALL, *options, stdin=numbers
    )
    assert before == plain.partition("Advice: ")[0]
    assert after.startswith("cpu with 2 threads, in ms a batch: all 3 ba")
    assert "\n\nAdvice: Drop the 3 empty sequences" in after
    assert "run_rnn is best:" in " ".join(after.split())


def test_at_most_eight_batches_are_timed(monkeypatch):
    seen = catch(monkeypatch, Times(3, 2, 1))
    lengths = "".join(f"{n}\n" for n in range(1, 101)).encode()
    report("-", "--lengths", "--measure", "--batch-size", 2, stdin=lengths)
    assert len(seen[0]) == 8
    assert seen[1:] == [50, 128, 256, CPU]
    assert all(b == a + 1 and a % 2 for a, b in seen[0])


@pytest.mark.parametrize(
    ("times", "rule"),
    [
        (Times(1, 2, 3), "pad"),
        (Times(2, 1, 3), "pack"),
        (Times(3, 2, 1), "run_rnn"),
        (Times(3, 2, 1.9), "run_rnn"),
        (None, "pack"),
    ],
)
def test_the_advice_goes_by_the_clock(times, rule, monkeypatch):
    catch(monkeypatch, times)
    path = REPORTS / "run_rnn.txt"
    arguments = [path, "--measure", "--batch-size", 4]
    numbers = json.loads(report(*arguments, "--json"))
    statistics = report_lengths([2, 11, 1, 19, 4, 7, 1, 30], batch_size=4)
    expected = advice(statistics, times)
    assert expected.rule == rule
    assert numbers["advice"] == expected._asdict()
    lines = " ".join(report(*arguments).split())
    assert lines.endswith(f"Advice: {expected.sentence}")


def test_numbers_for_a_program():
    path = REPORTS / "empty.txt"
    arguments = [path, "--json", "--batch-size", 2, *SMALL]
    numbers = json.loads(report(*arguments, "--measure"))
    measured = numbers.pop("measured")
    without = json.loads(report(*arguments))
    sentence = numbers["advice"].pop("sentence")
    assert sentence.startswith(without["advice"].pop("sentence")[:-1])
    assert numbers == without
    kinds = [measured.pop(kind) for kind in ("forward", "training")]
    assert measured.pop("scatter") >= 0
    assert measured == {
        "batches": 3,
        "drawn": 3,
        "all_batches": 3,
        "rounds": ROUNDS - 1,
        "empty_sequences": 2,
        "device": "cpu",
        "threads": torch.get_num_threads(),
    }
    for times in kinds:
        assert list(times) == ["padded_ms", "packed_ms", "run_rnn_ms"]
        assert min(times.values()) > 0


def test_a_huge_line_is_reported_and_not_timed():
    arguments = ["-", "--lengths", "--measure"]
    output = report(*arguments, stdin=b"30000000\n")
    assert "\nMeasured: nothing. Too long to be measured: the only" in output
    assert "\nAdvice: Judge by more data" in output
    numbers = json.loads(report(*arguments, "--json", stdin=b"30000000\n"))
    assert numbers["measured"]["forward"] is None
    assert numbers["measured"]["training"] is None
    assert numbers["measured"]["batches"] == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpu", "PACKTUTOR_DEVICE is 'gpu'; it must name a device that "),
        ("meta", "PACKTUTOR_DEVICE is 'meta', which computes nothing; --m"),
    ],
)
def test_a_device_that_is_not_there(name, message, monkeypatch):
    monkeypatch.setenv("PACKTUTOR_DEVICE", name)
    # Refused before the file is read, and only if it is needed.
    status, output, errors = run("missing.txt", "--measure")
    assert (status, output) == (2, "")
    assert errors.startswith(f"packtutor: {message}")
    assert errors.count("\n") == 1
    report(REPORTS / "pack.txt")


def test_a_bar_on_a_terminal(monkeypatch):
    catch(monkeypatch, Times(3, 2, 1))
    arguments = [REPORTS / "pack.txt", "--measure", *SMALL]
    status, output, errors = run(*arguments, errors=Terminal())
    assert status == 0
    assert "reading" in errors
    assert f"measuring:   0%|          | 0/{ROUNDS}" in errors
    assert output == report(*arguments)


def test_threads_are_the_reader_own(monkeypatch):
    threads = torch.get_num_threads()
    seen = []
    catch(monkeypatch, Times(3, 2, 1))
    instead = _report.measure
    monkeypatch.setattr(
        _report,
        "measure",
        lambda *a, **k: (
            seen.append(torch.get_num_threads()),
            instead(*a, **k),
        )[1],
    )
    torch.set_num_threads(2)
    try:
        report(REPORTS / "pack.txt", "--measure")
    finally:
        torch.set_num_threads(threads)
    assert seen == [2]
