"""Train the example: killed, resumed, on two processes, and in bad luck."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tolerances import assert_close
from trainer_runs import TINY, assert_equal, outcome

from examples import train
from examples.batches import make_batches, make_loader
from examples.checkpoints import (
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
)
from examples.model import STRATEGIES, Classifier
from examples.settings import Settings, read_settings
from examples.splitting import (
    find_near_copies,
    group_sources,
    split_by_source,
)
from examples.task import (
    bag_of_words_accuracy,
    load_task,
    majority_accuracy,
)
from examples.training import evaluate, train_epoch
from packtutor import Paragraph, Ragged, python_help_paragraphs

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def task():
    return load_task()


@pytest.fixture(scope="module")
def tiny():
    return load_task(limit=500)


# --- the task -------------------------------------------------------------


def test_no_source_and_no_near_copy_is_on_both_sides():
    paragraphs = python_help_paragraphs()
    split = split_by_source(paragraphs)
    train_sources, valid_sources = (
        {paragraph.source for paragraph in side} for side in split
    )
    assert train_sources | valid_sources == {p.source for p in paragraphs}
    assert not train_sources & valid_sources
    copies = find_near_copies(paragraphs)
    assert len(copies) > 10  # else nothing is tested
    for pair in copies:
        sides = {paragraphs[place].source in valid_sources for place in pair}
        assert len(sides) == 1


def test_each_kind_is_on_both_sides(task):
    assert task.kinds == ("class", "function", "module", "topic")
    for label in range(4):
        counts = [
            sum(found == label for _, found in side)
            for side in (task.train, task.valid)
        ]
        assert 0.15 < counts[1] / sum(counts) <= 0.2
    assert task.train_lengths.tolist() == [len(ids) for ids, _ in task.train]
    assert task.valid_lengths.tolist() == [len(ids) for ids, _ in task.valid]
    assert min(task.train_lengths.min(), task.valid_lengths.min()) >= 1


def test_near_copies_by_hand():
    texts = ["a b c d e f", "A b c d e f g", "a b c d e x y", "a b", "A B"]
    paragraphs = [
        Paragraph(text, "module", source)
        for text, source in zip(texts, "vwxyz", strict=True)
    ]
    # 2 of 3 runs in common; of 2 and 3 only one, a quarter.
    assert find_near_copies(paragraphs) == [(0, 1), (3, 4)]
    assert group_sources(paragraphs) == {
        "v": "v",
        "w": "v",
        "x": "x",
        "y": "y",
        "z": "y",
    }


def test_the_split_does_not_depend_on_the_seed_of_hashes():
    code = (
        "from examples.task import load_task\n"
        "task = load_task(limit=500)\n"
        "print([label for _, label in task.valid], list(task.vocabulary))\n"
    )
    first, second = (
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout
        for seed in ("1", "2")
    )
    assert first == second


def test_the_control_moves_the_labels_of_the_training_alone(tiny):
    control = load_task(limit=500, shuffle_labels=True)
    own, moved = ([label for _, label in t.train] for t in (tiny, control))
    assert own != moved
    assert sorted(own) == sorted(moved)
    for one, other in zip(tiny.valid, control.valid, strict=True):
        assert torch.equal(one[0], other[0])
        assert one[1] == other[1]


def test_a_limit_that_leaves_a_kind_out_is_refused():
    with pytest.raises(ValueError, match="limit is 5; with it the"):
        load_task(limit=5)


def test_the_network_learns_and_its_control_does_not(tmp_path):
    sizes = ["--limit=3000", "--threads=1", "--epochs=5", "--device=cpu"]
    best = []
    for control in ([], ["--control"]):
        report = tmp_path / "report.json"
        assert train.main([*sizes, *control, f"--report={report}"]) == 0
        written = json.loads(report.read_text("utf-8"))
        best.append(written["best_accuracy"])
        assert len(written["epochs"]) >= written["best_epoch"] + 1
    majority = written["majority_accuracy"]
    assert best[1] < majority + 0.03
    assert best[0] > majority + 0.05


def test_a_bag_of_words_beats_the_majority(task):
    assert bag_of_words_accuracy(task, epochs=3) > majority_accuracy(task)


# --- batches and strategies -----------------------------------------------


@pytest.mark.parametrize("batches", ["budgeted", "shuffled"])
def test_shards_make_up_the_batches_of_one_process(tiny, batches):
    def make(*own):
        return make_batches(
            tiny.train_lengths,
            batches=batches,
            max_cells=400,
            shards=2,
            own=own,
        )

    joined, *parts = make(0, 1), make(0), make(1)
    for epoch in (0, 1):
        for sampler in (joined, *parts):
            sampler.set_epoch(epoch)
        together = [a + b for a, b in zip(*parts, strict=True)]
        assert list(joined) == together
        assert len(joined) == len(together)
        seen = sorted(index for batch in together for index in batch)
        assert seen == list(range(len(tiny.train)))
    again = make(0, 1)
    again.load_state_dict(joined.state_dict(3))
    assert list(again) == list(joined)[3:]
    again.set_epoch(2)
    joined.set_epoch(2)
    assert list(again) == list(joined)


def test_shuffled_batches_refuse_another_state_and_too_little():
    sampler, other = (
        make_batches(torch.ones(9), batches="shuffled", seed=seed)
        for seed in (0, 1)
    )
    with pytest.raises(ValueError, match="the state is of"):
        sampler.load_state_dict(other.state_dict(0))
    with pytest.raises(ValueError, match="too few for 2 shards"):
        make_batches(torch.ones(1), batches="shuffled", shards=2, own=[0])


def make_model(strategy, dtype=torch.float64):
    torch.manual_seed(0)
    return Classifier(
        50, 4, embedding_size=5, hidden_size=6, strategy=strategy
    ).to(dtype)


def test_strategies_share_weights_and_agree(device):
    batch = Ragged(torch.arange(2, 12), [3, 1, 6]).to(device)
    logits = {}
    for strategy in STRATEGIES:
        model = make_model(strategy).to(device).eval()
        logits[strategy] = model(batch)
    assert_close(logits["run_rnn"], logits["pack"])
    # A pad moves the backward direction of every sequence but the longest.
    assert_close(logits["pad"][2], logits["pack"][2])
    assert not torch.allclose(logits["pad"][:2], logits["pack"][:2])
    equal = Ragged(torch.arange(2, 12), [5, 5]).to(device)
    pad, pack = (
        make_model(strategy).to(device).eval()(equal)
        for strategy in ("pad", "pack")
    )
    assert_close(pad, pack)


def test_an_unknown_strategy_is_refused():
    with pytest.raises(ValueError, match="strategy is 'sort'; it must be"):
        make_model("sort")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_amp_stays_near_float32(tiny, strategy):
    scores = []
    for amp in (None, torch.bfloat16):
        torch.manual_seed(0)
        model = Classifier(
            len(tiny.vocabulary),
            4,
            embedding_size=8,
            hidden_size=8,
            strategy=strategy,
        )
        sampler = make_batches(tiny.train_lengths)
        loader = make_loader(tiny.train, sampler)
        adam = torch.optim.Adam(model.parameters())
        steps = list(train_epoch(model, loader, adam, amp=amp))
        assert sum(step.sequences for step in steps) == len(tiny.train)
        assert sum(step.tokens for step in steps) == tiny.train_lengths.sum()
        scores.append(evaluate(model, loader, amp=amp))
    assert scores[1].loss == pytest.approx(scores[0].loss, rel=0.02)


def test_the_score_is_over_sequences_not_batches():
    model = make_model("run_rnn").eval()
    ids, labels = (
        Ragged(torch.arange(2, 12), [3, 1, 6]),
        torch.tensor([0, 1, 2]),
    )
    parts = [
        (ids.index_select([0]), labels[:1]),
        (ids.index_select([1, 2]), labels[1:]),
    ]
    whole, cut = evaluate(model, [(ids, labels)]), evaluate(model, parts)
    assert cut == pytest.approx(whole, rel=1e-12)


# --- going on (tests/faults has the kills) --------------------------------


def test_a_finished_run_goes_on_with_more_epochs(tmp_path, capsys):
    paths = tmp_path / "short", tmp_path / "long"
    for path, epochs in zip(paths, (1, 2), strict=True):
        arguments = [*TINY, f"--epochs={epochs}", f"--checkpoint={path}"]
        assert train.main(arguments) == 0
    arguments = [*TINY, "--epochs=2", f"--checkpoint={paths[0]}", "--resume"]
    capsys.readouterr()
    assert train.main(arguments) == 0
    assert "going on from epoch 2, step 0 of" in capsys.readouterr().out
    assert_equal(outcome(paths[0]), outcome(paths[1]))
    assert train.main(arguments) == 0  # nothing is left to do
    said = capsys.readouterr().out
    assert "the run has ended after epoch 2: --epochs and --patience" in said
    assert "going on" not in said
    assert "epoch  " not in said


def test_it_stops_early(tmp_path):
    # Nothing is learned at such a rate: the first epoch stays the best.
    path = tmp_path / "report.json"
    slow = [*TINY, "--learning-rate=1e-30", "--patience=2", "--epochs=9"]
    assert train.main([*slow, f"--report={path}"]) == 0
    report = json.loads(path.read_text("utf-8"))
    assert report["best_epoch"] == 0
    assert len(report["epochs"]) == 3


# --- checkpoints ----------------------------------------------------------


def test_a_checkpoint_comes_back(tmp_path):
    path = tmp_path / "checkpoint"
    state = {"arguments": {"seed": 1}, "weights": torch.ones(3)}
    save_checkpoint(path, state)
    assert_equal(load_checkpoint(path, {"seed": 1}), state)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint"]


def test_a_checkpoint_of_other_arguments_is_refused(tmp_path):
    path = tmp_path / "checkpoint"
    save_checkpoint(path, {"arguments": {"seed": 1}})
    with pytest.raises(CheckpointError, match="saved with seed = 1; this run"):
        load_checkpoint(path, {"seed": 2})


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "text", "other"])
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    path = tmp_path / "checkpoint"
    save_checkpoint(path, {"arguments": {}, "weights": torch.zeros(1000)})
    content = bytearray(path.read_bytes())
    if damage == "bit":
        content[content.find(bytes(1000)) + 500] ^= 1
    elif damage == "other":
        torch.save([1], path)
        content = bytearray(path.read_bytes())
    else:
        size = len(content) // 2
        content = {"cut": content[:size], "empty": b"", "text": b"x"}[damage]
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is damaged or no checkpoint"):
        load_checkpoint(path, {})


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("model", None),
        ("model", {}),
        ("epoch", "2"),
        ("steps", 3),
        ("history", [1]),
        ("history", None),
        ("sampler", {}),
        ("optimiser", {}),
        ("generators", [torch.zeros(3)]),
        ("seconds", "long"),
    ],
)
def test_a_checkpoint_without_its_state_is_refused(
    tmp_path, part, value, capsys
):
    path = tmp_path / "checkpoint"
    arguments = [*TINY, "--epochs=1", f"--checkpoint={path}"]
    assert train.main(arguments) == 0
    state = torch.load(path, weights_only=True)
    state[part] = value
    save_checkpoint(path, state)
    kept = path.read_bytes()
    assert train.main([*arguments, "--resume"]) == 2
    assert f"{path} holds no state of this run; " in capsys.readouterr().err
    assert path.read_bytes() == kept


def test_a_report_that_cannot_be_written_is_said_before_the_training(
    tmp_path, capsys, monkeypatch
):
    def refuse(**_):
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("packtutor._files.tempfile.TemporaryFile", refuse)
    path = tmp_path / "report.json"
    assert train.main([*TINY, f"--report={path}"]) == 1
    said = capsys.readouterr()
    assert f"{path} cannot be written: Permission denied" in said.err
    assert said.out == ""


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX device file")
def test_a_checkpoint_is_no_device(capsys):
    with pytest.raises(SystemExit, match="2"):
        read_settings(["--checkpoint=/dev/null", "--resume"])
    assert "/dev/null is no regular file" in capsys.readouterr().err


def test_a_checkpoint_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        load_checkpoint(tmp_path / "checkpoint", {})


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch, capsys):
    path = tmp_path / "checkpoint"
    arguments = [*TINY, "--epochs=1", f"--checkpoint={path}"]
    assert train.main(arguments) == 0
    before = path.read_bytes()

    def fail(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    assert train.main([*arguments, "--resume", "--epochs=2"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    assert train.main([*arguments, "--resume", "--epochs=2"]) == 0


# --- two processes --------------------------------------------------------


@pytest.mark.skipif(
    sys.platform == "win32", reason="torchrun wants a libuv that is not there"
)
def test_two_processes_take_the_steps_of_one(tmp_path):
    exact = [*TINY, "--dtype=float64", "--dropout=0", "--limit=300"]
    paths = {name: tmp_path / name for name in ("one", "two", "report")}
    one = [*exact, "--epochs=2", "--shards=2", f"--checkpoint={paths['one']}"]
    assert train.main(one) == 0
    # Two processes, stopped after an epoch and resumed.
    for epochs in (1, 2):
        run = subprocess.run(
            [
                *(sys.executable, "-m", "torch.distributed.run"),
                *("--standalone", "--nproc-per-node=2", "examples/train.py"),
                *exact,
                f"--epochs={epochs}",
                f"--checkpoint={paths['two']}",
                *(["--resume"] if epochs == 2 else []),
                f"--report={paths['report']}",
            ],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=300,
        )
        assert run.returncode == 0, run.stderr
        assert run.stdout.count("best: epoch") == 1  # one process speaks
    states = [
        torch.load(paths[name], weights_only=True) for name in ("one", "two")
    ]
    assert len(states[1]["generators"]) == 2
    for own, other in zip(*[s["history"] for s in states], strict=True):
        assert own["step_losses"] == pytest.approx(
            other["step_losses"], rel=0, abs=1e-9
        )
        for name in ("train_loss", "valid_loss", "valid_accuracy"):
            assert own[name] == pytest.approx(other[name], rel=0, abs=1e-9)
        assert own["tokens"] == other["tokens"]
    for name, weight in states[0]["model"].items():
        error = (weight - states[1]["model"][name]).abs().max()
        assert error < 1e-9, name


# --- the command ----------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("--epochs 0", "'0' is no whole number from 1 on"),
        ("--dropout 1", "'1' is not from 0 to below 1"),
        ("--learning-rate nan", "'nan' is not above 0"),
        ("--learning-rate x", "'x' is no number"),
        ("--strategy sort", "invalid choice: 'sort'"),
        ("--amp --dtype float64", "leave out --dtype"),
        ("--resume", "--resume needs --checkpoint FILE"),
        ("--checkpoint no/folder", "--checkpoint: there is no folder no"),
        ("--report examples", "--report: examples is a folder"),
        ("--checkpoint README.md", "README.md exists: go on from it with"),
        ("--checkpoint x.pt --report ./x.pt", "and --report are both x.pt"),
    ],
)
def test_a_wrong_argument_is_named(arguments, text, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit, match="2"):
        read_settings(arguments.split())
    assert text in capsys.readouterr().err


def test_a_link_in_a_circle_is_no_other_file(tmp_path, capsys):
    circle = tmp_path / "x.json"
    circle.symlink_to(circle)
    files = ["--checkpoint", str(tmp_path / "x.pt"), "--report", str(circle)]
    assert read_settings(files).report == circle
    with pytest.raises(SystemExit, match="2"):
        read_settings([*files[:2], "--report", files[1]])
    assert "--checkpoint and --report are both" in capsys.readouterr().err


def test_help_says_what_holds_where_nothing_is_given(capsys):
    with pytest.raises(SystemExit, match="0"):
        read_settings(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "None" not in text
    assert "as many as PyTorch takes, if left out --" in text
    assert "stop after so many (default: 10)" in text
    assert read_settings([]) == Settings()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("--device=nowhere", "it must name a device that PyTorch finds"),
        ("--limit=5", "limit is 5; with it the"),
        ("--checkpoint=README.md --resume", "README.md is damaged or no"),
        ("--device=meta", "a tensor on meta holds no numbers"),
        ("--hidden-size=2000000000", "--hidden-size 2000000000 cannot be"),
    ],
)
def test_what_cannot_be_is_said(arguments, text, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert train.main([*TINY, *arguments.split()]) == 2
    assert text in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX pipe")
def test_output_that_nobody_reads_is_not_the_checkpoint():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "examples/train.py", *TINY],
        cwd=ROOT,
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (
        1,
        b"train.py: error: standard output cannot be written: Broken pipe\n",
    )


@pytest.mark.parametrize("checkpoint", [True, False])
def test_an_interrupt_ends_quietly(tmp_path, capsys, monkeypatch, checkpoint):
    def interrupt(settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "train", interrupt)
    arguments = [f"--checkpoint={tmp_path / 'run'}"] if checkpoint else []
    assert train.main(arguments) == 130
    hint = "; --resume goes on" if checkpoint else ""
    assert capsys.readouterr().err == f"train.py: interrupted{hint}\n"


def test_it_trains_without_tqdm(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert train.main([*TINY, "--epochs=1", "--amp"]) == 0
    assert "best: epoch 1, accuracy" in capsys.readouterr().out


def test_a_bar_shows_where_someone_looks_on(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert train.main([*TINY, "--epochs=1"]) == 0
    assert "epoch 1:" in capsys.readouterr().err
