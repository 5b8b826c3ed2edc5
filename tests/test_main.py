"""The command line: the whole output for the documents, and every refusal."""

import contextlib
import errno
import io
import os
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_sequence

from packtutor import DOCS, Vocabulary, __main__, __version__
from packtutor._report import run_report
from packtutor._terminal import text_width

EXPLAINED = """\
Vocabulary: 8 ids
Every different word gets a number: 0 is the pad, 1 any unknown word.
  0 <pad>  1 <unk>  2 on  3 your  4 mark  5 get  6 set  7 go

Padded: shape (3, 3), 9 cells, 3 pads
Every text is filled with pads to the length of the longest.
         t=0    t=1      t=2
  seq 0  2 on   3 your   4 mark
  seq 1  5 get  6 set    0 <pad>
  seq 2  7 go   0 <pad>  0 <pad>

Packed: 6 cells, no pad
The columns of the texts, longest text first, stand one behind the other.
batch_sizes says how many words each column has.
               t=0    t=1     t=2
  seq 0        2 on   3 your  4 mark
  seq 1        5 get  6 set
  seq 2        7 go
  batch_sizes  3      2       1

  data              [2, 5, 7, 3, 6, 4]
  batch_sizes       [3, 2, 1]
  sorted_indices    [0, 1, 2]
  unsorted_indices  [0, 1, 2]

Cost: 33.3% of the padded cells are pads
In a product with a matrix of one column (dot_cost), a row of n cells takes n
multiplications and n - 1 additions.
          multiplications       additions
  padded                9               6
  packed                6               3
"""


def run(*arguments, stdin=b"", columns=80, encoding="utf-8"):
    """Run the command; return its status, output and errors."""
    streams = [
        io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
        for _ in range(2)
    ]
    source = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    with (
        mock.patch.dict(os.environ, {"COLUMNS": str(columns)}),
        mock.patch.object(sys, "stdin", source),
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
    ):
        status = __main__.main(["explain", *arguments])
    for stream in streams:
        stream.flush()
    printed = (s.buffer.getvalue().decode(encoding) for s in streams)
    return status, *printed


def explain(*arguments, **options):
    status, output, errors = run(*arguments, **options)
    assert (status, errors) == (0, "")
    return output


def refuse(*arguments, **options):
    status, output, errors = run(*arguments, **options)
    assert (status, output) == (2, "")
    return errors


def section(output, name):
    return next(s for s in output.split("\n\n") if s.startswith(name))


def field(output, name):
    start = f"  {name:<18}["
    line = next(x for x in output.split("\n") if x.startswith(start))
    return line.removeprefix(start).removesuffix("]")


def test_the_three_documents():
    assert explain(*DOCS) == EXPLAINED


def test_lines_of_standard_input():
    lines = "\r\n".join(DOCS).encode()
    assert explain("-", stdin=b"\xef\xbb\xbf" + lines) == EXPLAINED
    assert explain(DOCS[0], "-", stdin=b"get set\ngo\n") == EXPLAINED
    assert explain("-", stdin="\r".join(DOCS).encode()) == EXPLAINED


def test_the_process_writes_the_same():
    # Not to a terminal, and without COLUMNS: 80 of them.
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, "-m", "packtutor", "explain", *DOCS],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert (done.stdout, done.stderr) == (EXPLAINED, "")


def test_the_module_is_the_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["packtutor", "explain", *DOCS])
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(__main__.__file__, run_name="__main__")
    assert stop.value.code == 0
    assert capsys.readouterr().out == EXPLAINED


def test_the_arguments_of_the_process_if_none_are_given(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["packtutor", "explain", *DOCS])
    monkeypatch.setenv("COLUMNS", "80")
    assert __main__.main() == 0
    assert capsys.readouterr().out == EXPLAINED


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["explain", 3], "argv[1] is of type int; it must be a str"),
        ("explain", "argv is 'explain'; it must be a list of arguments"),
    ],
)
def test_arguments_are_texts(argv, message):
    with pytest.raises(TypeError, match=".") as error:
        __main__.main(argv)
    assert str(error.value) == message


OPTIONS = ["--batch-size", "--input-size", "--hidden-size"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), ("007", 7), ("100", 100), ("1000000", 10**6)],
)
@pytest.mark.parametrize("option", OPTIONS)
def test_numbers(option, text, number):
    parsed = vars(__main__._parser().parse_args(["report", "-", option, text]))
    assert parsed[option.strip("-").replace("-", "_")] == number


