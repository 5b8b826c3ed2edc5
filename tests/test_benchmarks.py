"""Hold stored results to the code, and test what measures and judges."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from tolerances import assert_close

from benchmarks import __main__ as command
from benchmarks import (
    digest,
    gpu,
    gpu_attention,
    gpu_cases,
    gpu_moves,
    gpu_runs,
    gpu_slabs,
    gpu_waits,
    growth,
    limit,
    results,
    stopwatch,
    stragglers,
    tables,
    targets,
    timing,
    training,
)
from benchmarks.cases import CASES, LONG, Case, halves, log_normal, uniform
from benchmarks.layouts import Batch
from benchmarks.recurrence import differences
from benchmarks.ways import make_task, torch_ways
from packtutor import Ragged

# --- stored results -------------------------------------------------------


def stored():
    return results.read_all(results.COMMITTED)


def test_results_are_of_this_code() -> None:
    for name, result in stored().items():
        assert result["about"]["digest"] == digest.digest_for(name), (
            f"{name}.json is older than the code that it measures: run "
            f"make bench FULL=1"
        )


def test_results_are_of_a_full_run_on_a_commit() -> None:
    for result in stored().values():
        assert result["about"]["settings"]["full"]
        assert len(result["about"]["commit"]) == 40


def test_results_name_no_host_and_no_path() -> None:
    for text in map(json.dumps, stored().values()):
        assert str(results.ROOT) not in text
        # "n/a" and the like would pass; a path from the root does not.
        assert '"/' not in text
        assert ":\\\\" not in text


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "book/index.md",
        "book/choose.md",
        "book/07_measure_what_packing_buys.ipynb",
    ],
)
def test_the_text_says_whether_a_gpu_was_measured(name) -> None:
    text = (results.ROOT / name).read_text("utf-8")
    assert "make bench-gpu" in text
    assert ("No GPU has been measured" in text) == ("gpu" not in stored())


def test_stored_results_can_be_shown() -> None:
    assert "Figures to reach" in tables.everything(stored())


def test_a_result_is_written_whole_or_not_at_all(tmp_path) -> None:
    path = results.write(tmp_path, "growth", {"cases": [1.23456, True, 2]})
    assert json.loads(path.read_text("utf-8")) == {"cases": [1.235, True, 2]}
    before = path.read_text("utf-8")
    with pytest.raises(ValueError, match="Out of range float"):
        results.write(tmp_path, "growth", {"cases": [float("nan")]})
    with pytest.raises(TypeError):
        results.write(tmp_path, "growth", {"cases": [1, object()]})
    assert path.read_text("utf-8") == before
    assert [found.name for found in tmp_path.iterdir()] == ["growth.json"]


def test_peers_are_not_needed() -> None:
    code = (
        "import sys, benchmarks.__main__;"
        "sys.exit(bool({'jax', 'flax', 'onnx', 'onnxruntime'} "
        "& set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=results.ROOT, check=True)


# --- digest ---------------------------------------------------------------

SOURCE = '''"""A module."""

def double(x):  # twice
    """Return twice."""
    text = "# no comment"
    return 2 * x, text
'''


def test_digest_sees_code_alone() -> None:
    bare = 'def double(x):\n    text = "# no comment"\n    return 2 * x, text'
    assert digest.strip(SOURCE) == bare
    assert digest.strip(SOURCE.replace("twice", "two times")) == bare
    assert digest.strip(SOURCE.replace("2 *", "3 *")) != bare
    assert digest.strip(SOURCE.replace("no comment", "text")) != bare


def test_digest_changes_with_a_measured_module(tmp_path) -> None:
    package = tmp_path / "packtutor"
    shutil.copytree(digest.PACKAGE, package)
    first = digest.digest_of_package(package)
    assert first == digest.digest_of_package()
    costs = package / "_costs.py"
    source = costs.read_text("utf-8")
    costs.write_text("# Another comment.\n" + source, "utf-8")
    assert digest.digest_of_package(package) == first
    (package / "report.py").write_text("x = 1\n", "utf-8")  # not measured
    assert digest.digest_of_package(package) == first
    costs.write_text(source + "\nx = 1\n", "utf-8")
    assert digest.digest_of_package(package) != first


def test_all_that_runs_is_measured() -> None:
    names = digest.measured_modules()
    assert {"ragged", "recurrence", "_plans", "_kernels", "_places"} <= set(
        names
    )
    assert not {"report", "figures", "invariance"} & set(names)


def test_a_run_has_a_digest_of_its_own() -> None:
    names = digest.modules_of_run(digest.RUNS["training"])
    assert {"examples.task", "examples.model"} <= set(names)
    assert {"packtutor.batching", "packtutor.pooling"} <= set(names)
    assert not {"packtutor.figures", "packtutor.invariance"} & set(names)
    assert digest.digest_for("growth") == digest.digest_of_package()
    assert digest.digest_for("training") != digest.digest_of_package()


def test_digest_of_a_run_follows_names_to_their_modules(tmp_path) -> None:
    package = tmp_path / "packtutor"
    package.mkdir()
    (tmp_path / "examples").mkdir()
    start = tmp_path / "examples" / "task.py"
    start.write_text("from packtutor import useful\n", "utf-8")
    for name in ("used", "unused"):
        (package / f"{name}.py").write_text("x = 1\n", "utf-8")
    (package / "__init__.py").write_text(
        "from packtutor.used import useful\nfrom packtutor.unused import x\n",
        "utf-8",
    )
    names = digest.modules_of_run(("examples.task",), tmp_path)
    assert names == ["examples.task", "packtutor.used"]
    first = digest.digest_of_run(("examples.task",), tmp_path)
    (package / "used.py").write_text("x = 2\n", "utf-8")
    assert digest.digest_of_run(("examples.task",), tmp_path) != first


# --- timing ---------------------------------------------------------------


class Clock:
    """A clock that only moves when a way takes its time."""

    def __init__(self):
        self.now = 0.0
        self.calls = []

    def __call__(self):
        return self.now

    def way(self, name, seconds):
        def run():
            self.calls.append((name, gc.isenabled()))
            self.now += seconds

        return run


def test_measure_keeps_to_its_budget() -> None:
    clock = Clock()
    ways = {"a": clock.way("a", 1.0), "b": clock.way("b", 2.0)}
    found = timing.measure(ways, budget_s=14, clock=clock)
    assert found["a"].ms == [1000] * 5
    assert found["b"].ms == [2000] * 5
    assert found["a"].describe() == {
        "ms": 1000,
        "low_ms": 1000,
        "high_ms": 1000,
    }


def test_measure_takes_turns_without_garbage_collection() -> None:
    clock = Clock()
    ways = {name: clock.way(name, 1.0) for name in "abc"}
    timing.measure(ways, budget_s=0, clock=clock)
    assert "".join(name for name, _ in clock.calls) == "abc" + "abcbcacab"
    assert not any(on for _, on in clock.calls[3:])
    assert gc.isenabled()


def test_short_ways_run_repeatedly() -> None:
    clock = Clock()
    ways = {"a": clock.way("a", timing.SHORTEST_S / 4)}
    found = timing.measure(ways, budget_s=100, most=10, clock=clock)
    assert found["a"].ms == pytest.approx([timing.SHORTEST_S * 250] * 10)
    assert len(clock.calls) == 2 + 10 * (1 + 4)


def test_collection_comes_back_after_an_error() -> None:
    clock = Clock()
    calls = iter([0, 0])

    def way():
        clock.now += 1
        next(calls)

    with pytest.raises(StopIteration):
        timing.measure({"a": way}, budget_s=1, clock=clock)
    assert gc.isenabled()


def test_ratio_is_taken_within_rounds() -> None:
    slow, fast = timing.Samples([2, 20, 8]), timing.Samples([1, 10, 2])
    assert timing.ratio(slow, fast) == 2
    assert timing.fastest({"slow": slow, "fast": fast}) == "fast"


# --- cases, ways and their limit ------------------------------------------


def test_cases_are_named_once_and_seeded() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert sum(case.quick for case in CASES) >= 5
    assert all(min(case.lengths) >= 1 for case in CASES)
    assert uniform(32)[:4] == uniform(128)[:4]
    assert log_normal(64) == log_normal(64)
    assert halves(10) == (10,) * 5 + (5,) * 5


def test_layouts_find_each_token() -> None:
    batch = Batch((1, 3, 2))
    tokens = torch.arange(1, 7)
    ragged = Ragged(tokens, [1, 3, 2])
    assert batch.packed.write(tokens).equal(ragged.to_packed().data)
    padded = ragged.to_padded()
    assert batch.batch_first.write(tokens).equal(padded.flatten())
    assert batch.time_first.write(tokens).equal(padded.T.flatten())
    for layout in (batch.packed, batch.batch_first, batch.time_first):
        assert layout.read(layout.write(tokens)).equal(tokens)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("lengths", [(2, 4, 1), (3, 3)])
def test_ways_agree(lengths, training) -> None:
    torch.manual_seed(0)
    task = make_task(torch.nn.LSTM(3, 4), lengths, training=training)
    ways = torch_ways(task)
    right = True if len(set(lengths)) == 1 else "outputs only"
    assert ways["torch padded"].right == right
    answers = {name: way.answer(way.step()) for name, way in ways.items()}
    expected = answers["torch packed"]
    for answer in answers.values():
        assert ("weight_gradients" in answer) == training
        for part, found in answer.items():
            assert_close(found, expected[part])


def test_padded_in_two_directions_is_wrong() -> None:
    network = torch.nn.GRU(3, 4, bidirectional=True)
    task = make_task(network, (2, 4), training=False)
    assert torch_ways(task)["torch padded"].right is False


def test_differences_are_relative_and_see_shapes() -> None:
    one, two = torch.tensor([4.0, 1.0]), torch.tensor([4.0, 2.0])
    found = differences({"h": one}, {"h": two, "x": one})
    assert found == {"h": 0.25}
    assert differences({"h": one[:1]}, {"h": two}) == {"h": float("inf")}


def test_limit_adds_up_steps() -> None:
    task = make_task(torch.nn.LSTM(2, 2), (4, 4, 1), training=False)
    assert limit.alive(task) == {3: 1, 2: 3}
    kernels = limit.kernels(task, 12)
    assert len(kernels) == 4
    # A call of 5 ms, and a step of as many ms as there are sequences.
    samples = {
        name: timing.Samples([5.0 + int(rows) * int(steps)] * 3)
        for name in kernels
        for rows, steps in [name.removeprefix("limit: ").split(" x ")]
    }
    assert limit.limit_ms(task, samples) == pytest.approx(3 + 3 * 2)


def test_limit_interpolates() -> None:
    lengths = tuple(range(1, 101))
    task = make_task(torch.nn.RNN(2, 2), lengths, training=True)
    assert len(limit.kernels(task, 3)) == 6


def test_exponent_of_a_square() -> None:
    rows = [{"way": "a", "T": t, "ms": 0.1 * t * t} for t in (5, 10, 40)]
    assert growth.exponents(rows) == {"a": pytest.approx(2)}


# --- training -------------------------------------------------------------


def test_each_seed_trains_what_is_compared() -> None:
    assert len(training.ways(0)) == 6
    assert set(training.ways(4)) == set(training.ALWAYS)


def test_the_budget_is_what_a_shuffled_batch_has() -> None:
    lengths = torch.full((100,), 9)
    assert training.count_shuffled_cells(lengths) == (900, 7)
    assert training.budget(lengths) == round(900 / 7)


def epochs(*seconds, accuracy=0.5):
    return [
        {"seconds": each, "cells": 12, "valid_accuracy": accuracy}
        for each in seconds
    ]


def trained(case, seed, found, labels="true"):
    return {"case": case, "seed": seed, "labels": labels, "epochs": found}


def test_speed_is_taken_within_rounds_and_accuracy_from_the_best() -> None:
    ours = "run_rnn, budgeted"
    rows = [
        trained(training.BASE, 0, epochs(4, 40)),
        trained(training.BASE, 1, epochs(6, accuracy=0.6)),
        trained(ours, 0, epochs(2, 20)),
        trained(ours, 1, epochs(2, accuracy=0.7)),
        trained(ours, 0, epochs(1, accuracy=1.0), "shuffled"),
    ]
    found = training.speed(rows, 4.0)[ours]
    assert found == {
        "seconds": 2,
        "cells": 12,
        "times_faster": 2,
        "share_of_bound": 0.5,
        "rounds": 3,
    }
    right = training.accuracy(rows)[ours]
    assert (right["low"], right["high"], right["seeds"]) == (0.5, 0.7, 2)
    assert right["mean"] == pytest.approx(0.6)


def test_a_tiny_training_fills_its_result() -> None:
    plan = training.Plan(seeds=1, epochs=1, limit=300)
    rows = training.measure_seed(0, plan) + training.measure_control(plan)
    result = {"cases": rows, **training.summarise(rows, plan)}
    assert [row["case"] for row in rows[:-1]] == training.ways(0)
    tokens = {row["epochs"][0]["tokens"] for row in rows}
    assert tokens == {result["bound"]["tokens"]}
    pad, packed = (rows[place]["epochs"][0] for place in (0, 2))
    assert pad["cells"] == packed["cells"] > pad["tokens"]
    assert rows[5]["epochs"][0]["cells"] < pad["cells"]
    assert set(result["speed"]) == set(result["accuracy"])
    assert result["speed"][training.BASE]["times_faster"] == 1
    assert json.loads(json.dumps(results.rounded(result)))
    assert "Bound:" in tables.everything({"training": result})


# --- stragglers -----------------------------------------------------------


def test_waiting_is_what_the_slowest_takes_more() -> None:
    costs = torch.tensor([[2, 2], [1, 3]])
    assert stragglers.lost_share(costs) == pytest.approx(1 - 8 / 10)
    assert stragglers.lost_share(torch.tensor([[5], [1]])) == 0


@pytest.mark.parametrize("batches", stragglers.BATCHES)
@pytest.mark.parametrize("processes", [1, 3])
def test_an_epoch_of_all_processes(batches, processes) -> None:
    lengths = torch.tensor(uniform(500))
    epoch = stragglers.draw_epoch(batches, lengths, processes, seed=1)
    every = [epoch.places(rank) for rank in range(processes)]
    flat = [place for own in every for batch in own for place in batch]
    assert len(set(flat)) == len(flat) >= 500 - 16 * processes
    extents = stragglers.measure_extents(epoch, lengths)
    for rank, own in enumerate(every):
        for step, batch in enumerate(own):
            found = [int(part[step, rank]) for part in extents]
            few = lengths[batch]
            wanted = [len(batch), few.max(), few.sum(), few.min()]
            assert found == [int(each) for each in wanted]
    if batches == "budgeted":
        sampler = stragglers.BucketBatchSampler(
            lengths,
            max_cells=training.budget(lengths),
            seed=1,
            num_replicas=processes,
            rank=processes - 1,
        )
        assert every[-1] == list(sampler)


def test_fit_finds_prices_and_none_below_zero() -> None:
    generator = np.random.default_rng(0)
    found = generator.uniform(1, 100, (40, 3))
    assert stragglers.fit(found, found @ [1, 0.5, 2]) == pytest.approx(
        [1, 0.5, 2]
    )
    prices = stragglers.fit(found, found @ [1, -0.1, 2])
    assert prices[1] == 0
    assert (prices >= 0).all()


def test_an_epoch_waits_for_the_slowest_of_each_step() -> None:
    rows = torch.tensor([[1, 2], [3, 1]])
    extents = stragglers.Extents(rows, rows * 0, rows * 0, rows * 0)
    prices = np.array([0.0, 10.0, 0, 0, 0, 0])
    assert stragglers.predict_epoch(prices, extents, 5) == 0.06


def test_simulated_budgets_lose_less_than_random_batches() -> None:
    prices = {"pad": np.array([1.0, 0, 0, 0, 0.01, 0])}
    lengths = torch.tensor(log_normal(500))
    rows = stragglers.simulate(lengths, prices, processes=8, steps=20)
    lost = {row["batches"]: row["lost"] for row in rows}
    for cost in ("tokens", "cells", "pad"):
        assert lost["budgeted"][cost] < lost["random"][cost]
    assert rows[0]["steps"] == 20


# --- targets --------------------------------------------------------------


def made_up(ours=1.0, padded=2.0, packed=4.0, right="outputs only", **of):
    row = {
        "case": "made up",
        "cell": "LSTM",
        "dtype": "float32",
        "H": 256,
        "T": 100,
        "layers": 1,
        "bidirectional": False,
        "mixed": True,
        "run": "training",
        "limit_ms": 0.8 * ours,
        "ways": {
            "run_rnn packed": {"ms": ours, "right": True},
            "run_rnn ragged": {"ms": ours, "right": True},
            "torch packed": {"ms": packed, "right": True},
            "torch padded": {"ms": padded, "right": right},
        },
        "ratios": {
            "to_best_of_torch": ours / min(padded, packed),
            "to_torch_packed": ours / packed,
            "to_fastest_peer": ours / min(padded, packed),
            "share_of_limit": 0.8,
        },
    }
    return row | of


def judge(text, **found):
    (target,) = [t for t in targets.evaluate(found) if text in t.text]
    return target


def of(*rows):
    return {"cases": list(rows)}


def test_nothing_is_measured_without_results() -> None:
    found = targets.evaluate({})
    assert len(found) == 25
    assert {target.verdict for target in found} == {"not measured"}


def test_never_slower_than_the_right_ways() -> None:
    text = "run_rnn packed: at most 1.1 times the faster of PyTorch's ways "
    text += "that have right outputs"
    # 50 us are allowed: 1.1 x 2 + 0.05 is just met.
    rows = [made_up(ours=2.25), made_up()]
    assert judge(text, recurrence=of(*rows)).verdict == "met"
    rows.append(made_up(ours=2.26, case="slow"))
    target = judge(text, recurrence=of(*rows))
    assert target.verdict == "missed"
    assert target.where == "slow, training"
    # A padded run with wrong outputs is no yardstick.
    wrong = made_up(ours=4, right=False)
    assert judge(text, recurrence=of(wrong)).verdict == "met"
    # With wrong states it is one for the outputs alone.
    text = text.replace("have right outputs", "are right")
    states = made_up(ours=4)
    assert judge(text, recurrence=of(states)).verdict == "met"
    assert judge(text, recurrence=of(made_up(ours=5))).verdict == "missed"


@pytest.mark.parametrize("run", ["forward", "training"])
def test_faster_than_the_fastest_peer(run) -> None:
    text = f"{run}: 1.5 times"
    met = made_up(run=run)
    missed = made_up(ours=1.4, run=run)
    other = made_up(ours=1.4, run=run, H=64)
    assert judge(text, recurrence=of(met, other)).verdict == "met"
    assert judge(text, recurrence=of(met, missed)).verdict == "missed"


@pytest.mark.parametrize(
    ("text", "row", "bound"),
    [
        ("mixed lengths: 0.75", {}, 0.75),
        (f"from {LONG} steps", {"T": LONG}, 0.9),
        ("GRU, RNN and float64: 0.75", {"cell": "GRU"}, 0.75),
        ("GRU, RNN and float64: 0.75", {"dtype": "float64"}, 0.75),
    ],
)
def test_share_of_the_limit(text, row, bound) -> None:
    for share, verdict in ((bound, "met"), (bound - 0.01, "missed")):
        made = made_up(**row)
        made["ratios"]["share_of_limit"] = share
        assert judge(text, recurrence=of(made)).verdict == verdict


def test_a_training_limit_below_the_forward_one_is_none() -> None:
    forward, training = made_up(run="forward"), made_up(limit_ms=0.1)
    training["ratios"]["share_of_limit"] = 0.1
    text = "mixed lengths: 0.75"
    assert judge(text, recurrence=of(training)).found == 0.1
    assert judge(text, recurrence=of(forward, training)).found == 0.8
    training["limit_ms"] = 1.0
    assert judge(text, recurrence=of(forward, training)).found == 0.1


@pytest.mark.parametrize(
    ("text", "row", "times"),
    [
        ("on: 5 times as fast", {"cell": "RNN", "T": 500}, 5),
        ("50 times as fast", {"case": "halves, T=4000"}, 50),
    ],
)
def test_faster_than_torch_packed(text, row, times) -> None:
    for packed, verdict in ((times, "met"), (times - 0.1, "missed")):
        made = made_up(packed=packed, **row)
        assert judge(text, recurrence=of(made)).verdict == verdict


def test_growth_of_all_steps_alone_counts() -> None:
    text = "exponent"
    for slope, verdict in ((1.1, "met"), (1.11, "missed")):
        found = {
            "cases": [{"T": 500}, {"T": 8000}],
            "exponents": {"run_rnn packed": slope},
        }
        assert judge(text, growth=found).verdict == verdict
    found["cases"].pop()
    assert judge(text, growth=found).verdict == "not measured"


def test_memory_and_conversions() -> None:
    for share, verdict in ((1.1, "met"), (1.2, "missed")):
        row = {"case": "made up", "run": "forward", "to_padded": share}
        assert judge("peak memory", memory=of(row)).verdict == verdict
    for floor, times, verdict in ((1.5, 30, "met"), (1.6, 29, "missed")):
        row = {
            "case": "10000 heavy-tailed",
            "features": 32,
            "to_floor": {"to_packed": 1.0, "from_list": floor},
            "times_faster_than_torch": {
                "to_packed": times,
                "from_packed": 99,
                "from_list, to_packed": 1,
            },
        }
        for text in ("floor", "values and packed"):
            assert judge(text, conversions=of(row)).verdict == verdict
    assert judge("to a list", conversions=of(row)).found == 1
    for more, verdict in ((2, "met"), (3, "missed")):
        small = {
            "batches": 100_000,
            "growth_mib": {
                "run_rnn ragged": [0, 5 + more],
                "torch padded": [0, 5],
            },
        }
        found = {"memory": {"cases": [], "small_batches": small}}
        assert judge("small batches", **found).verdict == verdict
    target = judge("floor", conversions=of(row))
    assert target.where == "10000 heavy-tailed x 32, from_list"


@pytest.mark.parametrize(
    ("share", "mean", "verdicts"),
    [(0.8, 0.69, ("met", "met")), (0.79, 0.67, ("missed", "missed"))],
)
def test_training_is_fast_and_as_accurate(share, mean, verdicts) -> None:
    spread = {"low": 0.69, "high": 0.71, "seeds": targets.SEEDS}
    found = {
        "speed": {"run_rnn, budgeted": {"share_of_bound": share}},
        "accuracy": {
            "run_rnn, budgeted": spread | {"mean": mean},
            "pad, shuffled": spread | {"mean": 0.7},
        },
    }
    texts = ("of the bound that the cells give", "mean accuracy")
    assert verdicts == tuple(
        judge(text, training=found).verdict for text in texts
    )
    found["accuracy"]["run_rnn, budgeted"]["seeds"] = 1
    assert judge(texts[1], training=found).verdict == "not measured"


@pytest.mark.parametrize(
    ("error", "verdict"), [(-0.15, "met"), (-0.16, "missed")]
)
def test_predictions_are_held_to_epochs(error, verdict) -> None:
    epoch = {"strategy": "pad", "batches": "random", "error": error}
    row = {"case": "2 processes", "epochs": [epoch]}
    target = judge("predicted within", stragglers=of(row))
    assert target.verdict == verdict
    assert target.where == "2 processes, pad, random"


def test_tables_show_verdicts_and_marks() -> None:
    row = made_up() | {
        "limit_ms": 0.8,
        "plan": {"route": "slabs", "slabs": 4, "padding_fraction": 0.1},
    }
    shown = tables.everything({"recurrence": of(row)})
    assert "| 1.00 | 1.00 | 4.00 | 2.00* | - | - | 0.500 | 0.800 |" in shown
    assert "| not measured | - | - |" in shown
    assert tables.number(1234.5) == "1,234"
    assert tables.number(123.0) == "123"
    assert tables.number(0.0123456) == "0.0123"


# --- the suite for a GPU, on a CPU ------------------------------------------

CPU = torch.device("cpu")
BRIEF = {"device": CPU, "budget_s": 0.0}
TINY = (5, 3, 9, 1)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("precision", gpu_cases.ALLOWED)
def test_gpu_ways_agree_and_are_timed(precision, training) -> None:
    case = Case("tiny", TINY, inputs=3, hidden=4)
    row = gpu_runs.measure_run(case, precision, training=training, **BRIEF)
    assert row["share_of_allowed"] <= 1
    assert row["rounds"] == 3
    names = {"torch packed", "torch padded"}
    names |= {"run_rnn packed", "run_rnn ragged"}
    if precision != "float16":  # which cannot shut a pad off
        names |= {f"slabs at {share}" for share in gpu_slabs.SHARES}
        assert row["ratios"]["slabs_to_packed"] > 0
    assert set(row["ways"]) == names


def test_gpu_padded_run_in_two_directions_is_no_yardstick() -> None:
    case = Case("tiny", TINY, "GRU", 3, 4, layers=2, bidirectional=True)
    row = gpu_runs.measure_run(case, "ieee", training=True, **BRIEF)
    assert row["share_of_allowed"] <= 1
    assert set(row["ratios"]) == {
        "padded_to_packed",
        "run_rnn_to_best",
        "ragged_to_best",
    }


def test_gpu_conversions_are_shares_of_a_copy() -> None:
    row = gpu_moves.measure_moves(TINY, 2**16, **BRIEF)
    ways, shares = row["ways"], row["share_of_copy"]
    assert shares["copy"] == 1
    # Both read and write each value once, so time alone sets them apart.
    assert shares["to_packed"] == pytest.approx(
        ways["copy"]["ms"] / ways["to_packed"]["ms"]
    )
    assert {"to_nested", "from_nested", "pack_sequence"} <= set(ways)


# On a CPU PyTorch takes a detour over the older kind of nested tensors.
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("training", [False, True])
def test_gpu_attention_agrees(training) -> None:
    row = gpu_attention.measure_attention(
        TINY, "ieee", training=training, **BRIEF
    )
    assert row["share_of_allowed"] <= 1
    assert row["ratios"]["padded_to_nested"] > 0


def test_gpu_waits_are_counted_on_cuda_alone() -> None:
    waits = gpu_waits.measure_waits(CPU)["waits"]
    assert len(waits) == 7
    assert all(one == {"ours": None, "torch": None} for one in waits.values())


def test_gpu_cases_reach_what_was_asked() -> None:
    found = list(gpu_cases.cases(full=True))
    for size, most in (
        (lambda case: len(case.lengths), 4096),
        (lambda case: max(case.lengths), 4096),
        (lambda case: case.hidden, 1024),
    ):
        assert max(size(case) for case, _ in found) >= 0.9 * most
    base = [one for one in found if one[0].name == "base"]
    assert [precision for _, precision in base] == list(gpu_cases.ALLOWED)
    assert gpu_cases.padding(base[0][0]) == pytest.approx(0.5, abs=0.02)
    assert base[0][0].hidden == 512


def test_gpu_cases_that_do_not_fit_are_named(monkeypatch) -> None:
    labels, rows = [], []
    monkeypatch.setattr(gpu, "LONGEST_S", -1.0)
    for label, run in gpu.jobs(full=True, device=CPU):
        labels.append(label)
        rows += run()
    assert len(set(labels)) == len(rows) == len(labels)
    reasons = {row["skipped"] for row in rows}
    assert "the -1 seconds of the suite were over" in reasons
    assert any(reason.startswith("needs about 6") for reason in reasons)
    shown = tables.everything({"gpu": {"cases": rows, "gpu": {"name": "x"}}})
    assert "| run, largest, bfloat16, training | needs about" in shown
    assert "| name | x |" in shown


def test_gpu_memory_that_runs_out_is_named() -> None:
    def fail():
        raise torch.cuda.OutOfMemoryError("no")

    (row,) = gpu._measure({"kind": "run"}, 0, fail, CPU, float("inf"))
    assert row == {"kind": "run", "skipped": "ran out of memory"}


def test_without_a_gpu_nothing_is_measured(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.describe() == {}
    assert not list(gpu.jobs(full=True))
    with pytest.raises(SystemExit, match="gpu: PyTorch finds no CUDA device"):
        command.main(["--only", "gpu", "--out", str(tmp_path)])
    assert not list(tmp_path.iterdir())
    assert "gpu" not in command.parse([]).only


def gpu_row(padded=3.0, packed=2.0, ours=2.0):
    return {
        "kind": "run",
        "case": "base",
        "precision": "ieee",
        "run": "training",
        "mixed": True,
        "bidirectional": False,
        "share_of_allowed": 0.1,
        "ways": {
            "torch packed": {"ms": packed},
            "torch padded": {"ms": padded},
            "run_rnn packed": {"ms": ours},
        },
        "ratios": {"padded_to_packed": padded / packed},
    }


def test_gpu_figures() -> None:
    rows = [gpu_row(), {**gpu_row(padded=9, ours=2.25), "run": "forward"}]
    assert judge("padded: packed 1.5", gpu=of(*rows)).verdict == "met"
    assert judge("GPU: run_rnn", gpu=of(*rows)).verdict == "met"
    rows += [gpu_row(padded=2.9, ours=2.3)]
    target = judge("padded: packed 1.5", gpu=of(*rows))
    assert (target.verdict, target.where) == ("missed", "base, ieee, training")
    assert judge("GPU: run_rnn", gpu=of(*rows)).verdict == "missed"
    for share, size, verdict in (
        (0.6, 256, "met"),
        (0.5, 256, "missed"),
        (0.5, 4, "not measured"),
    ):
        row = {"kind": "conversions", "case": "x", "row_bytes": size}
        row["share_of_copy"] = {"to_packed": share}
        assert judge("bandwidth", gpu=of(row)).verdict == verdict
    for ours, verdict in ((1, "met"), (2, "missed"), (None, "not measured")):
        row = {"kind": "waits", "waits": {"x": {"ours": ours, "torch": 1}}}
        assert judge("waits", gpu=of(row)).verdict == verdict
    assert judge("ways agree", gpu=of(gpu_row())).verdict == "met"
    row = {"kind": "run", "case": "base", "skipped": "no memory"}
    assert judge("ways agree", gpu=of(row)).verdict == "not measured"


def test_a_stopwatch_numbers_its_runs() -> None:
    seen = []
    found = stopwatch.measure_on(
        CPU, {"a": seen.append}, budget_s=0.0, least=2
    )
    assert len(found["a"].ms) == 2
    repeats = (len(seen) - 2) // 2
    assert seen == [0, 1, *range(2 * repeats)]
