"""Run mutmut on one module, in a folder of its own that a later run takes up.

mutmut puts all variants of a function side by side into a copy of the module,
imports it and the tests once, and forks for each mutant: a process that
imported torch anew would take seconds.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mutmut.mutation.diff_apply import get_diff_for_mutant

from tools.mutate.results import (
    ROOT,
    Mutant,
    Result,
    definitions,
    digest_of_code,
    digest_of_tests,
    left_out,
    load,
    sort_out,
    test_files,
)

WORK = ROOT / ".mutate"
COPIED = ("tests", "tools", "examples", "benchmarks", "book", "pyproject.toml")
# Most of the time of a short run goes into what these leave out: other plugins
# of pytest, and the search for garbage after each run.
SHORT = (
    "-p",
    "no:cacheprovider",
    "-p",
    "no:unraisableexception",
    "-p",
    "tools.mutate.forking",
)
# A mutant that fills a list without end fails, before it fills the machine.
MOST_BYTES = 6 << 30
# mutmut's own words for how a test run ended. A kernel that is handed a shape
# without sense may divide by zero, and ends the process.
KILLED = 1, 3, -11, -8, -6
TIMEOUT, ALIVE = (36, -24, 24, 152, 255, -9), (0, 33)


def measure(module: str, processes: int) -> Result:
    """Run the mutants of a module that have no verdict yet; sum up."""
    folder = WORK / module
    # What is written while mutmut runs, it does not see.
    blank = Result(module, digest_of_code(module), digest_of_tests(module))
    stamp = {
        "code": blank.code,
        "definitions": sorted(definitions(module)),
        "left_out": left_out(module),
        "files": test_files(module),
    }
    again = _named_again(module, folder, stamp)
    if again is None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _note(folder, stamp)
    _set_up(module, folder)
    _mutmut(folder, ["run", f"--max-children={processes}", *(again or [])])
    _note(folder, stamp)
    return _sum_up(blank, folder)


def _named_again(
    module: str, folder: Path, stamp: dict[str, Any]
) -> list[str] | None:
    """Return the mutants to name to mutmut, or None where it starts anew.

    Where tests have only been added, those already killed stay killed. Unless
    some are named, mutmut runs those without a verdict.
    """
    try:
        note = json.loads((folder / "note.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    before, now = set(note["definitions"]), set(stamp["definitions"])
    # mutmut forgets its verdicts where it is told of other files.
    fixed = "code", "left_out", "files"
    same = all(note.get(x) == stamp[x] for x in fixed)
    if not same or not before <= now:
        return None
    open_ones = (*ALIVE, None)
    again = [name for name, c in _codes(module, folder) if c in open_ones]
    return again if before < now else []


def _note(folder: Path, stamp: dict[str, Any]) -> None:
    """Write down what the verdicts in the folder stand for."""
    (folder / "note.json").write_text(json.dumps(stamp), encoding="utf-8")


def _set_up(module: str, folder: Path) -> None:
    for name in ("packtutor", *COPIED):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(ROOT / name)
    settings = {
        "source_paths": ["packtutor/"],
        "only_mutate": [f"packtutor/{module}.py"],
        "also_copy": COPIED,
        "pytest_add_cli_args_test_selection": test_files(module),
        "pytest_add_cli_args": [
            *SHORT,
            *(f"--deselect={test}" for test in left_out(module)),
        ],
        "timeout_multiplier": ["4"],
        "use_git_change_detection": ["false"],
        "on_dependency_change": ["ignore"],
        "use_setproctitle": ["false"],
    }
    lines = [
        f"{name} =\n" + "".join(f"    {value}\n" for value in values)
        if len(values) > 1
        else f"{name} = {values[0]}\n"
        for name, values in settings.items()
    ]
    (folder / "setup.cfg").write_text(
        "[mutmut]\n" + "".join(lines), encoding="utf-8"
    )


def _mutmut(folder: Path, arguments: list[str]) -> None:
    settings = {
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [Path(sys.executable).with_name("mutmut"), *arguments]
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        code = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
            preexec_fn=_limit_memory,
        ).returncode
    if code:
        tail = (folder / "log.txt").read_text("utf-8", "replace")[-3000:]
        raise RuntimeError(f"mutmut ended with {code}:\n{tail}")


def _limit_memory() -> None:
    # macOS has no such limit.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))


def _codes(module: str, folder: Path) -> list[tuple[str, int | None]]:
    meta = folder / "mutants" / "packtutor" / f"{module}.py.meta"
    if not meta.is_file():
        return []
    return list(
        json.loads(meta.read_text("utf-8"))["exit_code_by_key"].items()
    )


def _sum_up(blank: Result, folder: Path) -> Result:
    module = blank.module
    codes = _codes(module, folder)
    strange = [
        (name, code)
        for name, code in codes
        if code not in (*KILLED, *TIMEOUT, *ALIVE)
    ]
    if strange:
        raise RuntimeError(f"{module}: no verdict for {strange[:5]}")
    names = [name for name, code in codes if code in ALIVE]
    alive = list(_describe(module, folder, names))
    equivalent, survived = sort_out(alive, load(module))
    return replace(
        blank,
        mutants=len(codes),
        timeouts=sum(code in TIMEOUT for _, code in codes),
        equivalent=equivalent,
        survived=survived,
    )


def _describe(module: str, folder: Path, names: list[str]) -> Iterator[Mutant]:
    """Yield the changes by their text."""
    with chdir(folder):
        for name in names:
            path = f"packtutor/{module}.py"
            lines = get_diff_for_mutant(name, path=path).splitlines()[2:]
            was, now = (
                " ".join(line[1:].strip() for line in lines if line[0] == sign)
                for sign in "-+"
            )
            function = name.split(".")[-1].rpartition("__mutmut_")[0]
            function = function.removeprefix("x_").removeprefix("xǁ")
            yield Mutant(function.replace("ǁ", "."), was, now)