def test_what_is_not_given():
    assert vars(__main__._parser().parse_args(["report", "here"])) == {
        "run": run_report,
        "file": "here",
        "lengths": False,
        "batch_size": 32,
        "input_size": 128,
        "hidden_size": 256,
        "sort": False,
        "measure": False,
        "json": False,
        "figure": None,
    }


@pytest.mark.parametrize(
    "text",
    ["0", "", "-1", "x", "1000001", "10000000", "XX1", "1_0", "²", "9" * 5000],
)
@pytest.mark.parametrize("option", OPTIONS)
def test_what_is_no_number(option, text, capsys):
    with pytest.raises(SystemExit):
        __main__._parser().parse_args(["report", "-", f"{option}={text}"])
    shown = repr(text) if len(text) < 9 else f"'{'9' * 56}..."
    assert capsys.readouterr().err.endswith(
        f"argument {option}: {shown} is no whole number from 1 to 1,000,000\n"
    )


def test_empty_texts_are_counted():
    note = (
        "Skipped 2 texts without a word: a PackedSequence cannot hold an "
        "empty sequence.\n\n"
    )
    assert explain(DOCS[0], "", *DOCS[1:], " \t") == note + EXPLAINED
    one = explain("-", stdin=b"on your mark\n\nget set\ngo\n")
    assert one == note.replace("2 texts", "1 text") + EXPLAINED


TEXTS = st.lists(
    st.lists(
        st.text(
            st.characters(exclude_categories=["Z", "Cc", "Cs"]), min_size=1
        ),
        min_size=1,
        max_size=60,
    ),
    min_size=1,
    max_size=12,
)


@given(TEXTS, st.integers(50, 200))
def test_it_fits_the_terminal_and_shows_what_torch_packs(texts, columns):
    texts = [" ".join(words) for words in texts]
    output = explain("-", stdin="\n".join(texts).encode(), columns=columns)
    assert max(text_width(line) for line in output.split("\n")) <= columns
    assert not any(c < " " for c in output.replace("\n", ""))

    vocabulary = Vocabulary.from_texts(texts)
    kept = [text for text in texts if text.split()]
    packed = pack_sequence(
        [vocabulary.encode(text) for text in kept], enforce_sorted=False
    )
    for name, values in zip(packed._fields, packed, strict=True):
        shown, _, more = field(output, name).partition(", ... ")
        shown = [int(number) for number in shown.split(", ")]
        assert values[: len(shown)].tolist() == shown
        left = int(more.split()[0].replace(",", "")) if more else 0
        assert len(shown) + left == len(values)


def test_what_does_not_fit_is_counted():
    texts = [" ".join(f"w{step}" for step in range(50))] * 198
    output = explain(*texts, "go", "go")
    padded = section(output, "Padded")
    assert "shape (200, 50), 10,000 cells, 98 pads" in padded
    assert padded.splitlines()[2].split() == [
        *(f"t={step}" for step in range(10)),
        "...",
    ]
    assert padded.endswith("\n  ... 192 more sequences, 40 more steps")
    packed = section(output, "Packed").splitlines()
    assert packed[0] == "Packed: 9,902 cells, no pad"
    assert packed[-2].split()[:4] == ["batch_sizes", "200", "198", "198"]
    assert packed[-1] == "  ... 192 more sequences, 40 more steps"
    assert field(output, "data").endswith(", ... 9,888 more")
    narrow = explain(*texts, "go", columns=50)
    *_, before, more = shown = section(narrow, "Vocabulary").split("\n")
    assert len(shown) == 10
    last = int(before.split()[-2])
    assert more == f"  ... {53 - last - 1} more ids"
    wide = explain(*texts, "go", columns=1000)
    assert section(wide, "Padded").endswith("sequences, 10 more steps")
    assert "more id" not in wide


def test_what_just_fits_is_shown():
    words = section(EXPLAINED, "Vocabulary").split("\n")[-1]
    narrow = section(explain(*DOCS, columns=len(words) - 1), "Vocabulary")
    assert section(explain(*DOCS, columns=len(words)), "Voc").endswith(words)
    assert narrow.split("\n")[-2:] == [words.removesuffix("  7 go"), "  7 go"]
    width = len("  data              [2, 5, 7, 3, 6, 4]")
    fits, cut = (explain(*DOCS, columns=c) for c in (width, width - 1))
    assert field(fits, "data") == "2, 5, 7, 3, 6, 4"
    assert field(cut, "data") == "2, ... 5 more"


