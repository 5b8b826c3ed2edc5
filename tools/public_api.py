"""Record what is public, and say what a change of it asks for.

    python tools/public_api.py

writes tests/public_api.json: each name that book/api.md documents, its
parameters, fields, members, documented errors and what it returns, each option
of the command line, each key of `report --json` and of a sampler's state. The
record is that of the last release: book/stability.md says what may change
after it, and nothing is recorded against that.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import io
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import packtutor  # noqa: E402
from packtutor import __main__ as command_line  # noqa: E402

RECORD = ROOT / "tests" / "public_api.json"
COMMAND = "python tools/public_api.py"
# What a caller reaches by syntax, and how objects are shown.
SYNTAX = (
    *("__call__", "__contains__", "__eq__", "__getitem__", "__iter__"),
    *("__len__", "__repr__", "__str__"),
)
PLACED = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


# --- what is public -------------------------------------------------------


def describe() -> dict[str, str]:
    """Return each public thing and what it is, in the order of its name."""
    found = dict(_names())
    found.update(_options(command_line._parser(), "packtutor"))  # noqa: SLF001
    found.update(_keys("packtutor report --json:", _report()))
    sampler = packtutor.BucketBatchSampler([3, 2, 1], max_cells=4)
    name = "packtutor.BucketBatchSampler.state_dict():"
    found.update(_keys(name, sampler.state_dict(0)))
    return dict(sorted(found.items()))


def _names() -> Iterator[tuple[str, str]]:
    text = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
    yield "packtutor.__version__", "str"
    for kind, name in re.findall(
        r"^\.\. (?:auto|py:)(\w+):: (\S+)", text, re.M
    ):
        if kind == "module":
            module = importlib.import_module(name)
            for member, found in vars(module).items():
                is_own = getattr(found, "__module__", None) == name
                if is_own and not member.startswith("_"):
                    yield from _describe(f"{name}.{member}", found)
        else:
            place, _, member = name.rpartition(".")
            found = getattr(importlib.import_module(place), member)
            yield from _describe(name, found)


def _describe(name: str, found: Any) -> Iterator[tuple[str, str]]:
    if inspect.isclass(found):
        yield from _describe_class(name, found)
    elif inspect.isfunction(found):
        yield name, "function"
        yield from _describe_call(name, found)
    else:
        yield name, type(found).__name__


def _describe_class(name: str, found: type) -> Iterator[tuple[str, str]]:
    bases = [base.__name__ for base in found.__bases__ if base is not object]
    yield name, " of ".join(["class", *bases])
    yield from _errors(name, found)
    if "__init__" in vars(found):
        yield from _describe_call(name, found, returns=False)
    defaults = getattr(found, "_field_defaults", {})
    for number, field in enumerate(getattr(found, "_fields", ()), 1):
        default = f", = {defaults[field]!r}" if field in defaults else ""
        yield f"{name}.{field}", f"field {number}{default}"
    for member in dir(found):
        inner = inspect.getattr_static(found, member)
        function = getattr(inner, "__func__", getattr(inner, "fget", inner))
        path = getattr(getattr(function, "__code__", None), "co_filename", "")
        if member.startswith("_") and member not in SYNTAX:
            continue
        if inspect.ismemberdescriptor(inner):  # a slot
            yield f"{name}.{member}", "field"
        elif Path(path).parent.name == "packtutor":
            kind = {
                classmethod: "class method",
                staticmethod: "static method",
                property: "property",
            }.get(type(inner), "method")
            yield f"{name}.{member}", kind
            yield from _describe_call(f"{name}.{member}", function)


def _describe_call(
    name: str, found: Any, *, returns: bool = True
) -> Iterator[tuple[str, str]]:
    signature = inspect.signature(found)
    place = 0
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind in PLACED:
            place += 1
            how = f"place {place}"
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                how += " only"
        else:
            how = parameter.kind.description
        if parameter.default is not inspect.Parameter.empty:
            how += f", = {parameter.default!r}"
        elif "variadic" not in how:
            how += ", required"
        yield f"{name}({parameter.name})", how
    if returns:
        yield f"{name} returns", str(signature.return_annotation)
        yield from _errors(name, found)


def _errors(name: str, found: Any) -> Iterator[tuple[str, str]]:
    text = inspect.getdoc(found) or ""
    part = re.search(r"^Raises:\n((?:    .*\n|\n)*)", f"{text}\n", re.M)
    if part:
        for error in re.findall(r"^    (\w+): ", part[1], re.M):
            yield f"{name} raises {error}", "documented"


def _options(
    parser: argparse.ArgumentParser, name: str
) -> Iterator[tuple[str, str]]:
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command, inner in action.choices.items():
                yield f"{name} {command}", "command"
                yield from _options(inner, f"{name} {command}")
            continue
        value = "flag" if action.nargs == 0 else "takes a value"
        if action.nargs == "+":
            value = "takes values"
        required = action.required or not action.option_strings
        if required:
            value += ", required"
        elif action.nargs != 0:
            value += f", = {action.default!r}"
        for option in action.option_strings or [str(action.metavar)]:
            yield f"{name} {option}", value


def _report() -> Any:
    """Return what `report --json` prints, with all that it can hold."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts"
        file.write_text("on your mark\nget set\ngo\n" * 3, encoding="utf-8")
        printed = io.StringIO()
        sizes = ["--input-size", "2", "--hidden-size", "2"]
        with contextlib.redirect_stdout(printed):
            command_line.main(
                ["report", str(file), "--json", "--measure", *sizes]
            )
    return json.loads(printed.getvalue())


