"""Words in the columns of a terminal, laid out by hand."""

import contextlib
import io

import pytest

from packtutor._terminal import (
    align,
    clip,
    count,
    printable,
    table,
    text_width,
    wrap,
)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("go", 2),
        ("世界", 4),  # wide
        ("\uff27\uff2f", 4),  # full width
        ("\uff7a\uff9e", 2),  # half width
        ("e\u0301", 1),  # an accent of its own
        ("o\u20dd", 1),  # a circle around a letter
        ("a\u200db\u00ad", 2),  # what joins, and where a word may break
    ],
)
def test_how_wide_letters_are(text, columns):
    assert text_width(text) == columns


def test_sentences_break_between_words_only():
    assert wrap("in a well-known way", 12) == ["in a", "well-known", "way"]
    assert [len(line) for line in wrap("a " * 100, 200)] == [79, 79, 39]


def test_the_last_cell_says_whether_a_column_holds_numbers():
    assert align([["name", "n"], ["go", "1"], ["on", "12"]]) == [
        "  name   n",
        "  go     1",
        "  on    12",
    ]
    assert align([["3", "x"], ["10", "yes"], ["go", "no"]]) == [
        "  3   x",
        "  10  yes",
        "  go  no",
    ]
    assert align([["go", "1"]]) == ["  go  1"]


def test_numbers_of_things():
    assert count(1, "step") == "1 step"
    assert count(0, "step") == "0 steps"
    assert count(1234, "step") == "1,234 steps"


NAMES, COLUMNS = ["a", "b"], [["c1", "d"], ["c2", "d"], ["c3", "d"]]


def test_a_table_that_just_fits():
    # A name takes 3 columns of the terminal, each cell 4, the dots 5.
    two = ["  a  c1  c2", "  b  d   d"]
    assert table(NAMES, COLUMNS[:2], 11, steps=2, more=0) == two
    assert table(NAMES, COLUMNS[:2], 10, steps=2, more=0) == (
        ["  a  c1  ...", "  b  d", "  ... 1 more step"]
    )
    # Of three the second one needs the room of the dots beside it.
    assert table(NAMES, COLUMNS, 15, steps=3, more=0) == (
        ["  a  c1  ...", "  b  d", "  ... 2 more steps"]
    )
    three = ["  a  c1  c2  c3", "  b  d   d   d"]
    assert table(NAMES, COLUMNS, 16, steps=3, more=0) == three
    # The first one is shown in any case.
    assert table(NAMES, COLUMNS[:1], 1, steps=1, more=0) == (
        ["  a  c1", "  b  d"]
    )


def test_what_a_table_leaves_out_is_counted():
    assert table(NAMES, COLUMNS, 12, steps=3, more=1)[2:] == (
        ["  ... 1 more sequence, 2 more steps"]
    )
    assert table(NAMES, COLUMNS, 80, steps=3, more=1)[2:] == (
        ["  ... 1 more sequence"]
    )
    assert table(NAMES, COLUMNS, 80, steps=2000, more=0) == (
        ["  a  c1  c2  c3  ...", "  b  d   d   d", "  ... 1,997 more steps"]
    )


def test_a_word_of_64_letters_is_read_to_its_end():
    accents = "a" + 63 * "\u0301"
    assert clip(accents) == accents
    assert clip(accents + "\u0301") == accents + "..."


def test_no_sign_of_direction_where_there_is_none():
    """ISO 8859-6 has Arabic letters alone."""
    output = io.TextIOWrapper(io.BytesIO(), encoding="iso8859_6")
    with contextlib.redirect_stdout(output):
        assert clip("\u0633\u0644") == "\u0633\u0644"
        assert printable("\u0633\u200eé世") == "\u0633\\u200e\\xe9\\u4e16"
        assert printable("\u0633\u200eé", fallback="?") == "\u0633??"
