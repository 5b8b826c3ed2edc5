"""Two runs at once: one is refused, or each file is whole."""

import contextlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from making import ROOT, posix
from trainer_runs import TINY, assert_equal, end, outcome

from examples import train
from examples.locks import LockedError, hold


def python(code, *arguments, **options):
    """Start Python on some lines, from the root of the checkout."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **options,
    )


# --- the lock -------------------------------------------------------------

_HOLD = """
import sys
from pathlib import Path
from examples.locks import hold
with hold(Path(sys.argv[1])):
    print(flush=True)
    input()
"""


@contextlib.contextmanager
def held(path):
    """Have another process hold a lock."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with python(_HOLD, path, **pipes) as process:
        assert process.stdout.readline().strip() == b""
        yield process
        if process.poll() is None:
            process.communicate(b"\n")


def test_a_lock_that_is_held_is_refused_and_its_holder_named(tmp_path):
    path = tmp_path / "lock"
    with held(path) as process:
        for _ in range(2):
            with pytest.raises(LockedError) as raised, hold(path):
                pass
            assert str(raised.value).startswith(f"process {process.pid} on ")
    assert list(tmp_path.iterdir()) == []
    with hold(path):
        assert path.read_text("utf-8").startswith(f"process {os.getpid()} ")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_holds_nothing(tmp_path):
    path = tmp_path / "lock"
    with held(path) as process:
        process.kill()
        process.wait()
        assert path.exists()
        with hold(path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_given_back_after_an_error(tmp_path):
    path = tmp_path / "lock"
    with pytest.raises(RuntimeError), hold(path):
        raise RuntimeError
    with held(path):
        pass


_COUNT = """
import sys
from pathlib import Path
from examples.locks import LockedError, hold
folder = Path(sys.argv[1])
done = 0
while done < 200:
    try:
        with hold(folder / "lock"):
            count = int((folder / "count").read_text("utf-8"))
            (folder / "count").write_text(str(count + 1), "utf-8")
        done += 1
    except LockedError:
        pass
"""


def test_no_two_hold_it_at_once(tmp_path):
    (tmp_path / "count").write_text("0", "utf-8")
    processes = [python(_COUNT, tmp_path) for _ in range(4)]
    assert [process.wait(120) for process in processes] == [0] * 4
    assert (tmp_path / "count").read_text("utf-8") == "800"
    assert [file.name for file in tmp_path.iterdir()] == ["count"]


# --- the trainer ----------------------------------------------------------


def test_a_second_run_on_a_checkpoint_is_refused(tmp_path, capsys):
    path = tmp_path / "run.pt"
    with held(tmp_path / "run.pt.lock") as process:
        arguments = [*TINY, f"--checkpoint={path}"]
        for more in ([], ["--resume"]):
            assert train.main([*arguments, *more]) == 2
            errors = capsys.readouterr().err
            assert errors.startswith(
                f"train.py: error: {path} is in use by process {process.pid} "
            )
            assert "choose another --checkpoint" in errors
        assert not path.exists()


def test_two_runs_started_at_once_are_as_one(start, tmp_path):
    alone, path = tmp_path / "alone", tmp_path / "run.pt"
    end(start([*TINY, "--epochs=2", f"--checkpoint={alone}"]))
    arguments = [*TINY, "--epochs=2", f"--checkpoint={path}"]
    processes = [start(arguments) for _ in range(3)]
    for process in processes:
        process.join(120)
    assert sorted(process.exitcode for process in processes) == [0, 2, 2]
    assert_equal(outcome(path), outcome(alone))
    assert sorted(tmp_path.iterdir()) == [alone, path]


def test_a_checkpoint_that_came_meanwhile_is_kept(
    tmp_path, capsys, monkeypatch
):
    path = tmp_path / "run.pt"
    read = train.read_settings

    def read_then_lose(arguments):
        settings = read(arguments)
        path.write_bytes(b"of another run")
        return settings

    monkeypatch.setattr(train, "read_settings", read_then_lose)
    assert train.main([*TINY, f"--checkpoint={path}"]) == 2
    assert "exists: go on" in capsys.readouterr().err
    assert path.read_bytes() == b"of another run"


@posix
def test_a_refused_run_of_two_processes_ends(slow, tmp_path):
    command = [
        *(sys.executable, "-m", "torch.distributed.run"),
        *("--standalone", "--nproc-per-node=2", "examples/train.py", *TINY),
        f"--checkpoint={tmp_path / 'run.pt'}",
    ]
    with held(tmp_path / "run.pt.lock"):
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=120,
        )
    assert done.returncode == 1
    assert "is in use by process" in done.stderr
    assert list(tmp_path.iterdir()) == []


# --- one file, two writers ------------------------------------------------

_WRITE = """
import sys, time
from pathlib import Path
from packtutor._files import write_whole
path, content = Path(sys.argv[1]), sys.argv[2].encode() * int(sys.argv[3])
print("ready", flush=True)
end = float(input())
while time.time() < end:
    write_whole(path, content)
"""


@posix  # Windows does not replace a file that someone reads
def test_of_two_writers_each_leaves_a_whole_file(tmp_path):
    path = tmp_path / "file"
    whole = {b"1": 300_000, b"2": 500_000}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(
                python(_WRITE, path, mark.decode(), size, **pipes)
            )
            for mark, size in whole.items()
        ]
        for process in processes:
            stack.callback(process.kill)
            assert process.stdout.readline() == b"ready\n"
        end = time.time() + 3  # both have started: they write at once
        for process in processes:
            process.stdin.write(f"{end}\n".encode())
            process.stdin.flush()
        seen = set()
        while any(process.poll() is None for process in processes):
            with contextlib.suppress(FileNotFoundError):  # at first
                content = path.read_bytes()
                assert content == content[:1] * whole[content[:1]]
                seen.add(content[:1])
        assert [process.returncode for process in processes] == [0, 0]
    assert seen == set(whole)
    assert list(tmp_path.iterdir()) == [path]


def test_two_reports_into_one_figure(tmp_path):
    path = tmp_path / "report.png"
    batch = ROOT / "tests" / "reports" / "batch.txt"

    def report(size):
        return subprocess.run(
            [
                *(sys.executable, "-m", "packtutor", "report", batch),
                *("--figure", path, "--batch-size", size),
            ],
            cwd=ROOT,
            capture_output=True,
            check=False,
        )

    with ThreadPoolExecutor(2) as pool:
        for done in pool.map(report, ("2", "4")):
            assert (done.returncode, done.stderr) == (0, b"")
    image = path.read_bytes()
    assert image.startswith(b"\x89PNG")
    assert image.endswith(b"IEND\xaeB`\x82")
    assert list(tmp_path.iterdir()) == [path]