def test_titles_are_wrapped():
    lines = section(explain(*DOCS, columns=30), "Padded").split("\n")
    assert lines[:2] == ["Padded: shape (3, 3), 9 cells,", "3 pads"]


def test_the_longest_text_may_be_one_that_is_not_shown():
    output = explain(*["go"] * 8, "on your mark")
    lines = section(output, "Padded").splitlines()
    assert lines[2].split() == ["t=0", "t=1", "t=2"]
    assert lines[3].split() == [
        "seq",
        "0",
        "2",
        "go",
        "0",
        "<pad>",
        "0",
        "<pad>",
    ]


def test_a_narrow_terminal_gets_one_column():
    output = explain(*DOCS, columns=12)
    assert "  seq 1  5 get\n" in output
    assert "\n  ... 2 more steps\n" in output
    assert field(output, "data") == "2, ... 5 more"


def test_wide_letters_are_aligned():
    lines = section(explain("你好 世界", "e\u0301te\u0301 b c"), "Pad")
    assert lines.splitlines()[2:] == [
        "         t=0     t=1     t=2",
        "  seq 0  2 你好  3 世界  0 <pad>",
        "  seq 1  4 e\u0301te\u0301   5 b     6 c",
    ]


def test_long_words_are_cut():
    output = explain("Donaudampfschiff", "Donaudampfschiffe", "世" * 20)
    assert "2 Donaudampfschiff " in output
    assert "3 Donaudampfsch...\n" in output
    assert "4 世世世世世世...\n" in output
    # So long that it is not read to its end, and takes no room.
    assert "2 a" + 63 * "\u0301" + "..." in explain("a" + 99 * "\u0301")


def test_words_written_leftwards_keep_their_ids():
    assert "2 سلام\u200e  3 go" in explain("سلام go")


def test_what_cannot_be_seen_is_escaped():
    output = explain("a\x1b[31m", "\u202ego", "x\udcff", "a\u200db")
    for word in ("2 a\\x1b[31m", "3 \\u202ego", "4 x\\udcff", "5 a\u200db"):
        assert word in output


def test_standard_output_in_ascii():
    output = explain("naïve سلام", encoding="ascii")
    assert "2 na\\xefve  3 \\u0633\\u0644..." in output


def test_there_must_be_a_word():
    message = "packtutor: there is no text with a word in it\n"
    assert refuse("", " ") == message
    assert refuse("-") == message


def test_a_text_in_utf8_where_the_locale_is_ascii(monkeypatch):
    # What os.fsencode does there.
    monkeypatch.setattr(
        os, "fsencode", lambda text: text.encode("ascii", "surrogateescape")
    )
    typed = "naïve سلام".encode().decode("ascii", "surrogateescape")
    assert explain(typed) == explain("naïve سلام")


def test_standard_input_must_be_utf8():
    assert refuse("-", stdin=b"go\nna\xefve\n") == (
        "packtutor: standard input is not UTF-8: line 2 holds the byte 0xef\n"
    )
    assert "UTF-8: line 3 holds the byte 0xff" in refuse(
        "-", stdin=b"\n\n\xff"
    )


def test_standard_input_must_be_readable():
    source = mock.Mock()
    source.buffer.read.side_effect = IsADirectoryError(21, "Is a directory")
    with (
        mock.patch.object(sys, "stdin", source),
        contextlib.redirect_stderr(io.StringIO()) as errors,
    ):
        assert __main__.main(["explain", "-"]) == 2
    assert errors.getvalue() == (
        "packtutor: cannot read standard input: Is a directory\n"
    )


def test_an_interrupt_ends_quietly():
    source = mock.Mock()
    source.buffer.read.side_effect = KeyboardInterrupt
    with mock.patch.object(sys, "stdin", source):
        assert __main__.main(["explain", "-"]) == 130


def test_the_figure_is_written_whole(tmp_path):
    target = tmp_path / "batch.PNG"
    target.write_text("old", "utf-8")
    output = explain(*DOCS, "--figure", str(target))
    assert output == EXPLAINED + f"\nThe figure is in {target}.\n"
    image = target.read_bytes()
    assert image.startswith(b"\x89PNG")
    assert image.endswith(b"IEND\xaeB`\x82")
    assert len(image) <= 40_000
    assert list(tmp_path.iterdir()) == [target]


