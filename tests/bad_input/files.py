"""The files that the rows read, made once and never changed."""

from __future__ import annotations

from pathlib import Path

_CONTENTS = {
    "texts.txt": b"on your mark\nget set\ngo\n",
    "lengths.txt": b"3\n2\n1\n",
    "empty.txt": b"",
    "blank.txt": b"\n\n",
    "latin.txt": "na\u00efve\n".encode("latin-1"),
    "binary.txt": b"on\n\x00your",
    "negative.txt": b"3\n-1\n",
    "huge.txt": b"3\n" + 5000 * b"9" + b"\n",
    "words.txt": b"3\ntwo\n",
}


def write(folder: Path) -> None:
    """Write them into a folder, and a folder beside them."""
    for name, contents in _CONTENTS.items():
        (folder / name).write_bytes(contents)
    (folder / "inside").mkdir()
    (folder / "inside.png").mkdir()


def read(folder: Path) -> dict[str, bytes | None]:
    """Return what is there now; None for a folder."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes() if path.is_file() else None
        )
        for path in sorted(folder.rglob("*"))
    }
