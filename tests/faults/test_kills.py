"""The trainer killed, in the middle of anything, loses nothing.

The kills are real ones (SIGKILL), at random moments and at chosen ones, also
with half a checkpoint written. ``make faults`` kills 50 times.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from making import ROOT, posix
from trainer_runs import TINY, assert_equal, end, outcome

MOMENTS = [
    ("in a step", 1),
    ("half a checkpoint", 1),
    ("in a step", 8),
    ("in the validation", 1),
    ("before the old one is replaced", 2),
    ("after the old one is replaced", 2),
    ("half a checkpoint", 3),
    ("in the validation", 1),
]


def test_killed_again_and_again_it_ends_with_the_same_weights(
    start, tmp_path, all_faults
):
    kills = 50 if all_faults else 20
    folders = [tmp_path / name for name in ("whole", "timed", "killed")]
    for folder in folders:
        folder.mkdir()
    whole, timed, path = (folder / "run.pt" for folder in folders)
    end(start([*TINY, f"--checkpoint={whole}"]))
    began = time.perf_counter()
    end(start([*TINY, f"--checkpoint={timed}"]))
    duration = time.perf_counter() - began
    expected = outcome(whole)
    assert_equal(outcome(timed), expected)

    dice = random.Random(0)
    deaths = MOMENTS * (kills // 20)
    deaths += [None] * (kills - len(deaths))
    dice.shuffle(deaths)
    arguments = [*TINY, f"--checkpoint={path}", "--resume"]
    places, left, done, finished = set(), set(), 0, 0
    while deaths:
        process = start(arguments, deaths[-1])
        if deaths[-1] is None:
            process.join(dice.uniform(0, duration))
            process.kill()
        process.join(120)
        if process.exitcode == 0:  # at its end before it was killed
            assert_equal(outcome(path), expected)
            path.unlink()
            finished += 1
            assert finished < 1.5 * kills
            continue
        assert process.exitcode != 2
        deaths.pop()
        done += 1
        left |= {file.name for file in path.parent.iterdir()}
        if path.exists():
            state = torch.load(path, weights_only=True)
            places.add((state["epoch"], len(state["steps"])))
    end(start(arguments))
    assert_equal(outcome(path), expected)
    assert done == kills
    assert len(places) > 4
    # The kills left halves and locks behind; the end has left none.
    assert left == {"run.pt", "run.pt.partial", "run.pt.lock"}
    assert list(path.parent.iterdir()) == [path]
    print(  # noqa: T201 (pytest -s shows what the dice have met)
        f"killed {done} times, ended {finished + 1} times; went on from "
        f"(epoch, steps) {sorted(places)}"
    )


def test_with_workers_it_ends_with_the_same_weights(start, tmp_path):
    whole, path = tmp_path / "whole", tmp_path / "killed"
    end(start([*TINY, "--epochs=2", f"--checkpoint={whole}"]))
    arguments = [*TINY, "--epochs=2", "--workers=2", f"--checkpoint={path}"]
    process = start(arguments, ("in a step", 8))
    process.join(120)
    assert process.exitcode not in (0, 2)
    # At once: its workers, which outlive it for a while, hold no lock.
    end(start([*arguments, "--resume"]))
    assert_equal(outcome(path), outcome(whole))


_WORK = """
import multiprocessing, sys, time, torch
from examples.batches import make_loader
if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    samples = [(torch.ones(2), 0)] * 4
    loader = iter(make_loader(samples, [[0], [1], [2], [3]], workers=2))
    next(loader)
    print(*[worker.pid for worker in loader._workers], flush=True)
    time.sleep(100)
"""


@posix
@pytest.mark.parametrize("way", ["fork", "forkserver", "spawn"])
def test_no_worker_outlives_a_killed_trainer(tmp_path, all_faults, way):
    if way != "forkserver" and not all_faults:
        pytest.skip("PyTorch sees to it there: make faults looks")
    script = tmp_path / "work.py"
    script.write_text(_WORK, "utf-8")
    with subprocess.Popen(
        [sys.executable, script, way],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    ) as process:
        workers = list(map(int, process.stdout.readline().split()))
        assert len(workers) == 2
        process.kill()
    deadline = time.monotonic() + 30
    while workers and time.monotonic() < deadline:
        time.sleep(0.1)
        workers = [worker for worker in workers if is_running(worker)]
    assert workers == []


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Where nobody asks for its end, a process stays on as a zombie.
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or ") Z " not in state.read_text("utf-8")
