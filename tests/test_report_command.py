"""What `packtutor report` hands on: curves, bars, threads and its numbers."""

import contextlib
import io
import json
from pathlib import Path

import pytest
import torch

from packtutor import __main__, _report
from packtutor._measure import ROUNDS
from packtutor.report import report_lengths

REPORTS = Path(__file__).parent / "reports"
PACK = REPORTS / "pack.txt"
PACK_LENGTHS = [
    len(line.split()) for line in PACK.read_text("utf-8").splitlines()
]
REFUSED = (
    "packtutor: PACKTUTOR_DEVICE is 'meta', which computes nothing; "
    "--measure needs a device that does\n"
)


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch):
    monkeypatch.delenv("PACKTUTOR_DEVICE", raising=False)


def report(*arguments):
    output, errors = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        status = __main__.main(["report", *map(str, arguments)])
    return status, output.getvalue(), errors.getvalue()


def test_the_figure_has_each_order_and_each_length(monkeypatch, tmp_path):
    seen = []

    class Figures:
        @staticmethod
        def report_png(*arguments):
            seen.extend(arguments)
            return b"a picture"

    monkeypatch.setattr(_report, "load_figures", lambda _: Figures)
    target = tmp_path / "report.png"
    assert report(PACK, "--figure", target)[0] == 0
    assert target.read_bytes() == b"a picture"
    statistics = report_lengths(PACK_LENGTHS)
    curves, lengths, counts = seen
    columns = list(zip(*statistics.padding, strict=True))
    sizes, *orders = map(list, columns)
    names = "file order", "shuffled", "by length"
    assert curves == {
        name: (sizes, order) for name, order in zip(names, orders, strict=True)
    }
    assert lengths.tolist() == statistics.lengths.tolist()
    assert counts.tolist() == statistics.counts.tolist()


def test_numbers_are_set_out_in_lines():
    _, output, _ = report(PACK, "--json")
    assert output == json.dumps(json.loads(output), indent=2) + "\n"


def test_a_bar_goes_as_far_as_its_work(monkeypatch):
    bars = []

    @contextlib.contextmanager
    def progress(total, **options):
        done = []
        yield done.append
        bars.append((total(), sum(done), options))

    monkeypatch.setattr(_report, "_progress", progress)
    sizes = "--input-size", 3, "--hidden-size", 4
    assert report(PACK, "--measure", "--batch-size", 1, *sizes)[0] == 0
    size = PACK.stat().st_size
    runs = ROUNDS * len(PACK_LENGTHS)
    assert bars == [
        (size, size, {"desc": "reading", "unit": "B", "unit_scale": True}),
        (runs, runs, {"desc": "measuring", "unit": "batch"}),
    ]


def test_a_file_is_read_with_one_thread(monkeypatch):
    seen = []
    read = _report.report_file

    def reading(*arguments, **options):
        seen.append(torch.get_num_threads())
        return read(*arguments, **options)

    monkeypatch.setattr(_report, "report_file", reading)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        report(PACK)
    finally:
        torch.set_num_threads(threads)
    assert seen == [1]


def test_a_device_that_computes_nothing_is_refused(monkeypatch):
    monkeypatch.setenv("PACKTUTOR_DEVICE", "meta")
    assert report(PACK, "--measure") == (2, "", REFUSED)
