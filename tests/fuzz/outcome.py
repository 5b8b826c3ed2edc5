"""What a call may do: return, or refuse in words that name an argument."""

import torch
from torch import Tensor

from packtutor import Ragged
from tests.tolerances import assert_same

REFUSED = object()


class Finding(AssertionError):
    """What no call may do."""


def attempt(call, names, *, valid, given=()):
    """Return the result of a call, or ``REFUSED`` if it refused rightly.

    Args:
        call: The call, without arguments.
        names: What its errors may name.
        valid: Whether it has to be taken; otherwise it has to be refused.
        given: Arguments, which the call must leave as they are.
    """
    before = [_copy(argument) for argument in given]
    try:
        result = call()
    except (TypeError, ValueError) as error:
        if type(error) not in (TypeError, ValueError):
            raise
        if valid:
            raise Finding(f"what is right was refused: {error}") from error
        if not any(name in str(error) for name in names):
            text = f"the error names none of {names}: {error}"
            raise Finding(text) from error
        result = REFUSED
    else:
        if not valid:
            raise Finding(f"what is broken was taken: {result!r}")
    for argument, copied in zip(given, before, strict=True):
        _compare(argument, copied)
    return result


def expect(condition, text):
    if not condition:
        raise Finding(text)


def _copy(argument):
    copied = argument
    if isinstance(argument, Ragged):
        copied = [_copy(argument.values), _copy(argument.lengths)]
    elif isinstance(argument, Tensor):
        plain = argument.layout == torch.strided and not argument.is_nested
        readable = plain and argument.device.type == "cpu"
        copied = argument.detach().clone() if readable else None
    elif isinstance(argument, (list, tuple)):
        copied = [_copy(part) for part in argument]
    elif isinstance(argument, dict):
        copied = dict(argument)
    return copied


def _compare(argument, copied):
    if isinstance(argument, Ragged):
        argument = [argument.values, argument.lengths]
    if isinstance(argument, Tensor):
        if copied is not None:
            assert_same(argument, copied)
    elif isinstance(argument, (list, tuple)):
        expect(len(argument) == len(copied), "an argument has changed")
        for part, other in zip(argument, copied, strict=True):
            _compare(part, other)
    elif isinstance(argument, dict):
        expect(argument == copied, "an argument has changed")
