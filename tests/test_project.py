"""Hold together what is written down in more than one place."""

from __future__ import annotations

import fnmatch
import functools
import importlib.util
import re
import tomllib
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.utils.flop_counter
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import packtutor

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PYPROJECT = tomllib.loads(read("pyproject.toml"))
INVENTORY = load(ROOT / "tools" / "inventory.py")
RELEASE = load(ROOT / "tools" / "release.py")


def requirements() -> dict[str, Requirement]:
    """Every direct dependency: of the package, and of all extras."""
    project = PYPROJECT["project"]
    lists = [
        project["dependencies"],
        *project["optional-dependencies"].values(),
    ]
    found: dict[str, Requirement] = {}
    for text in [text for texts in lists for text in texts]:
        requirement = Requirement(text)
        known = found.setdefault(requirement.name, requirement)
        assert known == requirement, f"{text}, but elsewhere {known}"
    return found


def pins(name: str) -> dict[str, str]:
    lines = [line for line in read(name).splitlines() if line[:1] not in "#"]
    pairs = [line.split("==") for line in lines]
    assert [len(pair) for pair in pairs] == [2] * len(lines)
    names = [canonicalize_name(pair[0]) for pair in pairs]
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    return dict(zip(names, [pair[1] for pair in pairs], strict=True))


# --- dependencies ---------------------------------------------------------


