"""Run a command while nobody else runs one for the same file.

    python tools/alone.py FILE COMMAND...

Waits while another process holds the file, then becomes the command. The
command and what it starts hold the file until the last of them has ended,
also where make itself was killed. Nothing is written to the file. Standard
library alone: this runs before anything is installed.
"""

import os
import subprocess
import sys


def main(name: str, command: list[str]) -> None:
    """Hold the file and become the command."""
    if sys.platform == "win32":
        sys.exit(subprocess.call(command))
    import fcntl  # noqa: PLC0415 (Windows has none)

    handle = os.open(name, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("make: waiting for another make in this folder", file=sys.stderr)
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:
        pass  # this file system knows no locks
    os.set_inheritable(handle, True)  # noqa: FBT003
    os.execvp(command[0], command)  # noqa: S606 (make's own)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
