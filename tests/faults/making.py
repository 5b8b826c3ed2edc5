"""Make faults that are real: a full disk, no network, a read-only folder.

Each returns what makes it, or skips the test and says what is missing here.
"""

import contextlib
import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_NAMESPACE = ["unshare", "--user", "--map-root-user"]
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


@functools.cache
def _can_unshare(kind):
    """Return what keeps us from a namespace of our own, or nothing."""
    if shutil.which("unshare") is None:
        return "there is no unshare here: it is a program of Linux"
    # That a mount is permitted shows only when one is tried.
    trial = {"--mount": ["mount", "-t", "tmpfs", "none", "/mnt"]}
    done = subprocess.run(
        [*_NAMESPACE, kind, *trial.get(kind, ["true"])],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return done.stderr.strip() if done.returncode else ""


def in_namespace(kind):
    """Return the start of a command that runs in a namespace of its own."""
    if reason := _can_unshare(kind):
        pytest.skip(f"no namespace of our own: {reason}")
    return [*_NAMESPACE, kind]


# --- a full disk ----------------------------------------------------------


class SmallDisk:
    """A file system of 512 KiB, which another process keeps mounted."""

    def __init__(self, place):
        script = (
            f"mount -t tmpfs -o size=512k none '{place}' && echo && cat >&2"
        )
        self._keeper = subprocess.Popen(
            [*in_namespace("--mount"), "sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._keeper.stdout.readline() == b"\n"
        self.folder = Path(f"/proc/{self._keeper.pid}/root{place}")

    @contextlib.contextmanager
    def full(self, room):
        """Fill the disk until ``room`` bytes are left."""
        ballast = self.folder / "ballast"
        free = os.statvfs(self.folder)
        ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - room))
        try:
            yield
        finally:
            ballast.unlink()

    def close(self):
        self._keeper.communicate()


class LimitedFiles:
    """A folder in which no file may grow: what POSIX has everywhere."""

    def __init__(self, place):
        self.folder = place
        if os.name != "posix":
            pytest.skip("no limit to the size of files here")

    @contextlib.contextmanager
    def full(self, room):
        """Let no file of this process have more than ``room`` bytes."""
        import resource

        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        # Python ignores the signal that this sends: writing fails.
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    def close(self):
        pass


# --- no network -----------------------------------------------------------

# Run first in a child: with the loopback up, which a notebook's kernel needs.
_LOOPBACK = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    flags = struct.pack("16sh", b"lo", 1)  # IFF_UP
    fcntl.ioctl(any_socket, 0x8914, flags + bytes(14))  # SIOCSIFFLAGS
try:
    socket.create_connection(("192.0.2.1", 9), 5).close()
    sys.exit("there is a network")
except OSError as error:
    if "unreachable" not in str(error):
        raise
os.execv(sys.argv[1], sys.argv[1:])
"""


def offline():
    """Return the start of a Python command that has no network."""
    return [
        *in_namespace("--net"),
        *(sys.executable, "-c", _LOOPBACK, sys.executable),
    ]


# --- a read-only folder ---------------------------------------------------


def read_only(folder):
    """Return the start of a command to which a folder is read-only."""
    script = (
        'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" '
        '&& cd "$0" && exec "$@"'
    )
    return [*in_namespace("--mount"), "sh", "-c", script, str(folder)]


# --- a checkout of its own ------------------------------------------------


def copy_checkout(folder):
    """Copy what git knows or would take."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "-z", "-c", "-o", "--exclude-standard"]
    names = subprocess.run(
        command, cwd=ROOT, capture_output=True, check=True, encoding="utf-8"
    ).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
