"""Each picture is what it was: the rows that tell it are those stored.

Where a picture is meant to change, `python tests/drawings.py` stores it anew;
`git diff` shows what has moved.
"""

from __future__ import annotations

import pytest
from drawings import CASES, STORED, drawn, stored


@pytest.mark.parametrize("name", CASES)
def test_a_picture_is_what_it_was(name):
    assert drawn(name) == stored(name)


def test_every_stored_picture_is_drawn():
    assert {path.stem for path in STORED.iterdir()} == {*CASES}
