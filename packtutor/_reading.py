"""Read the lengths of sequences from a file, one block of bytes at a time."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

import torch
from torch import Tensor

from packtutor._checks import short

# No sequence may be longer: then the sum of a block fits an int64.
LONGEST = 10**12
_DIGITS = len(str(LONGEST))

_BLOCK = 1 << 19
_BOM = codecs.BOM_UTF8
_NEWLINE = ord("\n")

# What str.split takes for white space, as bytes: first and last of a run.
_NARROW_SPACE = ((0x09, 0x0D), (0x1C, 0x20))
_WIDE_SPACE = {
    b"\xc2": ((0x85, 0x85), (0xA0, 0xA0)),
    b"\xe1\x9a": ((0x80, 0x80),),
    b"\xe2\x80": ((0x80, 0x8A), (0xA8, 0xA9), (0xAF, 0xAF)),
    b"\xe2\x81": ((0x9F, 0x9F),),
    b"\xe3\x80": ((0x80, 0x80),),
}


def check_longest(lengths: Tensor) -> Tensor:
    """Return lengths (n,) if none is longer than is counted."""
    long = (lengths > LONGEST).nonzero()
    if long.numel():
        index = int(long[0])
        raise ValueError(
            f"lengths[{index}] is {int(lengths[index])}; it must be at most "
            f"{LONGEST}"
        )
    return lengths


def read_lengths(
    file: BinaryIO,
    name: str,
    *,
    numbers: bool = False,
    block: int = _BLOCK,
    on_read: Callable[[int], object] = int,
) -> Iterator[Tensor]:
    r"""Yield the lengths of a file's sequences, in their order.

    A line is a sequence and ends with ``\n``, ``\r\n`` or ``\r``; what stands
    after the last line end is one too. Its length is the number of its words,
    as ``tokenize`` counts them, or with ``numbers`` the number in it.

    However long a line is, only a block of it is in memory.

    Args:
        file: A binary file.
        name: What errors call it.
        numbers: Whether a line holds a length, not words.
        block: How many bytes are read at a time.
        on_read: Is called with the number of bytes of each block.
    """
    blocks = _read_blocks(file, name, block, on_read)
    return _read_numbers(blocks, name) if numbers else _count_words(blocks)


def _read_blocks(
    file: BinaryIO, name: str, size: int, on_read: Callable[[int], object]
) -> Iterator[bytes]:
    r"""Yield the text in whole letters, each line end as ``\n``, no BOM."""
    rest, line, begun, final = b"", 1, False, False
    while not final:
        data: object = file.read(size)
        if not isinstance(data, bytes):
            # Text, or nothing yet from a file that does not wait.
            raise TypeError(
                f"{name} gives {type(data).__name__} to read; it must give "
                f"bytes, as a file does that is opened in mode 'rb'"
            )
        on_read(len(data))
        final = not data
        block = rest + data
        nul = block.find(0)
        if nul >= 0:
            raise ValueError(
                f"{name} is binary: line {line + _line_ends(block[:nul])} "
                f"holds a NUL byte; it must be text in UTF-8"
            )
        try:
            whole = codecs.utf_8_decode(block, "strict", final)[1]
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{name} is not UTF-8: line "
                f"{line + _line_ends(block[: error.start])} holds the byte "
                f"0x{block[error.start]:02x}"
            ) from None
        if block[:whole].endswith(b"\r") and not final:
            whole -= 1  # its \n may stand in the next block
        block, rest = block[:whole], block[whole:]
        if block and not begun:
            begun = True
            block = block.removeprefix(_BOM)
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if block:
            line += block.count(b"\n")
            yield block


def _line_ends(block: bytes) -> int:
    return block.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")


def _count_words(blocks: Iterator[bytes]) -> Iterator[Tensor]:
    """Yield the number of words of each line."""
    words, after_space, open_line = 0, True, False
    for block in blocks:
        bytes_n = _as_tensor(block)
        space_n = _mark_space(block, bytes_n)
        # A word starts where white space, or the file's start, is before it.
        before_n = space_n.roll(1)
        before_n[0] = after_space
        starts_n = before_n > space_n
        ends = (bytes_n == _NEWLINE).nonzero().view(-1)
        if ends.numel():
            seen_n = starts_n.cumsum(0)
            seen = seen_n.index_select(0, ends)
            lengths = seen.diff(prepend=seen.new_zeros(1))
            lengths[0] += words
            yield lengths
            words = int(seen_n[-1] - seen[-1])
        else:
            words += int(starts_n.count_nonzero())
        after_space = bool(space_n[-1])
        open_line = not block.endswith(b"\n")
    if open_line:
        yield torch.tensor([words], device="cpu")


def _mark_space(block: bytes, bytes_n: Tensor) -> Tensor:
    """Return which bytes belong to white space, True there."""
    space_n = _is_between(bytes_n, _NARROW_SPACE)
    if block.isascii():
        return space_n
    for head, runs in _WIDE_SPACE.items():
        if head not in block:
            continue
        # Whole letters: head[0] is never among the last len(head) bytes.
        at = (bytes_n == head[0]).nonzero().view(-1)
        for place in range(1, len(head)):
            at = at[bytes_n[at + place] == head[place]]
        at = at[_is_between(bytes_n[at + len(head)], runs)]
        for place in range(len(head) + 1):
            space_n[at + place] = True
    return space_n


def _is_between(bytes_n: Tensor, runs: tuple[tuple[int, int], ...]) -> Tensor:
    """Return which bytes are in one of the runs."""
    # Below the run's start a uint8 wraps around, to a large number.
    inside = [(bytes_n - first) <= last - first for first, last in runs]
    for other in inside[1:]:
        inside[0] |= other
    return inside[0]


def _read_numbers(blocks: Iterator[bytes], name: str) -> Iterator[Tensor]:
    """Yield the number of each line."""
    rest, line = b"", 1
    for data in blocks:
        block = rest + data
        cut = block.rfind(b"\n") + 1
        block, rest = block[:cut], block[cut:]
        if block:
            lengths = _parse(block, name, line)
            line += lengths.numel()
            yield lengths
        if len(rest) > _BLOCK:
            raise _not_a_length(name, line, rest)
    if rest:
        yield _parse(rest + b"\n", name, line)


def _parse(block: bytes, name: str, line: int) -> Tensor:
    """Return the numbers of whole lines, the first of them ``line``."""
    bytes_n = _as_tensor(block)
    digit_n = _is_between(bytes_n, ((0x30, 0x39),))
    end_n = bytes_n == _NEWLINE
    ends = end_n.nonzero().view(-1)
    if b" " in block or b"\t" in block:
        # Where each run of digits starts and ends. None touches the block's
        # last byte, which is a line end.
        after_digit_n = digit_n.roll(1)
        firsts = (digit_n > after_digit_n).nonzero().view(-1)
        lasts = (after_digit_n > digit_n).nonzero().view(-1) - 1
        is_known = digit_n | end_n | (bytes_n == ord(" "))
        is_good = (
            bool((is_known | (bytes_n == ord("\t"))).all())
            and firsts.numel() == ends.numel()
            and bool((lasts < ends).all())
            and bool((firsts[1:] > ends[:-1]).all())
        )
    else:
        firsts = torch.cat([ends.new_zeros(1), ends[:-1] + 1])
        lasts = ends - 1
        number = int(digit_n.count_nonzero())
        is_good = number + ends.numel() == len(block) and bool(
            (lasts >= firsts).all()
        )
    if not (is_good and int((lasts - firsts).max()) < _DIGITS):
        raise _find_fault(block, name, line)
    # index_select takes a third of the time of bytes_n[lasts].
    values = bytes_n.index_select(0, lasts).long() - ord("0")
    widths = lasts - firsts
    for place in range(1, int(widths.max()) + 1):
        digits = bytes_n.index_select(0, (lasts - place).clamp(min=0))
        digits = (digits - ord("0")) * (widths >= place)
        values.add_(digits, alpha=10**place)
    if int(values.max()) > LONGEST:
        raise _find_fault(block, name, line)
    return values


def _find_fault(block: bytes, name: str, line: int) -> ValueError:
    """Return the error of the first line that holds no length."""
    good = re.compile(rb"[ \t]*([0-9]{1,%d})[ \t]*" % _DIGITS)

    def is_length(text: bytes) -> bool:
        found = good.fullmatch(text)
        return found is not None and int(found[1]) <= LONGEST

    before, text = next(
        (number, text)
        for number, text in enumerate(block.split(b"\n"))
        if not is_length(text)
    )
    return _not_a_length(name, line + before, text)


def _not_a_length(name: str, line: int, text: bytes) -> ValueError:
    shown = text[:100].decode(errors="ignore").strip(" \t\r")
    return ValueError(
        f"{name}: line {line} "
        f"{f'holds {short(shown)}' if shown else 'is empty'}; with --lengths "
        f"it must hold one whole number from 0 to {LONGEST:,}"
    )


def _as_tensor(block: bytes) -> Tensor:
    # A copy: torch warns of memory that must not be written to.
    return torch.frombuffer(bytearray(block), dtype=torch.uint8)