def test_every_requirement_is_pinned() -> None:
    exact = pins("constraints.txt")
    built_with = [
        Requirement(t) for t in PYPROJECT["build-system"]["requires"]
    ]
    for requirement in [*requirements().values(), *built_with]:
        version = exact[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement
        assert "+" not in version


def test_oldest_versions_are_the_lower_bounds() -> None:
    oldest = pins("constraints-oldest.txt")
    assert set(oldest) == set(requirements())
    for name, requirement in requirements().items():
        (bound,) = [s for s in requirement.specifier if s.operator == ">="]
        assert Version(bound.version) == Version(oldest[name]), name


def test_ci_runs_every_python_and_both_ends_of_the_oldest_set() -> None:
    classifiers = "\n".join(PYPROJECT["project"]["classifiers"])
    pythons = re.findall(r"Python :: (3\.\d+)", classifiers)
    assert PYPROJECT["project"]["requires-python"] == f">={pythons[0]}"
    job = jobs(ROOT / ".github" / "workflows" / "ci.yml")["test"]
    matrix = job["strategy"]["matrix"]
    assert set(matrix) == {"os", "python", "constraints", "exclude"}
    assert matrix["python"] == pythons
    oldest = "constraints-oldest.txt"
    assert matrix["constraints"] == ["constraints.txt", oldest]
    assert matrix["exclude"] == [
        {"python": python, "constraints": oldest} for python in pythons[1:-1]
    ]
    # pip then refuses a version of it that has no wheel for this Python.
    assert job["env"]["PIP_ONLY_BINARY"] == (
        f"${{{{ matrix.constraints == '{oldest}' && ':all:' || '' }}}}"
    )


def test_conda_environment_has_the_same_dependencies() -> None:
    entries = yaml.safe_load(read("environment.yml"))["dependencies"]
    (with_pip,) = [e["pip"] for e in entries if isinstance(e, dict)]
    assert with_pip[-1] == "--no-deps -e ."
    plain = [e for e in entries if isinstance(e, str)]
    names = [Requirement(e) for e in [*plain, *with_pip[:-1]]]
    found = {
        {"pytorch": "torch"}.get(r.name, r.name): r.specifier for r in names
    }
    assert str(found.pop("python")) == PYPROJECT["project"]["requires-python"]
    assert str(found.pop("pip")) == ""
    assert found == {n: r.specifier for n, r in requirements().items()}


def test_version_is_given_once() -> None:
    assert yaml.safe_load(read("CITATION.cff"))["version"] == (
        packtutor.__version__
    )
    assert f"\n## {packtutor.__version__}, " in read("CHANGELOG.md")


# --- commands -------------------------------------------------------------


def commands_of_make() -> list[str]:
    """The commands that make prints, as one types them in .venv."""
    recipes = re.findall(r"^\t([^@#].*)$", read("Makefile"), flags=re.M)
    plain = [
        line.replace('"$(PY)"', "python")
        .replace(".venv/bin/", "")
        .replace(".venv-release/bin/", "")
        .replace("$(CHAPTER)", "03")
        .replace("$(CASES)", "1000000")
        .replace("$(SEED)", "0")
        for line in recipes
        if line.startswith(('"$(PY)"', ".venv/bin/", ".venv-release/bin/"))
    ]
    assert len(plain) >= 10
    return plain


def test_contributing_shows_what_make_does() -> None:
    shown = read("CONTRIBUTING.md").splitlines()
    for command in commands_of_make():
        assert command in shown


def test_windows_runs_what_make_test_and_book_do() -> None:
    workflow = read(".github/workflows/ci.yml")
    for command in commands_of_make():
        if "tests/site" in command or "--all-faults" in command:
            continue  # no Chromium there; once a week, on Linux and macOS
        if "pytest" in command or "jupyter-book" in command:
            assert command in workflow


def test_ci_runs_in_order() -> None:
    lines = read(".ci/run").splitlines()
    assert [line for line in lines if line.startswith("make")] == [
        "make lint",
        "make test",
        "make book",
        "make browser",
    ]


# --- workflows ------------------------------------------------------------


def jobs(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    assert isinstance(found, dict)
    return found


each_workflow = pytest.mark.parametrize(
    "path", WORKFLOWS, ids=[path.stem for path in WORKFLOWS]
)


def test_workflows_are_there() -> None:
    assert [path.stem for path in WORKFLOWS] == [
        "audit",
        "ci",
        "faults",
        "gpu",
        "links",
        "publish",
    ]


@each_workflow
def test_actions_are_pinned_by_commit(path: Path) -> None:
    uses = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert uses
    for use in uses:
        assert re.fullmatch(
            r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use
        )


def test_an_action_has_one_version() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    uses = set(re.findall(r"uses: (.*)", text))
    assert len({use.split("@")[0] for use in uses}) == len(uses)


@each_workflow
def test_workflows_get_no_more_than_they_need(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert yaml.safe_load(text)["permissions"] == {}
    assert "secrets." not in text
    assert "pull_request_target" not in text
    for name, job in jobs(path).items():
        assert job["timeout-minutes"] <= 60
        rights = job["permissions"]
        if rights.get("contents", "read") != "read":
            # To make a release. It runs nothing that comes from the repository
            # and has no other right.
            assert (path.stem, name) == ("publish", "publish-release")
            assert rights == {"contents": "write"}
            *downloads, last = job["steps"]
            assert all("download" in step["uses"] for step in downloads)
            assert last["run"].startswith("gh release create ")


def test_gpu_runs_only_what_was_read() -> None:
    path = ROOT / ".github" / "workflows" / "gpu.yml"
    # YAML 1.1 reads the key "on" as true.
    triggers = yaml.safe_load(path.read_text(encoding="utf-8"))[True]
    assert triggers == {
        "push": {"branches": ["main"]},
        "workflow_dispatch": None,
        "pull_request": {"types": ["labeled"]},
    }
    for job in jobs(path).values():
        assert "github.event.label.name == 'gpu'" in job["if"]
        assert job["env"]["PACKTUTOR_DEVICE"] == "cuda"


def test_what_the_gpu_runs_can_be_typed() -> None:
    path = ROOT / ".github" / "workflows" / "gpu.yml"
    shown = [line.strip() for line in read("CONTRIBUTING.md").splitlines()]
    for job in jobs(path).values():
        for step in job["steps"]:
            assert "uses" in step or step["run"] in shown
        for name, value in job["env"].items():
            assert f"export {name}={value}" in shown


# --- links ----------------------------------------------------------------


def test_inventories_are_what_the_script_writes() -> None:
    # Compared without the compression, whose bytes differ between machines.
    def parts(inventory: bytes) -> tuple[list[bytes], bytes]:
        *header, body = inventory.split(b"\n", maxsplit=4)
        return header, zlib.decompress(body)

    assets = ROOT / "book" / "assets"
    stored = {path.name: path.read_bytes() for path in assets.glob("*.inv")}
    written = INVENTORY.make_inventories()
    assert set(stored) == set(written)
    for name, inventory in written.items():
        assert parts(stored[name]) == parts(inventory), name


@pytest.mark.parametrize(
    "name", [name for _, _, names in INVENTORY.TORCH for name in names]
)
def test_torch_has_what_we_link_to(name: str) -> None:
    role = next(role for role, _, names in INVENTORY.TORCH if name in names)
    assert isinstance(in_torch(name), type) == (role == "class")


def in_torch(name: str) -> Any:
    return functools.reduce(getattr, name.split(".")[1:], torch)


def test_aliases_are_the_same_objects() -> None:
    for alias, name in INVENTORY.TORCH_ALIASES.items():
        assert in_torch(alias) is in_torch(name)


# --- what no file may hold ------------------------------------------------


def files() -> dict[str, str]:
    """Every text file that git knows or would take."""
    found = {
        name: read(name)
        for name in RELEASE.listed_by_git()
        if Path(name).suffix not in {".inv", ".png"}
    }
    assert "pyproject.toml" in found
    return found


@pytest.fixture(scope="module")
def tracked() -> dict[str, str]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    return files()


def test_addresses_are_given_once(tracked: dict[str, str]) -> None:
    for url in PYPROJECT["project"]["urls"].values():
        bare = url.removeprefix("https://").rstrip("/")
        assert [n for n, text in tracked.items() if bare in text] == [
            "pyproject.toml"
        ]


@pytest.mark.parametrize(
    "never",
    [
        r"(?<![\w.~/-])/(?:work|root|tmp|home|Users)/\w",
        r"(?:site|dist)-packages/",
        r"\b(?:pypi|pythonhosted|anaconda|npmjs)\.(?:org|com)\b",
        r"\bdownload\.pytorch\.org\b",
    ],
)
def test_no_paths_and_no_registries(
    tracked: dict[str, str], never: str
) -> None:
    for name, text in tracked.items():
        found = re.search(never, text)
        assert not found, f"{name}: {found}"


def test_the_book_leaves_out_what_make_makes() -> None:
    """Else pages in there are read too, and their warnings fail the build."""
    excluded = yaml.safe_load(read("_config.yml"))["exclude_patterns"]
    ignored = re.findall(r"^/([\w.-]+)/$", read(".gitignore"), re.MULTILINE)
    assert {".venv", ".venv-bench", ".mutate", "_build"} < set(ignored)
    for name in ignored:
        # Sphinx leaves a folder out whole, or by each of its pages.
        assert any(
            fnmatch.fnmatch(path, pattern)
            for path in (name, f"{name}/some/page.md")
            for pattern in excluded
        ), f"{name} is not in exclude_patterns of _config.yml"


def test_what_the_commands_of_the_readme_leave_is_ignored() -> None:
    ignored = read(".gitignore").splitlines()
    readme = read("README.md")
    names = re.findall(r"^\S+python .* --checkpoint (\S+)", readme, re.M)
    assert names
    for name in names:
        assert {f"/{name}", f"/{name}.lock"} < set(ignored)


def test_one_module_sets_how_precise_a_gpu_is() -> None:
    """But for the fixture that puts back what it found, and its tests."""
    setting = re.compile(
        r"allow_tf32\s*=|fp32_precision\s*=(?!=)|set_float32_matmul_precision"
        r"|cudnn\.(benchmark|deterministic)\s*=(?!=)"
    )
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("packtutor", "benchmarks", "book", "tests", "tools")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".ipynb")
        and setting.search(path.read_text(encoding="utf-8"))
    }
    tests = {
        f"tests/{name}.py"
        for name in ("conftest", "test_device", "test_project")
    }
    assert found - tests == {"packtutor/device.py"}