def _keys(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if name[-1] not in ":]":
            yield name, "object"
        for key, inner in value.items():
            mark = " " if name[-1] == ":" else "."
            yield from _keys(f"{name}{mark}{key}", inner)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield name, "list"
        yield from _keys(f"{name}[]", value[0])
    else:
        is_number = isinstance(value, (int, float))
        kind = "number" if is_number else type(value).__name__
        yield name, "flag" if isinstance(value, bool) else kind


# --- what a change asks for -----------------------------------------------


def differences(old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    """Return what became of each thing: added, removed or changed."""
    found = {}
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            found[name] = "removed"
        elif name not in old:
            # Who calls or types what there was must now give one more.
            owner = re.sub(r"\(\w+\)$| [^ ]+$", "", name)
            breaks = owner in old and new[name].endswith(", required")
            found[name] = "changed" if breaks else "added"
        elif old[name] != new[name]:
            found[name] = "changed"
    return found


def problems(
    record: dict[str, Any], new: dict[str, str], version: str, changelog: str
) -> list[str]:
    """Return what forbids these changes; nothing if they may be released."""
    old, before = record["public"], record["version"]
    if not is_released(before, changelog):
        # No one relies on it yet.
        if (old, before) == (new, version):
            return []
        became = differences(old, new) or version
        return [
            (
                f"{before} is not released, so it may change; record it with "
                f"{COMMAND}: {became}"
            )
        ]
    found = []
    since = " ".join(
        text
        for heading, text in _sections(changelog)
        if heading == "Unreleased" or _numbers(heading) > _numbers(before)
    )
    for name, kind in differences(old, new).items():
        least = _least_version(before, kind)
        if _numbers(version) < _numbers(least):
            found.append(
                f"{name} was {kind} after {before}: __version__ is {version}, "
                f"and must be {least} or later"
            )
        missing = [
            word
            for word in _words(name)
            if not re.search(rf"(?<![\w-]){re.escape(word)}(?!\w)", since)
        ]
        if missing:
            found.append(
                f"{name} was {kind} after {before}: CHANGELOG.md must say so "
                f"under the new version or Unreleased, with "
                f"{' and '.join(missing)}"
            )
    return found


def to_record(record: dict[str, Any], version: str, changelog: str) -> bool:
    """Return whether a release has its date and is not recorded yet."""
    return record["version"] != version and is_released(version, changelog)


def is_released(version: str, changelog: str) -> bool:
    """Return whether the changelog gives a version its date."""
    heading = rf"^## {re.escape(version)}, \d{{4}}-\d\d-\d\d$"
    return re.search(heading, changelog, re.M) is not None


def _least_version(before: str, kind: str) -> str:
    major, minor, _ = _numbers(before)
    if kind == "added" or major == 0:
        return f"{major}.{minor + 1}.0"
    return f"{major + 1}.0.0"


def _sections(changelog: str) -> list[tuple[str, str]]:
    """Return the version and the text of each section, or Unreleased."""
    parts = re.split(
        r"^## (Unreleased|\d+\.\d+\.\d+)\b", changelog, flags=re.M
    )
    return list(zip(parts[1::2], parts[2::2], strict=True))


def _numbers(version: str) -> tuple[int, int, int]:
    major, minor, patch = map(int, version.split("."))
    return major, minor, patch


def _words(name: str) -> list[str]:
    """Return the words by which an entry names a thing: its last parts."""
    if ": " in name:
        return re.findall(r"\w+", name)[-1:]
    if name.startswith("packtutor "):
        return name.split()[-1:]
    name = name.removesuffix(" returns").replace(" raises ", " ")
    return re.findall(r"\w+", name.rpartition(".")[2])


# --- the record -----------------------------------------------------------


def read_record() -> dict[str, Any]:
    """Return the record of the last release."""
    found: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def read_changelog() -> str:
    """Return CHANGELOG.md."""
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def main() -> None:
    """Record what is public now, if it may be released as it is."""
    new, version = describe(), packtutor.__version__
    changelog = read_changelog()
    if RECORD.exists():
        record = read_record()
        if is_released(record["version"], changelog):
            found = problems(record, new, version, changelog)
            if found:
                sys.exit("\n".join(found))
            if not is_released(version, changelog):
                sys.exit(
                    f"{version} has no date in CHANGELOG.md: until it is "
                    f"released, the record stays that of {record['version']}"
                )
    text = json.dumps({"version": version, "public": new}, indent=1)
    RECORD.write_text(f"{text}\n", encoding="utf-8")
    print(f"{RECORD.name} records {len(new)} things of {version}")


if __name__ == "__main__":
    main()
