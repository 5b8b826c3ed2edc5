"""What padding costs: multiplications and additions, counted by hand."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from packtutor._checks import Lengths, add_up, as_count, as_flag, as_lengths
from packtutor._networks import as_rnn


class Cost(NamedTuple):
    """A number of multiplications and of additions.

    Example:
        >>> Cost(multiplications=9, additions=6)
        Cost(multiplications=9, additions=6)

    Cost:
        Nothing: two numbers.

    Source:
        Chapter 2.

    Not for:
        Counting both as one: a product and a sum are two FLOPs elsewhere.
    """

    multiplications: int
    additions: int


class CostComparison(NamedTuple):
    """What the same work costs on the padded and on the packed batch.

    Example:
        >>> dot_cost([3, 2, 1]).packed
        Cost(multiplications=6, additions=3)

    Cost:
        Nothing: two pairs of numbers.

    Source:
        Chapter 2.

    Not for:
        Telling which way is faster: kernels differ.
    """

    padded: Cost
    packed: Cost

    @property
    def saved_fraction(self) -> float:
        """The share of the padded multiplications that packing saves, 0..1.

        Example:
            >>> dot_cost([4, 2, 2]).saved_fraction
            0.3333333333333333

        Cost:
            O(1).
        """
        if self.padded.multiplications == 0:
            return 0.0
        saved = self.padded.multiplications - self.packed.multiplications
        return saved / self.padded.multiplications


def padding_fraction(lengths: Lengths, batch_size: int | None = None) -> float:
    """Return the share of a padded batch's cells that are padding.

    Args:
        lengths: One length a sequence.
        batch_size: Cut the sequences, in the order given, into batches of
            this size, each padded to its own longest sequence; the last may
            be smaller. One batch if None.

    Shapes:
        lengths: (B,), any integer dtype, CPU.
        returns: A fraction from 0 to 1; 0 where there is no cell.

    Raises:
        TypeError: If a length or ``batch_size`` is not an integer.
        ValueError: If a length is negative or ``batch_size`` below 1.

    Example:
        >>> padding_fraction([4, 2, 2])
        0.3333333333333333
        >>> padding_fraction([4, 4, 2, 2], batch_size=2)
        0.0

    Cost:
        O(B).

    Source:
        Chapter 2.

    Not for:
        Telling how much time padding takes: measure that.
    """
    lengths = as_lengths(lengths)
    if batch_size is None:
        batch_size = max(1, lengths.numel())
    else:
        batch_size = as_count(batch_size, "batch_size", 1)
    whole = lengths.numel() // batch_size * batch_size
    batches = lengths[:whole].view(-1, batch_size)
    longest = batches.amax(1) if whole else lengths[:0]
    cells = batch_size * add_up(longest)
    rest = lengths[whole:]
    if rest.numel():
        cells += rest.numel() * int(rest.max())
    return (cells - add_up(lengths)) / cells if cells else 0.0


def dot_cost(lengths: Lengths, *, columns: int = 1) -> CostComparison:
    """Count one matrix product over the time axis, as chapter 2 does.

    Each sequence is one row of numbers that meets a matrix of ``columns``
    columns. A row of n cells takes n multiplications and n - 1 additions a
    column. It shows what pads cost; no recurrent network sums over time (see
    ``rnn_cost``).

    Args:
        lengths: One length a sequence.
        columns: Columns of the matrix.

    Shapes:
        lengths: (B,), any integer dtype, CPU.

    Raises:
        TypeError: If a length or ``columns`` is not an integer.
        ValueError: If a length is negative or ``columns`` below 1.

    Example:
        >>> dot_cost([3, 2, 1]).padded
        Cost(multiplications=9, additions=6)

    Cost:
        O(B).

    Source:
        Chapter 2.

    Not for:
        The arithmetic of a recurrent network.
    """
    lengths = as_lengths(lengths)
    columns = as_count(columns, "columns", 1)
    rows = lengths.numel()
    longest = int(lengths.max()) if rows else 0
    tokens = add_up(lengths)
    joined = tokens - int((lengths > 0).sum())
    return CostComparison(
        padded=Cost(
            rows * longest * columns, rows * max(0, longest - 1) * columns
        ),
        packed=Cost(tokens * columns, joined * columns),
    )


def rnn_cost(
    rnn: nn.RNNBase, lengths: Lengths, *, elementwise: bool = True
) -> CostComparison:
    """Count what a recurrent network multiplies and adds over a batch.

    Counted from the cell's equations, for every layer and direction:

    - matrix products, of the input and of the state with their weights (and
      of the output with the projection of an LSTM): a row of n numbers takes
      n multiplications and n - 1 additions;
    - one addition a number to join the two products, and one for each of
      the two bias vectors;
    - elementwise, a token and hidden unit: LSTM 3 products (i g, f c,
      o tanh c) and 1 sum; GRU 3 products (r times the state's part, (1 - z) n,
      z h) and 2 sums (1 - z, and the mixture); RNN none.

    Sigmoid, tanh, relu and dropout are not counted.

    Args:
        rnn: The network; only its sizes are read.
        lengths: One length a sequence.
        elementwise: Whether to count the elementwise products, the sums and
            the biases too, or the matrix products alone. The latter is half of
            what ``torch.utils.flop_counter.FlopCounterMode`` counts, which
            takes a product and a sum as two.

    Shapes:
        lengths: (B,), any integer dtype, CPU.

    Raises:
        TypeError: If ``rnn`` is no ``nn.RNN``, ``nn.GRU`` or ``nn.LSTM`` or
            a length not an integer.
        ValueError: If a length is negative.

    Example:
        >>> from torch import nn
        >>> lstm = nn.LSTM(10, 5)
        >>> cost = rnn_cost(lstm, [3, 2, 1], elementwise=False)
        >>> cost.padded.multiplications, cost.packed.multiplications
        (2700, 1800)

    Cost:
        O(B).

    Source:
        The equations on the pages of ``torch.nn.LSTM``, ``GRU`` and ``RNN``;
        chapter 2.

    Not for:
        Predicting time: kernels differ more than their arithmetic does.
    """
    rnn = as_rnn(rnn)
    lengths = as_lengths(lengths)
    token = _token_cost(rnn, elementwise=as_flag(elementwise, "elementwise"))
    cells = lengths.numel() * int(lengths.max()) if lengths.numel() else 0
    tokens = add_up(lengths)
    return CostComparison(
        padded=Cost(token.multiplications * cells, token.additions * cells),
        packed=Cost(token.multiplications * tokens, token.additions * tokens),
    )


class _Cell(NamedTuple):
    """How many of each a cell has for a hidden unit."""

    gates: int
    products: int
    sums: int


_CELLS = {
    "RNN_TANH": _Cell(gates=1, products=0, sums=0),
    "RNN_RELU": _Cell(gates=1, products=0, sums=0),
    "GRU": _Cell(gates=3, products=3, sums=2),
    "LSTM": _Cell(gates=4, products=3, sums=1),
}


def _token_cost(rnn: nn.RNNBase, *, elementwise: bool) -> Cost:
    """Count one token's way through all layers and directions."""
    cell = _CELLS[rnn.mode]
    hidden = rnn.hidden_size
    state = rnn.proj_size or hidden
    directions = 2 if rnn.bidirectional else 1
    multiplications = additions = 0
    for layer in range(rnn.num_layers):
        features = state * directions if layer else rnn.input_size
        rows = cell.gates * hidden
        products = rows * (features + state)
        sums = rows * (max(0, features - 1) + max(0, state - 1))
        if rnn.proj_size:
            products += state * hidden
            sums += state * (hidden - 1)
        if elementwise:
            products += cell.products * hidden
            sums += cell.sums * hidden + rows * (3 if rnn.bias else 1)
        multiplications += directions * products
        additions += directions * sums
    return Cost(multiplications, additions)
