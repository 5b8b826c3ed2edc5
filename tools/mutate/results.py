"""Read, write and judge what mutation testing found: tests/mutants/*.toml."""

from __future__ import annotations

import ast
import hashlib
import json
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.digest import strip

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "packtutor"
STORED = ROOT / "tests" / "mutants"
MAPPING = Path(__file__).with_name("tests.toml")
LEAST_SHARE = 0.95
# With these decorators alone, mutmut changes a function.
_TRANSPARENT = ("staticmethod", "classmethod")


class Mutant(NamedTuple):
    """One change of one function, by its text: its number would move."""

    function: str
    was: str
    now: str


@dataclass
class Group:
    """Mutants that live for one and the same reason."""

    reason: str
    mutants: list[Mutant]


@dataclass
class Result:
    """What one module's mutants came to."""

    module: str
    code: str
    tests: str
    mutants: int = 0
    timeouts: int = 0
    equivalent: list[Group] = field(default_factory=list)
    survived: list[Group] = field(default_factory=list)

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many were killed, cannot be, and survived."""
        alike, alive = (
            sum(len(group.mutants) for group in groups)
            for groups in (self.equivalent, self.survived)
        )
        return self.mutants - alike - alive, alike, alive

    @property
    def share(self) -> float:
        """Share of the killed among those that a test can kill."""
        killed, _, alive = self.counts
        return killed / (killed + alive) if killed + alive else 1.0


# --- what belongs to a module ---------------------------------------------


def modules() -> list[str]:
    """Return the names of all modules that have a function to change."""
    return sorted(
        path.stem
        for path in PACKAGE.glob("*.py")
        if _changes(ast.parse(path.read_text(encoding="utf-8")))
    )


def _changes(tree: ast.Module | ast.ClassDef) -> bool:
    """Tell whether mutmut changes something: most decorators keep it out."""
    return any(
        _changes(node)
        if isinstance(node, ast.ClassDef)
        else isinstance(node, ast.FunctionDef)
        and all(
            isinstance(word, ast.Name) and word.id in _TRANSPARENT
            for word in node.decorator_list
        )
        for node in tree.body
    )


def test_files(module: str) -> list[str]:
    """Return a module's test files: those listed, or that of its own name."""
    names = _mapping()["files"].get(module, [module.strip("_")])
    return [f"tests/test_{name}.py" for name in names]


def left_out(module: str) -> list[str]:
    """Return those tests of a module that are not run on its mutants."""
    files = test_files(module)
    return [
        test
        for test in _mapping()["leave_out"]
        if test.split("::")[0] in files
    ]


def _mapping() -> dict[str, Any]:
    return tomllib.loads(MAPPING.read_text(encoding="utf-8"))


def digest_of_code(module: str) -> str:
    """Fingerprint a module without its comments and docstrings."""
    source = (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
    return _fingerprint(strip(source))


def digest_of_tests(module: str) -> str:
    """Fingerprint the test files of a module."""
    return _fingerprint("\n".join(sorted(definitions(module))))


def definitions(module: str) -> set[str]:
    """Fingerprint each statement of a module's test files.

    Where all that were there are there still, what was killed stays killed.
    """
    return {
        _fingerprint(f"{name} {text}")
        for name in test_files(module)
        for text in statements((ROOT / name).read_text(encoding="utf-8"))
    }


def statements(source: str) -> list[str]:
    """Return the statements of a file; a table's entries one by one.

    So are the names that are imported: to add one changes no other.
    """
    found = []
    for node in ast.parse(strip(source)).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List):
            target = ast.unparse(node.targets[0])
            found += [f"{target}: {ast.unparse(e)}" for e in node.value.elts]
        elif isinstance(node, ast.ImportFrom):
            origin = f"from {node.module} import"
            found += [f"{origin} {ast.unparse(name)}" for name in node.names]
        else:
            found.append(ast.unparse(node))
    return found


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_current(result: Result) -> bool:
    """Tell whether neither the module nor its tests have changed since."""
    return (result.code, result.tests) == (
        digest_of_code(result.module),
        digest_of_tests(result.module),
    )


# --- reasons --------------------------------------------------------------


def sort_out(
    alive: list[Mutant], known: Result | None
) -> tuple[list[Group], list[Group]]:
    """Give the mutants that live the reasons that were written for them.

    Returns:
        The groups of the equivalent ones, and those of the survivors. A
        mutant without a reason becomes a survivor whose reason is empty.
    """
    left = Counter(alive)
    kept: tuple[list[Group], list[Group]] = ([], [])
    if known:
        kinds = zip((known.equivalent, known.survived), kept, strict=True)
        for groups, into in kinds:
            for group in groups:
                still = [
                    mutant for mutant in group.mutants if _take(left, mutant)
                ]
                if still and group.reason:
                    into.append(Group(group.reason, still))
                else:
                    left.update(still)
    unknown = sorted(left.elements())
    if unknown:
        kept[1].append(Group("", unknown))
    return kept


