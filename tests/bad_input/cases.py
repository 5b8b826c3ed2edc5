"""One row of the table, and what the rows of one callable share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple


class Call(NamedTuple):
    """The arguments of one call, made afresh."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def of(self, function: Callable[..., Any]) -> Any:
        return function(*self.args, **self.kwargs)


def given(*args: Any, **kwargs: Any) -> Call:
    return Call(args, kwargs)


class Row(NamedTuple):
    """A bad call.

    Args:
        wrong: What is wrong, in a few words.
        make: Returns the arguments, new ones each time.
        error: The type of the error, exactly.
        text: Its whole text, or a pattern that matches the whole of it.
    """

    wrong: str
    make: Callable[[], Call]
    error: type[BaseException]
    text: str | re.Pattern[str]

    def says(self, message: str) -> bool:
        if isinstance(self.text, str):
            return message == self.text
        return self.text.fullmatch(message) is not None


class Cases(NamedTuple):
    """All bad calls of one callable, and a good one.

    Args:
        name: As ``public.find`` calls it.
        good: Returns the arguments of the good call.
        gives: Returns what it must give, or tells whether a result is right.
        rows: The bad calls.
        function: What is called; the callable of that name if None.
    """

    name: str
    good: Callable[[], Call]
    gives: Callable[..., Any]
    rows: list[Row]
    function: Callable[..., Any] | None = None


def pattern(*parts: str) -> re.Pattern[str]:
    """Match texts as they stand, with anything between two of them."""
    return re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
