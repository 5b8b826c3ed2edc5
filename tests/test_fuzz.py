"""Fuzzing: 5,000 cases with a fixed seed, and that it finds what it should."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import mishaps
from tests.fuzz.runner import SHARES, run, share_out
from tests.fuzz.single import shrink, try_case
from tests.fuzz.source import SIZE, Source, make_bytes
from tests.fuzz.worker import find_case

ROOT = Path(__file__).resolve().parents[1]


def fuzz(*arguments):
    """Run the command; return its status and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *map(str, arguments)],
        cwd=ROOT,
        # Without what pytest-cov hands on to processes.
        env={k: v for k, v in os.environ.items() if "COV" not in k},
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=600,
    )
    return done.returncode, done.stdout + done.stderr


def test_five_thousand_cases():
    status, printed = fuzz("--cases", 5000, "--seed", 0, "--processes", 2)
    assert status == 0, printed
    table = {
        line.split()[0]: line.replace(",", "").split()[1:5]
        for line in printed.splitlines()
        if line.startswith((*SHARES, "all"))
    }
    assert [*table] == [*SHARES, "all"]
    for cases, accepted, refused, findings in table.values():
        # Both happen often: else the cases would try nothing.
        assert min(int(accepted), int(refused)) > 0.2 * int(cases)
        assert int(accepted) + int(refused) == int(cases)
        assert findings == "0"
    assert table["all"][0] == "5000"


def test_every_mishap_is_found():
    # One of these hangs and one crashes: each takes a while.
    seed, count = 26, 36
    found = run({"mishaps": count}, seed, processes=2, limit=5)["mishaps"]
    kinds, expected = [], []
    for number in range(count):
        source = Source(make_bytes(seed, "mishaps", number))
        kind = source.pick(mishaps.KINDS).__name__
        large = source.below(200) >= 100
        if kind != "behave" and (kind != "fail_from_a_hundred_on" or large):
            kinds.append(kind)
            expected.append(number)
    assert {kind.__name__ for kind in mishaps.KINDS} - {*kinds} == {"behave"}
    assert sorted(number for number, _ in found.findings) == expected
    assert found.cases == count
    assert found.accepted + found.refused == count - len(expected)
    texts = [text for _, text in sorted(found.findings)]
    said = {
        "hang": "longer than 5 s",
        "crash": "exit status",
        "warn": "UserWarning: careless",
        "raise_another": "IndexError: list index out of range",
        "refuse_what_is_right": "what is right was refused: number is",
        "name_nothing": "the error names none of ['number']: something is",
        "take_what_is_broken": "what is broken was taken: ",
        "change_its_argument": "AssertionError",
        "fail_from_a_hundred_on": "KeyError: ",
    }
    for kind, text in zip(kinds, texts, strict=True):
        assert said[kind] in text, kind


def test_a_failing_case_is_made_simpler():
    def case(source):
        source.note(first=source.below(256), sizes=source.shuffled(5))
        if source.notes["first"] >= 100:
            raise KeyError(source.notes["sizes"])
        # Another fault, which is not what is looked for.
        return [0][source.notes["first"]]

    data = next(
        data
        for number in range(100)
        if (data := make_bytes(0, "mishaps", number))[0] > 200
    )
    assert shrink(case, data) == bytes([100]).ljust(SIZE, b"\0")
    _, text = try_case(case, shrink(case, data))
    assert text.startswith("first = 100\nsizes = [0, 1, 2, 3, 4]\n")
    assert text.endswith("KeyError: [0, 1, 2, 3, 4]\n")


def test_the_command_ends_with_the_line_that_repeats():
    status, printed = fuzz("mishaps", "--cases", 3, "--processes", 1)
    assert status == 1
    command = "python -m tests.fuzz mishaps --seed 0 --case 0"
    assert f"    {command}" in printed.splitlines()
    status, printed = fuzz("mishaps", "--case", 5)
    assert status == 1
    first, simpler = printed.split("A simpler case:")
    assert "number = 166\n" in first
    assert "number = 0\n" in simpler
    for part in (first, simpler):
        assert "kind = 'name_nothing'" in part
        assert "Finding: the error names none of ['number']: some" in part


def test_cases_are_shared_out():
    counts = share_out(1_000_000, [*SHARES])
    assert sum(counts.values()) == 1_000_000
    assert min(counts.values()) >= 10_000
    assert share_out(10, ["ragged"]) == {"ragged": 10}


def test_a_case_is_the_same_everywhere():
    assert make_bytes(0, "packed", 7)[:6].hex() == "42eb40f52ae8"
    source = Source(b"\x05\xff")
    assert [source.below(3), source.flag(), source.below(9)] == [2, True, 0]
    assert source.pick("ab") == "a"
    assert sorted(Source(bytes(range(9))).shuffled(9)) == [*range(9)]


@pytest.mark.parametrize("target", SHARES)
def test_without_bytes_there_is_still_a_case(target):
    assert find_case(target)(Source(b"")) in (True, False)