def _take(left: Counter[Mutant], mutant: Mutant) -> bool:
    left[mutant] -= 1
    if left[mutant] >= 0:
        return True
    left[mutant] = 0
    return False


def problems(result: Result) -> list[str]:
    """Return what a stored result may not say, in words."""
    found = []
    if min(result.counts) < 0 or result.timeouts > result.counts[0]:
        found.append(f"{result.module}: the counts do not add up")
    if result.share < LEAST_SHARE:
        found.append(
            f"{result.module}: {result.share:.1%} of its mutants are killed; "
            f"it must be at least {LEAST_SHARE:.0%}"
        )
    found += [
        f"{result.module}: no reason is given for {group.mutants[0]}"
        for group in [*result.equivalent, *result.survived]
        if len(group.reason.split()) < 3
    ]
    return found


# --- files ----------------------------------------------------------------


def load(module: str) -> Result | None:
    """Return the stored result of a module, or None."""
    path = STORED / f"{module}.toml"
    return parse(path.read_text(encoding="utf-8")) if path.is_file() else None


def load_all() -> dict[str, Result]:
    """Return all stored results, by module."""
    found = {}
    for path in sorted(STORED.glob("*.toml")):
        found[path.stem] = parse(path.read_text(encoding="utf-8"))
    return found


def store(result: Result) -> None:
    """Write the result of a module."""
    STORED.mkdir(exist_ok=True)
    path = STORED / f"{result.module}.toml"
    path.write_text(render(result), encoding="utf-8")


def parse(text: str) -> Result:
    """Read what ``render`` wrote, with the reasons that were added."""
    stored = tomllib.loads(text)
    groups = [
        [
            Group(group["reason"], [Mutant(**m) for m in group["mutants"]])
            for group in stored.get(kind, [])
        ]
        for kind in ("equivalent", "survived")
    ]
    fields = ("module", "code", "tests", "mutants", "timeouts")
    result = Result(*(stored[name] for name in fields), *groups)
    if (stored["killed"], *map(_size, groups)) != result.counts:
        raise ValueError(f"{result.module}: the counts do not add up")
    return result


def _size(groups: list[Group]) -> int:
    return sum(len(group.mutants) for group in groups)


def render(result: Result) -> str:
    """Return a result as TOML, for people to read and to write reasons in."""
    lines = [
        f"module = {_quote(result.module)}",
        f"code = {_quote(result.code)}",
        f"tests = {_quote(result.tests)}",
        f"mutants = {result.mutants}",
        f"killed = {result.counts[0]}",
        f"timeouts = {result.timeouts} # of those killed",
    ]
    for kind in ("equivalent", "survived"):
        for group in getattr(result, kind):
            lines += ["", f"[[{kind}]]", f"reason = {_quote(group.reason)}"]
            lines += ["mutants = [", *map(_render_mutant, group.mutants), "]"]
    return "\n".join(lines) + "\n"


def _render_mutant(mutant: Mutant) -> str:
    pairs = [
        f"{name} = {_quote(text)}"
        for name, text in zip(mutant._fields, mutant, strict=True)
    ]
    return f"  {{ {', '.join(pairs)} }},"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def table(results: dict[str, Result]) -> str:
    """Return a table of the results, and what is out of date or missing."""
    head = "module", "mutants", "killed", "equivalent", "survived", "share"
    rows = [
        (name, result.mutants, *result.counts, f"{result.share:.1%}")
        for name, result in results.items()
    ]
    sums = [sum(row[i] for row in rows) for i in range(1, 5)]
    if rows:
        possible = sums[1] + sums[3]
        share = f"{sums[1] / possible:.1%}" if possible else "-"
        rows.append(("all of these", *sums, share))
    lines = [
        f"{name:<16}" + "".join(f"{cell!s:>11}" for cell in cells)
        for name, *cells in [head, *rows]
    ]
    return "\n".join([*lines, *remarks(results)])


def remarks(results: dict[str, Result]) -> list[str]:
    """Say which modules were changed since, and which never measured."""
    missing = [name for name in modules() if name not in results]
    changed = [
        name
        for name, result in results.items()
        if name in modules() and not is_current(result)
    ]
    found = []
    if changed:
        found.append(f"changed since, or their tests: {', '.join(changed)}")
    if missing:
        found.append(f"not measured yet: {', '.join(missing)}")
    return found
