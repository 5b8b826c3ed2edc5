"""The padding report: what a reader's own lengths cost, and what to do.

Lengths are read as a stream. How often each occurs is kept, not the lengths
themselves, so that memory does not grow with the number of sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import BinaryIO, NamedTuple

import torch
from torch import Tensor, nn

from packtutor import _reading, _tally
from packtutor._advice import Advice, Times, advice, as_statistics
from packtutor._batches import Cutter, Doubler, sorted_batches
from packtutor._checks import (
    Lengths,
    add_up,
    as_count,
    as_flag,
    as_lengths,
    short,
)
from packtutor._shuffled import shuffled_share
from packtutor.cost import Cost, CostComparison, rnn_cost

__all__ = [
    "Advice",
    "Bytes",
    "Padding",
    "Statistics",
    "Times",
    "advice",
    "lstm_cost",
    "memory",
    "report_file",
    "report_lengths",
    "shuffled_padding",
]

# The batch sizes of every report, and the bytes of a float32.
_SIZES = tuple(2**power for power in range(11))
_FLOAT = 4

# Batches and networks are no larger: their weights could not be counted.
_LARGEST = 10**6

# A row of so many lengths has a sum that fits an int64.
_BLOCK = 1 << 20


class Padding(NamedTuple):
    """The share of cells that are pads at one batch size, in three orders.

    ``in_file_order`` and ``by_length`` (from the shortest sequence to the
    longest) are what ``padding_fraction`` gives. ``shuffled`` is the expected
    number of pads divided by the expected number of cells, over all orders:
    the share over many epochs that are shuffled each.

    Example:
        >>> report_lengths([3, 2, 1]).padding[1].by_length
        0.14285714285714285

    Cost:
        Nothing: four numbers.

    Source:
        Chapter 2.

    Not for:
        Telling how much time padding takes: measure that.
    """

    batch_size: int
    in_file_order: float
    shuffled: float
    by_length: float


class Bytes(NamedTuple):
    """The memory of the same features, padded and packed.

    Example:
        >>> memory(report_lengths([3, 2, 1]), 10)[1]
        Bytes(padded_bytes=360, packed_bytes=240)

    Cost:
        Nothing: two numbers.

    Source:
        Chapter 3.

    Not for:
        The memory of a training step: activations and gradients add to it.
    """

    padded_bytes: int
    packed_bytes: int


class Statistics(NamedTuple):
    """What a report knows: counts of lengths, and of the cells of batches.

    ``lengths`` (D,) are the different lengths in order and ``counts`` (D,)
    how many sequences have each, both int64. ``padded_cells`` counts all
    batches of ``batch_size``, in the order of the file or, if ``sort``, by
    length; ``largest_padded_cells`` and ``largest_packed_cells`` count the
    batch that is largest in that layout. ``padding`` has the batch sizes 1,
    2, 4 ... 1,024 and ``batch_size``, in order.

    Example:
        >>> statistics = report_lengths([3, 2, 1])
        >>> statistics.sequences, statistics.tokens, statistics.padded_cells
        (3, 6, 9)

    Cost:
        O(D) of memory.

    Source:
        Chapter 2.

    Not for:
        Finding a certain sequence: the order is not kept.
    """

    lengths: Tensor
    counts: Tensor
    sequences: int
    tokens: int
    batch_size: int
    sort: bool
    padded_cells: int
    largest_padded_cells: int
    largest_packed_cells: int
    padding: tuple[Padding, ...]

    @property
    def empty(self) -> int:
        """The number of sequences of length 0.

        Example:
            >>> report_lengths([3, 0, 1]).empty
            1

        Cost:
            O(1).
        """
        return int(self.counts[0]) if int(self.lengths[0]) == 0 else 0

    @property
    def mean(self) -> float:
        """The mean length.

        Example:
            >>> report_lengths([3, 2, 1]).mean
            2.0

        Cost:
            O(1).
        """
        return self.tokens / self.sequences

    @property
    def median(self) -> float:
        """The middle length, or the mean of the two in the middle.

        Example:
            >>> report_lengths([4, 3, 2, 1]).median
            2.5

        Cost:
            O(D).
        """
        return _tally.median(self.lengths, self.counts)

    @property
    def percentile_95(self) -> int:
        """The least length that 95 of 100 sequences do not exceed.

        Example:
            >>> report_lengths(range(1, 101)).percentile_95
            95

        Cost:
            O(D).
        """
        return _tally.percentile_95(self.lengths, self.counts)

    @property
    def longest(self) -> int:
        """The longest length.

        Example:
            >>> report_lengths([3, 2, 1]).longest
            3

        Cost:
            O(1).
        """
        return int(self.lengths[-1])

    def at(self, batch_size: int) -> Padding:
        """Return the padding at a batch size that ``padding`` has.

        Args:
            batch_size: One of the batch sizes.

        Raises:
            TypeError: If it is not an integer.
            ValueError: If ``padding`` does not have it.

        Example:
            >>> report_lengths([3, 2, 1]).at(1024).shuffled
            0.3333333333333333

        Cost:
            O(batch sizes).
        """
        batch_size = as_count(batch_size, "batch_size", 1)
        for padding in self.padding:
            if padding.batch_size == batch_size:
                return padding
        raise ValueError(
            f"batch_size is {batch_size}; it must be one of "
            f"{[padding.batch_size for padding in self.padding]}"
        )


def report_lengths(
    lengths: Lengths, *, batch_size: int = 32, sort: bool = False
) -> Statistics:
    """Count what batches of sequences of these lengths cost.

    Args:
        lengths: One length a sequence, in the order of the file.
        batch_size: Sequences a batch.
        sort: Whether batches are cut from the sequences sorted by length,
            and not in the order given.

    Shapes:
        lengths: (B,), any integer dtype, CPU.

    Raises:
        TypeError: If a length or ``batch_size`` is not an integer.
        ValueError: If a length is negative or above 10**12, if none is
            above 0, or if ``batch_size`` is below 1 or above 10**6.

    Example:
        >>> report_lengths([4, 2, 2]).at(32).in_file_order
        0.3333333333333333

    Cost:
        O(B + D log D) for D different lengths.

    Source:
        Chapter 2.

    Not for:
        A single number: ``padding_fraction``.
    """
    checked = _reading.check_longest(as_lengths(lengths))
    return _collect(
        (
            checked[start : start + _BLOCK]
            for start in range(0, checked.numel(), _BLOCK)
        ),
        "lengths",
        batch_size=batch_size,
        sort=sort,
    )


def report_file(
    file: BinaryIO,
    *,
    name: str = "file",
    lengths: bool = False,
    batch_size: int = 32,
    sort: bool = False,
    on_read: Callable[[int], object] = int,
    on_lengths: Callable[[Tensor], object] = len,
) -> Statistics:
    r"""Count what batches of a file's sequences cost, one sequence a line.

    The length of a line is the number of its words, as ``tokenize`` splits
    them. Lines end with ``\n``, ``\r\n`` or ``\r``. A blank line is a
    sequence of length 0: it counts, as it would in a batch.

    Args:
        file: A file that was opened to read bytes; text in UTF-8.
        name: What errors call it.
        lengths: Whether each line holds a length, and no text. Then a blank
            line is an error.
        batch_size: As for ``report_lengths``.
        sort: As for ``report_lengths``.
        on_read: Is called with the number of bytes of each block.
        on_lengths: Is called with the lengths (n,) that end in each block.

    Raises:
        OSError: If the file cannot be read.
        TypeError: If ``batch_size`` is not an integer, ``file`` no file of
            bytes, or another argument of the wrong type.
        ValueError: If the file is empty, binary, not UTF-8, has no word or a
            line that is no length, or if ``batch_size`` is below 1 or above
            10**6. The text names the line.

    Example:
        >>> import io
        >>> report_file(io.BytesIO(b"on your mark\nget set\ngo\n")).tokens
        6

    Cost:
        O(bytes + D log D) for D different lengths; O(D) of memory, however
        long a line is. One thread is fastest where others use the machine:
        ``torch.set_num_threads(1)``.

    Source:
        Chapter 2.

    Not for:
        Subword tokens: count them yourself and call ``report_lengths``.
    """
    if not callable(getattr(file, "read", None)):
        raise TypeError(
            f"file is of type {type(file).__name__}; it must be a file that "
            f"was opened to read bytes"
        )
    if not isinstance(name, str):
        raise TypeError(
            f"name is of type {type(name).__name__}; it must be a str"
        )
    for what, function in (("on_read", on_read), ("on_lengths", on_lengths)):
        if not callable(function):
            raise TypeError(
                f"{what} is {short(function)}; it must be a function"
            )
    blocks = _reading.read_lengths(
        file,
        name,
        numbers=as_flag(lengths, "lengths"),
        on_read=on_read,
    )
    return _collect(
        blocks, name, batch_size=batch_size, sort=sort, on_lengths=on_lengths
    )


def shuffled_padding(lengths: Lengths, batch_size: int) -> float:
    """Return the share of pads that shuffled batches have on average.

    Exact, by the chance that a random batch has no sequence above a length,
    and not by trying: the expected number of pads divided by the expected
    number of cells.

    Args:
        lengths: One length a sequence, in any order.
        batch_size: Sequences a batch; the last may be smaller.

    Shapes:
        lengths: (B,), any integer dtype, CPU.
        returns: A fraction from 0 to 1; 0 where there is no cell.

    Raises:
        TypeError: If a length or ``batch_size`` is not an integer.
        ValueError: If a length is negative or ``batch_size`` below 1.

    Example:
        >>> round(shuffled_padding([3, 2, 1], 2), 3)
        0.182

    Cost:
        O(B log B) and, for D different lengths, O(D min(batch_size, B)) at
        most.

    Source:
        The longest of a random choice without replacement has a
        hypergeometric distribution.

    Not for:
        Sequences that are kept in order: ``padding_fraction``.
    """
    checked = as_lengths(lengths)
    size = as_count(batch_size, "batch_size", 1)
    if not checked.numel():
        return 0.0
    values, counts = torch.unique(checked, return_counts=True)
    return shuffled_share(values, counts, add_up(checked), size)


def lstm_cost(
    statistics: Statistics, input_size: int, hidden_size: int
) -> CostComparison:
    """Count what one layer of an LSTM multiplies and adds over all batches.

    Args:
        statistics: From ``report_lengths`` or ``report_file``.
        input_size: E, the features of a token.
        hidden_size: H, the size of the state.

    Raises:
        TypeError: If ``statistics`` are none, or a size is not an integer.
        ValueError: If a size is below 1 or above 10**6.

    Example:
        >>> cost = lstm_cost(report_lengths([3, 2, 1]), 10, 5)
        >>> round(cost.saved_fraction, 3)
        0.333

    Cost:
        O(1).

    Source:
        ``rnn_cost``, for each cell of the batches.

    Not for:
        Predicting time: kernels differ more than their arithmetic does.
    """
    statistics = as_statistics(statistics)
    lstm = nn.LSTM(
        as_count(input_size, "input_size", 1, _LARGEST),
        as_count(hidden_size, "hidden_size", 1, _LARGEST),
        device="meta",
    )
    token = rnn_cost(lstm, [1]).packed
    return CostComparison(
        *(
            Cost(*(number * cells for number in token))
            for cells in (statistics.padded_cells, statistics.tokens)
        )
    )


def memory(statistics: Statistics, input_size: int) -> tuple[Bytes, Bytes]:
    """Return the bytes of the largest batch and of all, in float32.

    The features alone: ``batch_sizes`` adds 8 bytes a step to a packed batch,
    and its two indices 16 a sequence.

    Args:
        statistics: From ``report_lengths`` or ``report_file``.
        input_size: E, the features of a token.

    Raises:
        TypeError: If ``statistics`` are none, or ``input_size`` is not an
            integer.
        ValueError: If ``input_size`` is below 1.

    Example:
        >>> memory(report_lengths([3, 2, 1], batch_size=1), 10)
        (Bytes(padded_bytes=120, packed_bytes=120),
         Bytes(padded_bytes=240, packed_bytes=240))

    Cost:
        O(1).

    Source:
        Chapter 3.

    Not for:
        The memory of a training step: activations and gradients add to it.
    """
    statistics = as_statistics(statistics)
    size = _FLOAT * as_count(input_size, "input_size", 1)
    return (
        Bytes(
            statistics.largest_padded_cells * size,
            statistics.largest_packed_cells * size,
        ),
        Bytes(statistics.padded_cells * size, statistics.tokens * size),
    )


def _collect(
    blocks: Iterable[Tensor],
    name: str,
    *,
    batch_size: int,
    sort: bool,
    on_lengths: Callable[[Tensor], object] = len,
) -> Statistics:
    """Count the lengths of one block after the other."""
    batch_size = as_count(batch_size, "batch_size", 1, _LARGEST)
    sort = as_flag(sort, "sort")
    tally = _tally.Tally(name)
    doubler, cutter = Doubler(_SIZES), Cutter(batch_size)
    for block in blocks:
        tally.add(block)
        doubler.add(block)
        cutter.add(block)
        on_lengths(block)
    values, counts = tally.counts()
    if not values.numel():
        raise ValueError(f"{name} is empty; it must have a sequence")
    if int(values[-1]) == 0:
        raise ValueError(
            f"{name} has {int(counts[0]):,} empty "
            f"sequence{'s' if int(counts[0]) > 1 else ''} and no other; one "
            f"must be longer"
        )
    tokens = _tally.multiply_add(values, counts)
    in_order = cutter.batches()
    cells = {**doubler.cells(), batch_size: in_order.cells}
    by_length = {size: sorted_batches(values, counts, size) for size in cells}
    chosen = by_length[batch_size] if sort else in_order
    return Statistics(
        values,
        counts,
        int(counts.sum()),
        tokens,
        batch_size,
        sort,
        *chosen,
        tuple(
            Padding(
                size,
                _share(cells[size], tokens),
                shuffled_share(values, counts, tokens, size),
                _share(by_length[size].cells, tokens),
            )
            for size in sorted(cells)
        ),
    )


def _share(cells: int, tokens: int) -> float:
    return (cells - tokens) / cells
