"""The colours of a batch: those of the figures and of the site's drawings.

``book/assets/packing.css`` has the same for the light theme, and for the
dark one what the site's filter makes of them; a test holds them together.
Neighbouring sequences differ in lightness, so that they can be told apart in
grey and by colour-blind readers; words stand on them with a contrast of 4.5
or more, in both themes.
"""

PAPER, INK, GREY = "#ffffff", "#141414", "#5f5f5f"

# The hatching and the border of a pad, and all that is not there (yet).
PAD = "#8a8a8a"

# A sequence's cells: blue, yellow, green, pink, vermilion; then blue again.
FILLS = ("#98d3fd", "#fae8a2", "#64c393", "#fecce7", "#fbac80")

# Lines of a chart, each with a dash and a marker of its own, and the boxes
# and rules that belong to no sequence.
LINES = ("#00507d", "#c55300", "#1a7f54", "#a3537c")
PANEL, RULE = "#ececec", "#d9d9d9"


def fill(row: int) -> str:
    """Return the colour of a sequence's cells."""
    return FILLS[row % len(FILLS)]


def edge(row: int) -> str:
    """Return the colour of their borders, halfway to the ink."""
    pairs = zip(
        bytes.fromhex(fill(row)[1:]), bytes.fromhex(INK[1:]), strict=True
    )
    return "#" + bytes((one + two) // 2 for one, two in pairs).hex()
