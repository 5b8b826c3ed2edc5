"""Build the release from what is committed, and check what was built.

    python tools/release.py

Four checks, in this order; only then are `dist` and `sbom` written:

1. Two builds, from copies that differ in place, age, rights and surroundings,
   have the same bytes; so has a wheel that is built from the sdist.
2. The wheel holds the package and nothing else, the sdist what git holds.
3. twine takes both.
4. The wheel passes the package's tests where nothing else of this repository
   is: in an environment of its own, with the versions of constraints.txt.

The SBOM lists that environment as it was before the tests' own tools came in:
the package and what it needs, at the versions that it was tested with.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
SBOM = ROOT / "sbom"
# What the tests of the package import, apart from it.
TESTED_WITH = ["hypothesis", "numpy", "pytest"]
# Two machines: the folder, the umask, the files' age and the surroundings.
# None of it may leave a trace. Who may execute a file may: git holds it.
MACHINES: list[tuple[str, int, float, dict[str, str]]] = [
    ("a", 0o022, 1.5e9, {"TZ": "UTC", "PYTHONHASHSEED": "1"}),
    ("b/c d", 0o077, 1.7e9, {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "2"}),
]


class ReleaseError(Exception):
    """Something that must not be released; the text says why."""


def listed_by_git() -> list[str]:
    """Return the files that git holds, or would take."""
    command = ["git", "ls-files", "-z", "-c", "-o", "--exclude-standard"]
    listed = subprocess.run(
        command, cwd=ROOT, capture_output=True, check=True, encoding="utf-8"
    ).stdout
    return sorted(
        name for name in listed.split("\0") if name and (ROOT / name).is_file()
    )


def copy_sources(to: Path, *, umask: int, time: float) -> None:
    """Copy what git lists, as if checked out so, at that time."""
    for name in listed_by_git():
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
        executable = (ROOT / name).stat().st_mode & 0o100
        target.chmod((0o777 if executable else 0o666) & ~umask)
        os.utime(target, (time, time))


def build(
    source: Path, to: Path, kinds: list[str], surroundings: Mapping[str, str]
) -> dict[str, Path]:
    """Build a folder; return the files by their names."""
    environment = {**os.environ, **surroundings}
    # hatchling's own fixed date then stands in the archives.
    environment.pop("SOURCE_DATE_EPOCH", None)
    targets = [part for kind in kinds for part in ("-t", kind)]
    run(
        [sys.executable, "-m", "hatchling", "build", "-d", to, *targets],
        cwd=source,
        env=environment,
    )
    return {path.name: path for path in sorted(to.iterdir())}


def build_twice(work: Path) -> tuple[Path, Path]:
    """Return a wheel and an sdist that came out the same each time."""
    builds = []
    for place, umask, time, surroundings in MACHINES:
        source = work / place / "source"
        copy_sources(source, umask=umask, time=time)
        builds.append(
            build(
                source, work / place / "out", ["sdist", "wheel"], surroundings
            )
        )
    wheel, sdist = (
        next(path for name, path in builds[0].items() if name.endswith(end))
        for end in (".whl", ".tar.gz")
    )
    with tarfile.open(sdist) as archive:
        archive.extractall(work / "unpacked", filter="data")
    (unpacked,) = (work / "unpacked").iterdir()
    builds.append(build(unpacked, work / "rebuilt", ["wheel"], {}))
    for other in builds[1:]:
        for name, path in other.items():
            if name not in builds[0] or hash_of(path) != hash_of(
                builds[0][name]
            ):
                raise ReleaseError(f"{name} differs between two builds")
    return wheel, sdist


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_contents(wheel: Path, sdist: Path) -> None:
    """Refuse a wheel with more or less than the package, an sdist likewise."""
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    about = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"
    expected = {n for n in listed_by_git() if n.startswith("packtutor/")} | {
        f"{about}/{name}"
        for name in (
            "METADATA",
            "RECORD",
            "WHEEL",
            "entry_points.txt",
            "licenses/LICENSE",
        )
    }
    _compare(wheel.name, packed, expected)
    stem = sdist.name.removesuffix(".tar.gz")
    with tarfile.open(sdist) as archive:
        kept = {member.name for member in archive if member.isfile()}
    _compare(
        sdist.name,
        kept,
        {f"{stem}/{name}" for name in [*listed_by_git(), "PKG-INFO"]},
    )


def _compare(name: str, found: set[str], expected: set[str]) -> None:
    if found != expected:
        raise ReleaseError(
            f"{name} holds {sorted(found - expected)} beyond what it should, "
            f"and lacks {sorted(expected - found)}"
        )


def tests_of_the_package(folder: Path) -> list[str]:
    """Return the tests that need the package, and no other file from here.

    A test needs more if it looks for the repository (``parents[1]``), if it
    imports another package of the repository, or a helper or a folder of
    helpers that does.
    """

    def needs_more(path: Path) -> bool:
        text = path.read_text(encoding="utf-8")
        if "parents[1]" in text:
            return True
        for node in ast.walk(ast.parse(text)):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                top = name.partition(".")[0]
                if top != "packtutor" and (ROOT / top).is_dir():
                    return True
                helper, whole = folder / f"{top}.py", folder / top
                helpers = [helper] if helper.is_file() else []
                if path.parent != whole:  # its modules import each other
                    helpers += sorted(whole.glob("*.py"))
                if any(map(needs_more, helpers)):
                    return True
        return False

    tests = sorted(folder.glob("test_*.py"))
    return [path.name for path in tests if not needs_more(path)]


def test_alone(wheel: Path, work: Path, sbom: Path) -> None:
    """Install the wheel alone, write the SBOM, run the package's tests."""
    place, inside = work / "venv", work / "inside"
    run([sys.executable, "-m", "venv", "--without-pip", place])
    scripts = place / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / "python"
    pip = [sys.executable, "-m", "pip", "--python", python]
    install = [*pip, "install", "-q", "-c", ROOT / "constraints.txt"]
    run([*install, wheel])
    write_sbom(python, sbom, version=wheel.name.split("-")[1])
    run([*install, f"{wheel}[figures]", *TESTED_WITH])
    run([*pip, "check"])
    shutil.copytree(
        ROOT / "tests",
        inside / "tests",
        ignore=shutil.ignore_patterns("__pycache__", "site"),
    )
    shutil.copy(ROOT / "pyproject.toml", inside)  # pytest's settings
    names = tests_of_the_package(inside / "tests")
    alone = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    code = "import packtutor; print(packtutor.__file__)"
    found = subprocess.run(
        [python, "-c", code],
        cwd=inside,
        env=alone,
        capture_output=True,
        check=True,
        encoding="utf-8",
    ).stdout.strip()
    if not Path(found).resolve().is_relative_to(place.resolve()):
        raise ReleaseError(f"the tests would run {found}, not the wheel")
    run([scripts / "packtutor", "--version"], env=alone)
    run(
        [
            *(python, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("--pyargs", "packtutor"),
            *(f"tests/{name}" for name in names),
        ],
        cwd=inside,
        env=alone,
    )


def write_sbom(python: Path, to: Path, *, version: str) -> None:
    """List the package and what is installed beside it, as CycloneDX."""
    to.parent.mkdir(parents=True, exist_ok=True)
    run(
        [
            *(sys.executable, "-m", "cyclonedx_py", "environment", python),
            *("--pyproject", ROOT / "pyproject.toml"),
            *("--mc-type", "library", "--sv", "1.6", "--of", "JSON"),
            *("--output-file", to),
        ]
    )
    listed = json.loads(to.read_text(encoding="utf-8"))
    # pyproject.toml leaves the version to the package.
    listed["metadata"]["component"]["version"] = version
    check_sbom(listed)
    text = json.dumps(listed, indent=1, ensure_ascii=False)
    to.write_text(f"{text}\n", encoding="utf-8")


def check_sbom(listed: dict[str, Any]) -> None:
    """Refuse an SBOM that says too little, or where it was made."""
    # Else it cannot be attested: actions/attest looks for these.
    for field in ("bomFormat", "serialNumber", "specVersion"):
        if not listed.get(field):
            raise ReleaseError(f"the SBOM has no {field}")
    root = listed["metadata"]["component"]["bom-ref"]
    names = {part["bom-ref"]: part["name"] for part in listed["components"]}
    (needed,) = (
        {names[ref] for ref in entry.get("dependsOn", [])}
        for entry in listed["dependencies"]
        if entry["ref"] == root
    )
    if needed != {"torch"}:
        raise ReleaseError(f"by the SBOM the package needs {sorted(needed)}")
    if "file://" in json.dumps(listed):
        raise ReleaseError("the SBOM names a file of this machine")


def run(
    command: list[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a command; raise a ReleaseError if it fails."""
    print("$", *(Path(part).name for part in command[:4]), "...", flush=True)
    done = subprocess.run(command, cwd=cwd, env=env, check=False)
    if done.returncode:
        raise ReleaseError(f"{command[2]} ended with {done.returncode}")


def main() -> None:
    """Build, check, and write what may be uploaded."""
    status = ["git", "status", "--porcelain"]
    changed = subprocess.run(
        status, cwd=ROOT, capture_output=True, check=True, encoding="utf-8"
    ).stdout
    if changed:
        raise ReleaseError(f"commit first, for these differ:\n{changed}")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder).resolve()
        wheel, sdist = build_twice(work)
        check_contents(wheel, sdist)
        run([sys.executable, "-m", "twine", "check", "--strict", wheel, sdist])
        sbom = work / "sbom" / "packtutor.cdx.json"
        test_alone(wheel, work, sbom)
        for target, files in ((DIST, [wheel, sdist]), (SBOM, [sbom])):
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            for path in files:
                shutil.copy(path, target)
                print(f"{hash_of(path)}  {target.name}/{path.name}")


if __name__ == "__main__":
    try:
        main()
    except ReleaseError as refusal:
        sys.exit(f"release: {refusal}")
