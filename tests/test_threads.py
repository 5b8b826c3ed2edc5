"""Keep the map from public threads to the sections that answer them whole."""

from __future__ import annotations

import re
from pathlib import Path

from notebooks import BOOK, NOTEBOOKS, read, sections, slug

LINK = re.compile(r"\[([^]]*(?:\[[^]]*\][^]]*)*)\]\(([^)#\s]+)#([^)\s]+)\)")
THREAD = re.compile(
    r"https://github\.com/([\w.-]+/[\w.-]+)/(?:issues|pull)/(\d+)"
)
PYTORCH = "pytorch/pytorch"

# What people keep asking, but for what goes wrong on one make of GPU alone or
# is slow with one version of its library (90204).
ASKED = """
149194 25743 46176 18317 18078 pytorch/text#1474
1788 82534 118107 83994 11514 80605 149227 4582 43227 7466 108246 16542 23079
4927 33602 15567 3584 1591 2312 31422 517 1811 3662 25310 9193 1203 1820
144207 146744 36448 169213 10536 18110 42229 112044 162375 171978 62240
127153 OpenNMT/OpenNMT-py#61 slp-ntua/patrec-labs#210
bentrevett/pytorch-seq2seq#91
bentrevett/pytorch-seq2seq#90 facebookresearch/fairseq#851
facebookresearch/fairseq#860 IBM/pytorch-seq2seq#125
lukas-blecher/LaTeX-OCR#305 facebookresearch/InferSent#15
Lightning-AI/pytorch-lightning#293
"""


def named(text: str) -> set[tuple[str, str]]:
    """Threads by repository and number; a bare number is PyTorch's."""
    parts = [word.rpartition("#") for word in text.split()]
    return {(repo or PYTORCH, number) for repo, _, number in parts}


def rows() -> list[list[str]]:
    text = (BOOK / "references.md").read_text(encoding="utf-8")
    table = text.partition("## Threads\n")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [line.strip("| ").split(" | ") for line in lines[2:]]


def anchors(path: Path) -> set[str]:
    return {slug(section.heading) for section in sections(read(path))}


def test_every_thread_leads_to_a_section_that_exists() -> None:
    known = {p.relative_to(BOOK).as_posix(): anchors(p) for p in NOTEBOOKS}
    for question, answers, threads in rows():
        links = LINK.findall(answers)
        assert links, question
        assert len(links) == len(answers.split("; ")), question
        for text, name, anchor in links:
            assert anchor in known[name], (question, name, anchor)
            assert slug(text) == anchor, question
        for shown, repo, number in re.findall(
            r"\[([^]]+)\]\(https://github\.com/([^)]+)/issues/(\d+)\)", threads
        ):
            own = "" if repo == PYTORCH else f"{repo} "
            assert shown == f"{own}#{number}", question


def test_the_map_is_whole() -> None:
    mapped = {t for row in rows() for t in THREAD.findall(row[2])}
    assert mapped == named(ASKED)
    for path in NOTEBOOKS:
        for section in sections(read(path)):
            cited = set(THREAD.findall(section.prose))
            assert cited <= mapped, path.name
