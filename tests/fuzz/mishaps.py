"""What cases must never do, for the tests of the fuzzing itself."""

import os
import time
import warnings

import torch

from tests.fuzz.outcome import attempt


def case(source):
    """Do one of these, by the first byte."""
    kind = source.pick(KINDS)
    source.note(kind=kind.__name__, number=source.below(200))
    return kind(source.notes["number"])


def hang(_):
    time.sleep(1000)


def crash(_):
    os.abort()


def warn(_):
    warnings.warn("careless", stacklevel=1)


def raise_another(number):
    return [0][number + 1]


def refuse_what_is_right(number):
    def call():
        raise ValueError(f"number is {number}")

    attempt(call, ["number"], valid=True)


def name_nothing(_):
    def call():
        raise ValueError("something is wrong")

    attempt(call, ["number"], valid=False)


def take_what_is_broken(number):
    attempt(lambda: number, ["number"], valid=False)


def change_its_argument(number):
    argument = torch.zeros(2)
    attempt(
        lambda: argument.add_(number + 1), [], valid=True, given=[argument]
    )


def fail_from_a_hundred_on(number):
    if number >= 100:
        raise KeyError(number)
    return True


def behave(number):
    return number % 2 == 0


KINDS = [
    *[behave] * 8,
    name_nothing,
    hang,
    crash,
    warn,
    raise_another,
    refuse_what_is_right,
    take_what_is_broken,
    change_its_argument,
    fail_from_a_hundred_on,
]