def test_the_figure_must_be_a_png(tmp_path):
    name = str(tmp_path / "batch.svg")
    message = f"packtutor: --figure is {name!r}; its name must end in .png\n"
    assert refuse(*DOCS, "--figure", name) == message
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_cannot_be_written(tmp_path):
    name = str(tmp_path / "missing" / "batch.png")
    message = f"packtutor: cannot write {name!r}: No such file or directory\n"
    assert refuse(*DOCS, "--figure", name) == message
    folder = tmp_path / "folder.png"
    folder.mkdir()
    errors = refuse(*DOCS, "--figure", str(folder))
    assert errors.startswith(f"packtutor: cannot write {str(folder)!r}: ")
    assert list(tmp_path.iterdir()) == [folder]
    assert list(folder.iterdir()) == []


def test_a_figure_whose_link_leads_in_a_circle(tmp_path):
    link = tmp_path / "loop.png"
    try:
        link.symlink_to(link.name)
    except OSError as error:
        pytest.skip(f"no links here: {error}")
    errors = refuse(*DOCS, "--figure", str(link))
    assert errors.startswith(f"packtutor: cannot write {str(link)!r}: ")
    assert errors.count("\n") == 1
    if os.name == "posix":
        assert errors.endswith(f": {os.strerror(errno.ELOOP)}\n")


