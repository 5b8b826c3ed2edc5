"""The policy of book/stability.md: what may change in which version."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import pytest
from test_project import ROOT, load, read

import packtutor

POLICY = load(ROOT / "tools" / "public_api.py")
CHANGELOG = """# Changelog

## 2.4.0, unreleased

- Something else.

## 2.3.1, 2026-01-02

- `walk(slowly)`, `run`, --fast and the rest.
"""
PUBLIC = {
    "packtutor report": "command",
    "packtutor report --sort": "flag",
    "packtutor report --json: padding[].share": "number",
    "packtutor.Batch": "class of tuple",
    "packtutor.Batch.size": "field 1",
    "packtutor.run": "function",
    "packtutor.run raises ValueError": "documented",
    "packtutor.run returns": "int",
    "packtutor.run(far)": "place 1, required",
    "packtutor.run(fast)": "keyword-only, = True",
}
REMOVED = [
    "packtutor report --sort",
    "packtutor report --json: padding[].share",
    "packtutor.Batch.size",
    "packtutor.run",
    "packtutor.run raises ValueError",
    "packtutor.run(fast)",
]
CHANGED = {
    "packtutor report --sort": "takes a value, = None",
    "packtutor report --json: padding[].share": "str",
    "packtutor.Batch": "class",
    "packtutor.Batch.size": "field 2",
    "packtutor.run returns": "float",
    "packtutor.run(far)": "keyword-only, required",
    "packtutor.run(fast)": "keyword-only, = False",
    # New, but everyone who calls or types what there was has to give it.
    "packtutor report FILE": "takes a value, required",
    "packtutor.run(where)": "place 2, required",
}
ADDED = {
    "packtutor explain": "command",
    "packtutor report --long": "flag",
    "packtutor report --json: padding[].mean": "number",
    "packtutor.Batch.mean": "method",
    "packtutor.run raises TypeError": "documented",
    "packtutor.run(where)": "place 2, = None",
    "packtutor.walk": "function",
    "packtutor.walk(far)": "place 1, required",
}
BREAKING = [
    *((name, None) for name in REMOVED),
    *CHANGED.items(),
]


def problems(
    name: str, value: str | None, version: str, *entries: str, **given: Any
) -> list[str]:
    """What is said of one change after 2.3.1, or the version given."""
    new = {k: v for k, v in PUBLIC.items() if k != name}
    if value is not None:
        new[name] = value
    if value is not None and name.startswith("packtutor.walk("):
        new["packtutor.walk"] = "function"
    text = CHANGELOG.replace("- Something else.", "\n".join(entries) or "-")
    before = given.get("before", "2.3.1")
    if before != "2.3.1":
        text = text.replace("2.3.1", before).replace("2.4.0", version)
    record = {"version": before, "public": PUBLIC}
    found: list[str] = POLICY.problems(record, new, version, text)
    return found


# Names each of the things above.
ENTRY = (
    "report --sort --long explain FILE padding share mean Batch size run "
    "far fast where returns ValueError TypeError walk"
)


# --- the package ----------------------------------------------------------


@pytest.fixture(scope="module")
def public() -> dict[str, str]:
    found: dict[str, str] = POLICY.describe()
    return found


def test_the_package_keeps_to_the_policy(public: dict[str, str]) -> None:
    changelog = POLICY.read_changelog()
    record = POLICY.read_record()
    found = POLICY.problems(record, public, packtutor.__version__, changelog)
    if POLICY.to_record(record, packtutor.__version__, changelog):
        found.append(
            f"{packtutor.__version__} has its date: record it with "
            f"{POLICY.COMMAND}"
        )
    if found:
        found.append("book/stability.md says what may change when")
        pytest.fail("\n".join(found), pytrace=False)


def test_each_public_name_is_recorded(public: dict[str, str]) -> None:
    assert {f"packtutor.{name}" for name in packtutor.__all__} <= set(public)
    for name in (
        "packtutor.pooling.mean(batch)",
        "packtutor.nn.convert",
        "packtutor.nn.LSTM.forward",
        "packtutor.batching.LabelledBatch.labels",
        "packtutor.figures.draw_layouts(docs)",
        "packtutor.Ragged.to_padded(padding_value)",
        "packtutor.Ragged.values",
        "packtutor.Ragged.__len__",
        "packtutor.run_rnn raises ValueError",
        "packtutor report --batch-size",
        "packtutor report --json: measured.forward.packed_ms",
        "packtutor.BucketBatchSampler.state_dict(): seed",
    ):
        assert name in public
    assert not [name for name in public if re.search(r"\._(?!_)", name)]


def changed_names(monkeypatch: pytest.MonkeyPatch, **new: Any) -> set[str]:
    before = dict(POLICY._names())
    for name, value in new.items():
        monkeypatch.setattr(packtutor, name, value)
    return set(POLICY.differences(before, dict(POLICY._names())))


def test_a_change_of_a_function_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def tokenize(text: str, lower: bool = False) -> list[str]:
        """Split.

        Raises:
            KeyError: Never.
        """
        return text.split()

    assert changed_names(monkeypatch, tokenize=tokenize) == {
        "packtutor.tokenize raises KeyError",
        "packtutor.tokenize raises TypeError",
        "packtutor.tokenize(lower)",
    }


def test_a_change_of_a_class_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cost(packtutor.Cost):
        pass

    found = changed_names(monkeypatch, Cost=Cost)
    assert "packtutor.Cost" in found


# --- what the policy says -------------------------------------------------


def test_nothing_is_asked_where_nothing_changed() -> None:
    record = {"version": "2.3.1", "public": PUBLIC}
    assert POLICY.problems(record, PUBLIC, "2.3.1", CHANGELOG) == []
    assert POLICY.problems(record, PUBLIC, "2.3.2", CHANGELOG) == []


@pytest.mark.parametrize(("name", "value"), ADDED.items())
def test_an_addition_needs_a_minor_version(name: str, value: str) -> None:
    for version in ("2.3.1", "2.3.2"):
        found = problems(name, value, version, ENTRY)
        assert (
            f"{name} was added after 2.3.1: __version__ is {version}, and "
            f"must be 2.4.0 or later"
        ) in found
    assert problems(name, value, "2.4.0", ENTRY) == []
    assert problems(name, value, "3.0.0", ENTRY) == []


@pytest.mark.parametrize(("name", "value"), BREAKING)
def test_a_break_needs_a_major_version(name: str, value: str | None) -> None:
    kind = "removed" if value is None else "changed"
    for version in ("2.3.1", "2.3.2", "2.4.0"):
        (found,) = problems(name, value, version, ENTRY)
        assert found == (
            f"{name} was {kind} after 2.3.1: __version__ is {version}, and "
            f"must be 3.0.0 or later"
        )
    assert problems(name, value, "3.0.0", ENTRY) == []


@pytest.mark.parametrize(("name", "value"), BREAKING)
def test_before_1_0_a_break_needs_a_minor_version(
    name: str, value: str | None
) -> None:
    (found,) = problems(name, value, "0.3.2", ENTRY, before="0.3.1")
    assert "must be 0.4.0 or later" in found
    assert problems(name, value, "0.4.0", ENTRY, before="0.3.1") == []


@pytest.mark.parametrize(("name", "value"), [*ADDED.items(), *BREAKING])
def test_each_change_needs_an_entry(name: str, value: str | None) -> None:
    # What stands under the old version does not count.
    found = problems(name, value, "3.0.0")
    assert any(
        text.startswith(name) and "CHANGELOG.md must say so" in text
        for text in found
    )


def test_an_entry_may_stand_under_unreleased() -> None:
    new = {**PUBLIC, "packtutor.walk": "function"}
    text = CHANGELOG.replace("## 2.4.0, unreleased", "## Unreleased")
    record = {"version": "2.3.1", "public": PUBLIC}
    entry = text.replace("Something else", "`walk` is new")
    assert POLICY.problems(record, new, "2.4.0", entry) == []
    (found,) = POLICY.problems(record, new, "2.4.0", text)
    assert found == (
        "packtutor.walk was added after 2.3.1: CHANGELOG.md must say so "
        "under the new version or Unreleased, with walk"
    )


def test_what_is_not_released_may_change_but_is_recorded() -> None:
    text = CHANGELOG.replace("2.3.1, 2026-01-02", "2.3.1, unreleased")
    record = {"version": "2.3.1", "public": PUBLIC}
    assert POLICY.problems(record, PUBLIC, "2.3.1", text) == []
    (found,) = POLICY.problems(record, {}, "2.3.1", text)
    assert "record it with python tools/public_api.py" in found


def test_a_release_is_recorded_when_it_has_its_date() -> None:
    record = {"version": "2.3.1", "public": PUBLIC}
    dated = CHANGELOG.replace("2.4.0, unreleased", "2.4.0, 2026-03-04")
    assert not POLICY.to_record(record, "2.4.0", CHANGELOG)
    assert POLICY.to_record(record, "2.4.0", dated)
    assert not POLICY.to_record(record, "2.3.1", dated)


# --- the command ----------------------------------------------------------


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> ModuleType:
    """The tool, with a record of 2.3.1 of its own and 2.4.0 under way."""
    monkeypatch.setattr(POLICY, "RECORD", tmp_path / "public_api.json")
    monkeypatch.setattr(POLICY, "describe", lambda: dict(PUBLIC))
    monkeypatch.setattr(POLICY, "read_changelog", lambda: CHANGELOG)
    monkeypatch.setattr(packtutor, "__version__", "2.3.1")
    POLICY.main()
    monkeypatch.setattr(packtutor, "__version__", "2.4.0")
    return POLICY


def test_the_record_stays_until_the_release(
    recorded: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = recorded.RECORD.read_text("utf-8")
    with pytest.raises(SystemExit, match="the record stays that of 2.3.1"):
        recorded.main()
    assert recorded.RECORD.read_text("utf-8") == before
    dated = CHANGELOG.replace("2.4.0, unreleased", "2.4.0, 2026-03-04")
    monkeypatch.setattr(recorded, "read_changelog", lambda: dated)
    recorded.main()
    assert recorded.read_record() == {"version": "2.4.0", "public": PUBLIC}


def test_nothing_is_recorded_against_the_policy(
    recorded: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    dated = CHANGELOG.replace("2.4.0, unreleased", "2.4.0, 2026-03-04")
    monkeypatch.setattr(recorded, "read_changelog", lambda: dated)
    monkeypatch.setattr(recorded, "describe", dict)
    before = recorded.RECORD.read_text("utf-8")
    with pytest.raises(SystemExit, match=r"must be 3\.0\.0 or later"):
        recorded.main()
    assert recorded.RECORD.read_text("utf-8") == before


def test_the_policy_names_the_command() -> None:
    for name in ("CONTRIBUTING.md", "tools/public_api.py"):
        assert POLICY.COMMAND in read(name)
