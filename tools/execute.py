"""Run chapters again, in place, and store what they print.

    python tools/execute.py                every notebook of the book
    python tools/execute.py 03 mistakes/2  those whose names start so

A chapter is replaced whole, after its last cell has run, or not at all.
"""

import base64
import io
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

from packtutor._files import write_whole

BOOK = Path(__file__).resolve().parents[1] / "book"
CELL_KEYS = ("jupyter", "mystnb", "tags")
KERNEL = {
    "display_name": "Python 3",
    "language": "python",
    "name": "python3",
}


def normalise(notebook: nbformat.NotebookNode) -> None:
    """Leave out all that differs from run to run or machine to machine."""
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    )
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        if "solution" in cell.metadata.get("tags", []):
            cell.metadata.jupyter = {"source_hidden": True}  # folds it there
        cell.metadata = nbformat.from_dict(
            {
                key: cell.metadata[key]
                for key in CELL_KEYS
                if cell.metadata.get(key)
            }
        )
        for output in cell.get("outputs", []):
            if "metadata" in output:
                output.metadata = nbformat.from_dict({})
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = shrink(output.data["image/png"])


def shrink(png: str) -> str:
    """Store a drawing with 256 colours: same look, a third of the bytes."""
    small = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        image.convert("RGB").quantize(256).save(small, "png", optimize=True)
    return base64.b64encode(small.getvalue()).decode("ascii")


def write(path: Path, notebook: nbformat.NotebookNode) -> None:
    """Put `notebook` in the place of `path`, whole or not at all."""
    nbformat.validate(notebook)
    text = nbformat.writes(notebook, indent=1).rstrip("\n") + "\n"
    write_whole(path, text.encode())


def execute(path: Path) -> float:
    """Run one chapter from a fresh kernel; return the seconds it took."""
    notebook = nbformat.read(path, as_version=4)
    began = time.perf_counter()
    NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        coalesce_streams=True,
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    seconds = time.perf_counter() - began
    normalise(notebook)
    write(path, notebook)
    return seconds


def main(starts: list[str]) -> int:
    """Run the chapters whose names start with one of `starts`, or all."""
    chapters = {
        path.relative_to(BOOK).as_posix(): path
        for path in sorted(BOOK.rglob("[0-9]*.ipynb"))
        if ".ipynb_checkpoints" not in path.parts
    }
    for start in starts:
        if not any(name.startswith(start) for name in chapters):
            print(f"no chapter in book/ starts with {start}; there are:")
            print("", *chapters, sep="\n  ")
            return 2
    for name, path in chapters.items():
        if starts and not name.startswith(tuple(starts)):
            continue
        try:
            seconds = execute(path)
        except CellExecutionError as error:
            print(f"{name}: left as it was\n{error}")
            return 1
        except OSError as error:
            print(f"{name}: left as it was: {error}")
            return 1
        print(f"{name}: {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
