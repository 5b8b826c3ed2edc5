"""Choices, read from a string of bytes."""

import random

SIZE = 192


def make_bytes(seed, target, number):
    """Return the bytes of a case, the same on every machine."""
    return random.Random(f"{seed} {target} {number}").randbytes(SIZE)


class Source:
    """Make choices from bytes, and keep notes of what was chosen.

    The first choice is always the simplest one, and where there are no bytes
    left every choice is the first: so fewer and smaller bytes make a simpler
    case, which is what Hypothesis shrinks to.
    """

    def __init__(self, data):
        self._data = data
        self._place = 0
        self.notes = {}

    def below(self, bound):
        """Return a number from 0 to bound - 1."""
        size = 1 if bound <= 256 else 8
        part = self._data[self._place : self._place + size]
        self._place += size
        return int.from_bytes(part, "big") % bound

    def between(self, least, most):
        return least + self.below(most - least + 1)

    def flag(self):
        return self.below(2) == 1

    def rarely(self, times):
        """Return True once in so many times."""
        return self.below(times) == times - 1

    def pick(self, choices):
        return choices[self.below(len(choices))]

    def shuffled(self, count):
        """Return the numbers below ``count`` in some order."""
        numbers = list(range(count))
        for last in range(count - 1, 0, -1):
            place = last - self.below(last + 1)
            numbers[last], numbers[place] = numbers[place], numbers[last]
        return numbers

    def note(self, **chosen):
        """Keep what a person has to see to understand the case."""
        self.notes.update(chosen)
