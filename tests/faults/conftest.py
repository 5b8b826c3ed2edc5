"""The option --all-faults, and runs of the trainer in processes."""

import multiprocessing
import os

import pytest
import trainer_runs
from making import ROOT, LimitedFiles, SmallDisk


def pytest_addoption(parser):
    parser.addoption(
        "--all-faults",
        action="store_true",
        help="also make those faults that take minutes: make faults",
    )


@pytest.fixture(scope="session")
def all_faults(pytestconfig):
    """Whether the slow ones are wanted; make test leaves them out."""
    return pytestconfig.getoption("--all-faults", default=False)


@pytest.fixture
def slow(all_faults):
    """Skip what takes minutes."""
    if not all_faults:
        pytest.skip("takes minutes: make faults runs it")


@pytest.fixture(scope="module")
def start():
    """Start a run in a process of its own; return the process."""
    kinds = multiprocessing.get_all_start_methods()
    kind = "forkserver" if "forkserver" in kinds else "spawn"
    context = multiprocessing.get_context(kind)
    if kind == "forkserver":
        context.set_forkserver_preload(["trainer_runs"])
    paths = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))

        def start(arguments, death=None):
            process = context.Process(
                target=trainer_runs.run, args=(arguments, death)
            )
            process.start()
            return process

        yield start


@pytest.fixture(params=[SmallDisk, LimitedFiles], ids=["tmpfs", "limit"])
def disk(request, tmp_path):
    """A folder that can be made full."""
    disk = request.param(tmp_path)
    yield disk
    disk.close()
