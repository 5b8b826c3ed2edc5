"""What a release is: the same bytes each time, and nothing but the package.

`make dist` checks the rest, which takes minutes and a network.
"""

from __future__ import annotations

import email
import re
import shutil
import tarfile
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from test_project import PYPROJECT, ROOT, jobs, load, pins, read

import packtutor


@pytest.fixture(scope="module")
def release() -> ModuleType:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    return load(ROOT / "tools" / "release.py")


@pytest.fixture(scope="module")
def built(
    release: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A wheel and an sdist; building them compares three builds."""
    wheel, sdist = release.build_twice(tmp_path_factory.mktemp("release"))
    return wheel, sdist


def test_two_builds_are_the_same(built: tuple[Path, Path]) -> None:
    version = packtutor.__version__
    assert [path.name for path in built] == [
        f"packtutor-{version}-py3-none-any.whl",
        f"packtutor-{version}.tar.gz",
    ]


def test_builds_that_differ_are_refused(
    release: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = release.copy_sources

    def copy_with_a_trace(to: Path, *, umask: int, time: float) -> None:
        copy(to, umask=umask, time=time)
        with (to / "packtutor" / "text.py").open(
            "a", encoding="utf-8"
        ) as file:
            file.write(f"# built in {to.parent.name}\n")

    monkeypatch.setattr(release, "copy_sources", copy_with_a_trace)
    with pytest.raises(release.ReleaseError, match=r"whl differs between two"):
        release.build_twice(tmp_path)


def test_the_wheel_holds_the_package_alone(
    release: ModuleType, built: tuple[Path, Path]
) -> None:
    release.check_contents(*built)
    with zipfile.ZipFile(built[0]) as archive:
        names = archive.namelist()
    assert "packtutor/py.typed" in names
    assert not [name for name in names if "test" in name]


def test_a_file_too_many_is_refused(
    release: ModuleType, built: tuple[Path, Path], tmp_path: Path
) -> None:
    wheel = Path(shutil.copy(built[0], tmp_path))
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("tests/conftest.py", "")
    with pytest.raises(release.ReleaseError, match=r"\['tests/conftest.py'\]"):
        release.check_contents(wheel, built[1])


def test_a_file_too_few_is_refused(
    release: ModuleType, built: tuple[Path, Path], tmp_path: Path
) -> None:
    sdist = tmp_path / built[1].name
    with tarfile.open(built[1]) as old, tarfile.open(sdist, "w:gz") as new:
        for member in old:
            if not member.name.endswith("/SECURITY.md"):
                new.addfile(member, old.extractfile(member))
    with pytest.raises(release.ReleaseError, match=r"lacks .*SECURITY\.md"):
        release.check_contents(built[0], sdist)


def test_metadata_is_what_pyproject_says(built: tuple[Path, Path]) -> None:
    project = PYPROJECT["project"]
    stem = f"packtutor-{packtutor.__version__}"
    with zipfile.ZipFile(built[0]) as archive:
        about = f"{stem}.dist-info"
        text = archive.read(f"{about}/METADATA").decode()
        wheel = archive.read(f"{about}/WHEEL").decode()
        commands = archive.read(f"{about}/entry_points.txt").decode()
        licence = archive.read(f"{about}/licenses/LICENSE").decode()
    with tarfile.open(built[1]) as tar:
        member = tar.extractfile(f"{stem}/PKG-INFO")
        assert member
        assert member.read().decode() == text
    found = email.message_from_string(text)
    assert found["Name"] == project["name"]
    assert found["Version"] == packtutor.__version__
    assert found["Summary"] == project["description"]
    assert found["License-Expression"] == project["license"]
    assert found.get_all("License-File") == project["license-files"]
    assert found["Requires-Python"] == project["requires-python"]
    assert found.get_all("Classifier") == project["classifiers"]
    assert found.get_all("Requires-Dist")[0] == project["dependencies"][0]
    extras = sorted(project["optional-dependencies"])
    assert found.get_all("Provides-Extra") == extras
    assert found["Description-Content-Type"] == "text/markdown"
    assert found.get_payload() == read("README.md")
    assert "Root-Is-Purelib: true" in wheel
    for name, target in project["scripts"].items():
        assert f"{name} = {target}" in commands
    assert licence == read("LICENSE")


def test_the_version_has_no_second_place() -> None:
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    path = PYPROJECT["tool"]["hatch"]["version"]["path"]
    assert f'__version__ = "{packtutor.__version__}"\n' in read(path)


# --- the wheel alone ------------------------------------------------------


def test_tests_of_the_package_are_found(
    release: ModuleType, tmp_path: Path
) -> None:
    for name, text in {
        "helper": "import torch",
        "far": "from pathlib import Path\nROOT = Path('x').parents[1]",
        "test_near": "import helper\nimport packtutor.nn",
        "test_by_helper": "def test():\n    from far import ROOT",
        "test_examples": "import examples.task as task",
        "test_by_package": "from tables.rows import ROWS",
        "tables/rows": "from tables.more import MORE",
        "tables/more": "from examples.task import load_task",
        "test_near_package": "from cases.rows import ROWS",
        "cases/rows": "from cases.more import MORE",
        "cases/more": "import torch",
        "test_itself": "root = Path(__file__).resolve().parents[1]",
    }.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    found = release.tests_of_the_package(tmp_path)
    assert found == ["test_near.py", "test_near_package.py"]


def test_each_public_module_has_a_test_that_goes_along(
    release: ModuleType,
) -> None:
    along = release.tests_of_the_package(ROOT / "tests")
    modules = [
        path.stem
        for path in (ROOT / "packtutor").glob("*.py")
        if path.name[0] != "_"
    ]
    assert {f"test_{name}.py" for name in modules} <= set(along)


def test_the_tools_import_what_their_pins_install(
    release: ModuleType,
) -> None:
    known = pins("tools/release.txt")
    (line,) = re.findall(r"-c \$\(RELEASE_PINS\) (.*)\)", read("Makefile"))
    assert set(line.split()) <= set(known)
    exact = pins("constraints.txt")
    shared = set(known) & set(exact)
    assert "hatchling" in shared
    assert {n: known[n] for n in shared} == {n: exact[n] for n in shared}


def sbom() -> dict[str, Any]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": "urn:uuid:0",
        "metadata": {"component": {"bom-ref": "root"}},
        "components": [
            {"bom-ref": "a", "name": "torch"},
            {"bom-ref": "b", "name": "sympy"},
        ],
        "dependencies": [
            {"ref": "root", "dependsOn": ["a"]},
            {"ref": "a", "dependsOn": ["b"]},
            {"ref": "b"},
        ],
    }


def test_an_sbom_that_says_too_little_is_refused(release: ModuleType) -> None:
    release.check_sbom(sbom())
    for field in ("bomFormat", "serialNumber", "specVersion"):
        with pytest.raises(release.ReleaseError, match=f"has no {field}"):
            release.check_sbom({**sbom(), field: ""})
    more = sbom()
    more["dependencies"][0]["dependsOn"].append("b")
    with pytest.raises(release.ReleaseError, match=r"\['sympy', 'torch'\]"):
        release.check_sbom(more)
    told = sbom()
    told["components"][0]["url"] = "file:///a/b"
    with pytest.raises(release.ReleaseError, match="a file of this machine"):
        release.check_sbom(told)


# --- publish.yml ----------------------------------------------------------


def test_what_is_published_is_what_was_checked() -> None:
    found = jobs(ROOT / ".github" / "workflows" / "publish.yml")
    steps = found["build-package"]["steps"]
    builds = [s["run"] for s in steps if "make" in s.get("run", "")]
    assert builds == ["make dist"]
    after = steps[[s.get("run") for s in steps].index("make dist") + 1 :]
    attested = [s["with"] for s in after if "attest@" in s["uses"]]
    sbom = {"subject-path": "dist/*", "sbom-path": "sbom/packtutor.cdx.json"}
    assert attested == [{"subject-path": "dist/*"}, sbom]
    kept = [s["with"]["path"] for s in after if "upload" in s["uses"]]
    assert kept == ["dist/", "sbom/"]
    assert len(after) == 4
    for name in ("publish-package", "publish-release"):
        for step in found[name]["steps"]:
            assert "checkout" not in step.get("uses", "")
    published = found["publish-release"]["steps"][-1]["run"]
    assert published.endswith(" dist/* sbom/*")


def test_releases_are_built_on_each_change() -> None:
    found = jobs(ROOT / ".github" / "workflows" / "ci.yml")
    assert found["dist"]["steps"][-1] == {"run": "make dist"}


def test_vulnerabilities_are_looked_up_each_week() -> None:
    path = ROOT / ".github" / "workflows" / "audit.yml"
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    (when,) = workflow[True]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \d", when["cron"])
    assert workflow["jobs"]["check"]["steps"][-1] == {"run": "make audit"}
    (command,) = re.findall(r"^\t(\S+/pip-audit .*)$", read("Makefile"), re.M)
    for name in ("constraints", "benchmarks/requirements", "tools/release"):
        assert f"-r {name}.txt" in command
    assert "--strict" in command


def test_hatchling_is_a_tool_of_the_tests() -> None:
    (needed,) = tomllib.loads(read("pyproject.toml"))["build-system"][
        "requires"
    ]
    tests = PYPROJECT["project"]["optional-dependencies"]["test"]
    assert f"{needed}.0" in tests
