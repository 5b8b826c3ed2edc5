"""The colours of a batch: in both themes, in grey, for all eyes, on the site.

The site turns its figures over in the dark mode, with ``custom.css``:
``invert(1) hue-rotate(180deg)``, laid on the page by ``screen``. ``turned``
computes the same, and ``packing.css`` has the results for what scripts draw.
"""

import itertools
import re

import numpy as np
import pytest
from notebooks import BOOK

from packtutor import _palette
from packtutor._palette import FILLS, GREY, INK, LINES, PAD, PANEL, PAPER

DARK_PAGE = "#121212"
# The matrix of hue-rotate(180deg), as the Filter Effects module has it.
_TURN = np.array(
    [[-0.574, 1.43, 0.144], [0.426, 0.43, 0.144], [0.426, 1.43, -0.856]]
)
# Machado, Oliveira and Fernandes 2009: no red, no green, no blue cones.
EYES = {
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.01182, 0.04294, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.3039],
        ]
    ),
}


def read(colour):
    return np.array([*bytes.fromhex(colour[1:])]) / 255


def write(rgb):
    return "#" + bytes(round(255 * float(part)) for part in rgb).hex()


def turned(colour):
    """Return what the site's dark mode makes of a figure's colour."""
    rgb = np.clip(_TURN @ (1 - read(colour)), 0, 1)
    return write(1 - (1 - rgb) * (1 - read(DARK_PAGE)))


def linear(colour):
    rgb = read(colour)
    return np.where(
        rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4
    )


def luminance(rgb):
    return float(rgb @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    low, high = sorted(luminance(linear(c)) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


def lightness(rgb):
    """Return L* of linear rgb, 0 to 100: equal steps look equal in grey."""
    y = luminance(rgb)
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def lab(rgb):
    """Return L*, a*, b* of linear rgb, whose distances look alike."""
    xyz = np.array(
        [
            [0.4124, 0.3576, 0.1805],
            [0.2126, 0.7152, 0.0722],
            [0.0193, 0.1192, 0.9505],
        ]
    )
    parts = xyz @ rgb / xyz.sum(1)
    f = np.where(parts > 0.008856, np.cbrt(parts), 7.787 * parts + 16 / 116)
    return np.array(
        [116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])]
    )


def same(colour):
    return colour


THEMES = pytest.mark.parametrize("theme", [same, turned])


@THEMES
def test_what_is_written_can_be_read(theme):
    for paper in (*FILLS, PAPER, PANEL):
        assert contrast(theme(INK), theme(paper)) >= 4.5, paper
    assert contrast(theme(GREY), theme(PAPER)) >= 4.5


@THEMES
def test_lines_and_borders_can_be_seen(theme):
    for line in (*LINES, PAD, GREY):
        assert contrast(theme(line), theme(PAPER)) >= 3, line
    for row, fill in enumerate(FILLS):
        border = theme(_palette.edge(row))
        assert contrast(border, theme(PAPER)) >= 3, fill


@THEMES
def test_sequences_can_be_told_apart_in_grey(theme):
    seen = [lightness(linear(theme(fill))) for fill in FILLS]
    for one, other in itertools.combinations(seen, 2):
        assert abs(one - other) >= 3
    for one, other in itertools.pairwise(seen):
        assert abs(one - other) >= 8


@THEMES
@pytest.mark.parametrize("eye", EYES)
def test_sequences_can_be_told_apart_by_all_eyes(theme, eye):
    seen = [
        lab(np.clip(EYES[eye] @ linear(theme(fill)), 0, 1)) for fill in FILLS
    ]
    # A difference of 2.3 is just noticed.
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(one - other) >= 8


def test_the_lines_of_a_chart_differ_in_grey():
    first, second = (lightness(linear(line)) for line in LINES[:2])
    assert abs(first - second) >= 15


def test_colours_come_again():
    assert _palette.fill(len(FILLS)) == FILLS[0]
    assert _palette.edge(len(FILLS) + 1) == _palette.edge(1) != FILLS[1]


@pytest.mark.parametrize(
    ("selector", "theme"),
    [(".pe-live", same), ('html[data-theme="dark"] .pe-live', turned)],
)
def test_the_site_draws_in_the_same_colours(selector, theme):
    css = (BOOK / "assets" / "packing.css").read_text(encoding="utf-8")
    block = re.search(rf"^{re.escape(selector)} {{(.*?)}}", css, re.M | re.S)
    found = dict(re.findall(r"--pe-([\w-]+): (#\w+);", block[1]))
    wanted = {f"doc-{row}": theme(fill) for row, fill in enumerate(FILLS)}
    assert found == wanted | {"ink": theme(INK), "pad": theme(PAD)}
    script = (BOOK / "assets" / "packing.js").read_text(encoding="utf-8")
    assert f"const COLOURS = {len(FILLS)};" in script


def test_the_dark_mode_turns_figures_over_as_computed_here():
    css = (BOOK / "assets" / "custom.css").read_text(encoding="utf-8")
    rule = re.search(
        r"^html\[data-theme=\"dark\"\].*?{(.*?)}", css, re.M | re.S
    )
    assert "filter: invert(1) hue-rotate(180deg);" in rule[1]
    assert "mix-blend-mode: screen;" in rule[1]


def test_a_border_is_halfway_between_the_cell_and_the_ink():
    assert (_palette.fill(0), INK) == ("#98d3fd", "#141414")
    assert _palette.edge(0) == "#567388"
    assert _palette.edge(len(FILLS)) == "#567388"