def test_a_figure_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "packtutor.figures", raising=False)
    monkeypatch.delattr("packtutor.figures", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert explain(*DOCS) == EXPLAINED
    assert refuse(*DOCS, "--figure", str(tmp_path / "batch.png")) == (
        "packtutor: packtutor.figures needs matplotlib: "
        "pip install matplotlib\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_nothing_imports_matplotlib_unasked():
    code = (
        "import sys; from packtutor.__main__ import main; "
        "main(['explain', 'go']); sys.exit('matplotlib' in sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL
    )


def test_a_reader_that_has_seen_enough(tmp_path):
    class Closed(io.StringIO):
        encoding = "utf-8"

        def write(self, text):
            raise BrokenPipeError

        def fileno(self):
            return file.fileno()

    with (tmp_path / "out").open("w", encoding="utf-8") as file:
        with contextlib.redirect_stdout(Closed()):
            assert __main__.main(["explain", "go"]) == 0
        file.write("nowhere")
    assert (tmp_path / "out").read_bytes() == b""


def test_standard_output_on_a_full_disk(tmp_path, capsys):
    class Full(io.StringIO):
        encoding = "utf-8"

        def write(self, text):
            raise OSError(errno.ENOSPC, "No space left on device")

        def fileno(self):
            return file.fileno()

    with (tmp_path / "out").open("w", encoding="utf-8") as file:
        with contextlib.redirect_stdout(Full()):
            assert __main__.main(["explain", "go"]) == 1
        file.write("nowhere")
    assert (tmp_path / "out").read_bytes() == b""
    assert capsys.readouterr().err == (
        "packtutor: cannot write standard output: No space left on device\n"
    )


def test_a_disk_that_is_full_when_all_is_written(tmp_path, capsys):
    class Full(io.StringIO):
        encoding = "utf-8"

        def flush(self):
            raise OSError(errno.ENOSPC, "No space left on device")

        def fileno(self):
            return file.fileno()

    with (
        (tmp_path / "out").open("w", encoding="utf-8") as file,
        contextlib.redirect_stdout(Full()),
    ):
        assert __main__.main(["explain", "go"]) == 1
    assert capsys.readouterr().err == (
        "packtutor: cannot write standard output: No space left on device\n"
    )


CANNOT = "packtutor: cannot "
IN = f"{CANNOT}read standard input: it is closed\n"
OUT = f"{CANNOT}write standard output: it is closed\n"


def test_streams_that_are_none(monkeypatch, capsys):
    """So Python sets them that were closed before it started."""
    monkeypatch.setattr(sys, "stdin", None)
    for arguments in (["explain", "-"], ["report", "-"]):
        assert __main__.main(arguments) == 2
        assert capsys.readouterr() == ("", IN)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        assert __main__.main(["explain", "go"]) == 1
    assert capsys.readouterr() == ("", OUT)
    monkeypatch.setattr(sys, "stderr", None)
    assert __main__.main(["explain", "-"]) == 2
    assert capsys.readouterr().out == ""


class Full(io.StringIO):
    """A stream on a disk that has no room left, with a file of its own."""

    encoding = "utf-8"

    def __init__(self, file):
        super().__init__()
        self.fileno = file.fileno

    def flush(self):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_on_a_full_disk(argument, tmp_path, capsys):
    with (tmp_path / "out").open("w", encoding="utf-8") as file:
        with contextlib.redirect_stdout(Full(file)):
            assert __main__.main([argument]) == 1
        file.write("nowhere")
    assert (tmp_path / "out").read_bytes() == b""
    assert capsys.readouterr().err == (
        f"{CANNOT}write standard output: No space left on device\n"
    )


def test_an_error_on_a_full_disk(tmp_path, capsys):
    with (tmp_path / "out").open("w", encoding="utf-8") as file:
        with contextlib.redirect_stderr(Full(file)):
            assert __main__.main(["explain", " "]) == 2
        file.write("nowhere")
    assert (tmp_path / "out").read_bytes() == b""
    assert capsys.readouterr().out == ""


def in_a_shell(arguments):
    return subprocess.run(
        f"{shlex.quote(sys.executable)} -m packtutor {arguments}",
        shell=True,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("arguments", "closed", "status", "output", "error"),
    [
        ("explain a", ">&-", 1, "", OUT),
        ("report FILE", ">&-", 1, "", OUT),
        (
            "report - --json",
            "<&-",
            2,
            "",
            IN,
        ),
        ("explain -", "<&-", 2, "", IN),
        ("explain ' '", "2>&-", 2, "", ""),
    ],
)
def test_a_stream_that_is_closed(arguments, closed, status, output, error):
    file = Path(__file__).parent / "reports" / "pack.txt"
    command = arguments.replace("FILE", shlex.quote(str(file)))
    done = in_a_shell(f"{command} {closed}")
    found = done.returncode, done.stdout, done.stderr
    assert found == (status, output, error)


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="needs a device that is full"
)
@pytest.mark.parametrize(
    ("arguments", "full", "status", "error"),
    [
        ("--help", ">", 1, f"{CANNOT}write standard output: No space left"),
        ("--version", ">", 1, f"{CANNOT}write standard output: No space left"),
        ("explain ' '", "2>", 2, ""),
    ],
)
def test_a_stream_that_is_full(arguments, full, status, error):
    done = in_a_shell(f"{arguments} {full}/dev/full")
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(error)
    assert done.stderr.count("\n") == bool(error)


@pytest.mark.parametrize("name", ["a\0.png", "\ud800.png"])
def test_a_name_that_no_file_can_have(name):
    message = refuse("a", "--figure", name)
    assert message.startswith(f"packtutor: cannot write {name!r}: ")


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX pipe")
def test_a_broken_pipe_ends_quietly():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "packtutor", "explain", "go"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_version(capsys):
    with pytest.raises(SystemExit) as stop:
        __main__.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"packtutor {__version__}\n"


HELP = {
    "": """
usage: packtutor [-h] [--version] COMMAND ...
Variable-length sequences in PyTorch, shown on your own.
positional arguments:
COMMAND
explain show texts as ids, as a padded and as a packed batch
report say what padding costs for the lengths in a file, and what to do
options:
-h, --help show this help message and exit
--version show program's version number and exit
""",
    "explain": """
usage: packtutor explain [-h] [--figure OUT.png] TEXT [TEXT ...]
Show texts as ids, as a padded and as a packed batch, and what padding costs.
positional arguments:
TEXT one sequence; - stands for the lines of standard input
options:
-h, --help show this help message and exit
--figure OUT.png also draw the batch (needs matplotlib)
""",
    "report": """
usage: packtutor report [-h] [--lengths] [--batch-size N] [--input-size N]
[--hidden-size N] [--sort] [--measure] [--json] [--figure OUT.png] FILE
Say what padding costs for the sequences of a file, one a line, and what to do
about it.
positional arguments:
FILE text in UTF-8, whose words are counted; - stands for standard input
options:
-h, --help show this help message and exit
--lengths the file has a length a line, and no text
--batch-size N sequences a batch (32 if not given)
--input-size N features of a token (128 if not given)
--hidden-size N hidden size of the LSTM (256 if not given)
--sort batches are cut from the sequences sorted by length
--measure also time an LSTM over batches of the file, in about half a minute
at most; PACKTUTOR_DEVICE=cuda does it on a GPU
--json print numbers for a program
--figure OUT.png also draw padding and lengths (needs matplotlib)
""",
}


@pytest.mark.parametrize("command", HELP)
def test_the_help(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    monkeypatch.setenv("NO_COLOR", "1")
    with pytest.raises(SystemExit) as stop:
        __main__.main([*command.split(), "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.split() == HELP[command].split()


@pytest.mark.parametrize("arguments", [[], ["explain"], ["report"]])
def test_wrong_arguments(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        __main__.main(arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("usage: packtutor")
