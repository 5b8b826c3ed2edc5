"""One batch of sequences without padding, and its ways to the other layouts.

B sequences, T the longest length, L_i the length of sequence i, N the sum of
all lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, SupportsIndex

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from packtutor import _nested, _places
from packtutor._checks import (
    INT64_MAX,
    Lengths,
    Side,
    add_up,
    as_count,
    as_flag,
    as_int,
    as_integers,
    as_lengths,
    as_list,
    as_side,
    as_tensor,
    check_alike,
    read_alike,
    short,
)
from packtutor._sending import send
from packtutor._storage import as_fill, put_rows, take_rows, write_rows
from packtutor.packed import order_from_packed


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ragged:
    """A batch of B sequences, one behind the other, and their lengths.

    It is the hub between a list of tensors, a padded tensor and a
    ``PackedSequence``: each conversion is one gather, differentiable, and
    builds a padded tensor only where one is asked for. Attention kernels for
    variable lengths call the same two things values and ``cu_seqlens``
    (``offsets`` here).

    Args:
        values: All tokens in sequence order. Kept as it is, not copied.
        lengths: One length a sequence, in the caller's order; 0 is a length.
            A copy is kept.

    Shapes:
        values: ``(N, *)``, any dtype, any device.
        lengths: (B,), int64, CPU; other integer types, lists and arrays are
            taken.

    Raises:
        TypeError: If ``values`` is not a tensor or a length no integer.
        ValueError: If a length is negative or the lengths do not add up to N.

    Example:
        >>> batch = Ragged(torch.arange(6), [3, 2, 1])
        >>> batch
        Ragged(B=3, N=6, values=(6,), dtype=torch.int64, device='cpu')
        >>> batch[1]
        tensor([3, 4])

    Cost:
        O(B) to check the lengths.

    Source:
        Chapter 3.

    Not for:
        A batch in which all lengths are equal: a plain tensor says it all.
    """

    values: Tensor
    lengths: Tensor

    def __init__(self, values: Tensor, lengths: Lengths) -> None:
        """Check that the lengths describe the values."""
        values = as_tensor(values, "values")
        lengths = as_lengths(lengths)
        tokens = add_up(lengths)
        if tokens != values.shape[0]:
            raise ValueError(
                f"lengths add up to {tokens}; values has "
                f"{values.shape[0]} rows"
            )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "lengths", lengths)

    def __reduce__(self) -> tuple[type[Ragged], tuple[Tensor, list[int]]]:
        """Make pickle, deepcopy and torch.load go through the checks.

        The lengths go as a list, which ``map_location`` leaves on the CPU.
        """
        return Ragged, (self.values, self.lengths.tolist())

    def __repr__(self) -> str:
        """Show sizes, never values: a batch can be large."""
        return (
            f"Ragged(B={len(self)}, N={self.values.shape[0]}, "
            f"values={tuple(self.values.shape)}, dtype={self.values.dtype}, "
            f"device='{self.values.device}')"
        )

    def __len__(self) -> int:
        """Return B, the number of sequences."""
        return self.lengths.numel()

    def __getitem__(self, index: SupportsIndex) -> Tensor:
        """Return sequence ``index`` ``(L_i, *)``, a view of the values."""
        try:
            row = as_int(index)
        except TypeError:
            raise TypeError(
                f"index is {short(index)}; it must be an integer "
                f"(index_select takes several)"
            ) from None
        if not -len(self) <= row < len(self):
            raise IndexError(
                f"index is {short(row)}; the batch has {len(self)} sequences"
            )
        start = int(self.lengths[:row].sum())
        return self.values.narrow(0, start, int(self.lengths[row]))

    def __iter__(self) -> Iterator[Tensor]:
        """Iterate over the sequences, views of the values."""
        return iter(self.to_list())

    @property
    def offsets(self) -> Tensor:
        """Where each sequence starts in ``values``, and N.

        Shapes:
            returns: (B + 1,), int64, CPU; ``cu_seqlens`` elsewhere.

        Example:
            >>> Ragged(torch.arange(6), [3, 2, 1]).offsets
            tensor([0, 3, 5, 6])

        Cost:
            O(B).
        """
        return _places.starts(self.lengths)

    @property
    def max_length(self) -> int:
        """The longest length T; 0 for a batch without sequences.

        Example:
            >>> Ragged(torch.arange(6), [3, 2, 1]).max_length
            3

        Cost:
            O(B).
        """
        return int(self.lengths.max()) if len(self) else 0

    @classmethod
    def from_list(cls, seqs: Iterable[Tensor]) -> Ragged:
        """Put sequences one behind the other.

        Args:
            seqs: At least one tensor; a sequence of length 0 is one.

        Shapes:
            seqs[i]: ``(L_i, *)``, one dtype and device and the same * for all.
            values: ``(N, *)``.

        Raises:
            TypeError: If an element is not a tensor or dtypes differ.
            ValueError: If there is none, or if shapes or devices differ.

        Example:
            >>> Ragged.from_list([torch.tensor([1, 2]), torch.tensor([3])])
            Ragged(B=2, N=3, values=(3,), dtype=torch.int64, device='cpu')

        Cost:
            O(N), one ``torch.cat``.

        Source:
            Chapter 3.
        """
        if isinstance(seqs, Tensor):
            raise TypeError(
                "seqs is a tensor; it must be a list of tensors "
                "(Ragged.from_padded takes a padded tensor and lengths)"
            )
        if isinstance(seqs, PackedSequence):
            # Its fields are tensors, of ids all of one kind.
            raise TypeError(
                "seqs is a PackedSequence; it must be a list of tensors "
                "(Ragged.from_packed takes a PackedSequence)"
            )
        seqs = as_list(seqs, "seqs", "tensors")
        if not seqs:
            raise ValueError(
                "seqs is empty; it must have at least one sequence, which "
                "gives the batch its dtype and shape"
            )
        lengths = read_alike(seqs)
        if lengths is None:
            for index, seq in enumerate(seqs):
                as_tensor(seq, f"seqs[{index}]")
            check_alike(seqs, "seqs")
            lengths = tuple(seq.shape[0] for seq in seqs)
        counted = torch.tensor(lengths, dtype=torch.int64, device="cpu")
        return _trusted(torch.cat(seqs), counted)

    def to_list(self) -> list[Tensor]:
        """Return the sequences, views of the values.

        Shapes:
            returns[i]: ``(L_i, *)``.

        Example:
            >>> Ragged(torch.arange(6), [3, 2, 1]).to_list()
            [tensor([0, 1, 2]), tensor([3, 4]), tensor([5])]

        Cost:
            O(B); no value is copied.

        Source:
            Chapter 5.
        """
        return list(torch.split(self.values, self.lengths.tolist()))

    @classmethod
    def from_padded(
        cls,
        padded: Tensor,
        lengths: Lengths,
        *,
        batch_first: bool = True,
        padding_side: Side = "right",
    ) -> Ragged:
        """Take the real tokens out of a padded batch.

        Args:
            padded: The padded batch. What its pads hold does not matter.
            lengths: One length a sequence.
            batch_first: Whether ``padded`` is ``(B, T, *)`` or ``(T, B, *)``.
            padding_side: Where its pads stand, ``"right"`` or ``"left"``.

        Shapes:
            padded: ``(B, T, *)`` or ``(T, B, *)``.
            lengths: (B,), any integer dtype, CPU.
            values: ``(N, *)``.

        Raises:
            TypeError: If ``padded`` is no tensor or a length no integer.
            ValueError: If there are not B lengths, or one is negative or
                above T.

        Example:
            >>> padded = torch.tensor([[1, 2], [3, 0]])
            >>> Ragged.from_padded(padded, [2, 1]).values
            tensor([1, 2, 3])

        Cost:
            O(N), one gather. A ``padded`` that is contiguous in neither
            layout is copied first, O(B T).

        Source:
            Chapter 5.
        """
        padded = as_tensor(padded, "padded", 2)
        lengths = as_lengths(lengths)
        side = as_side(padding_side)
        batch_first = as_flag(batch_first, "batch_first")
        rows, steps = padded.shape[:2] if batch_first else padded.shape[1::-1]
        if lengths.numel() != rows:
            layout = "(B, T, *)" if batch_first else "(T, B, *)"
            raise ValueError(
                f"lengths has {lengths.numel()} entries; padded "
                f"{tuple(padded.shape)} read as {layout} has {rows} sequences"
            )
        if rows and int(lengths.max()) > steps:
            index = int(lengths.argmax())
            raise ValueError(
                f"lengths[{index}] is {int(lengths[index])}; padded has only "
                f"{steps} steps"
            )
        swapped = padded.transpose(0, 1)
        if swapped.is_contiguous() and not padded.is_contiguous():
            # A batch-first nn.LSTM returns such a view; flatten would copy it.
            padded, batch_first = swapped, not batch_first
        cells = _places.cells(
            lengths, steps, padded.device, batch_first=batch_first, side=side
        )
        return _trusted(take_rows(padded.flatten(0, 1), cells), lengths)

    def to_padded(
        self,
        *,
        batch_first: bool = True,
        padding_value: float = 0,
        padding_side: Side = "right",
        total_length: int | None = None,
    ) -> Tensor:
        """Write the sequences into a rectangle and fill the rest.

        Args:
            batch_first: Whether to return ``(B, T, *)`` or ``(T, B, *)``.
            padding_value: What the pads hold.
            padding_side: Where the pads stand, ``"right"`` or ``"left"``.
            total_length: Number of steps; the longest length if None.

        Shapes:
            returns: ``(B, T, *)`` or ``(T, B, *)``.

        Raises:
            TypeError: If an argument has the wrong type.
            ValueError: If ``total_length`` is below the longest length, or
                the dtype cannot hold ``padding_value``.

        Example:
            >>> Ragged(torch.arange(3), [2, 1]).to_padded(padding_value=-1)
            tensor([[ 0,  1],
                    [ 2, -1]])

        Cost:
            O(B T), one fill and one write.

        Source:
            Chapters 1 and 5.
        """
        side = as_side(padding_side)
        batch_first = as_flag(batch_first, "batch_first")
        fill = as_fill(padding_value, self.values.dtype)
        steps = self.max_length
        if total_length is not None:
            row = self.values[:1].numel() * self.values.element_size()
            most = INT64_MAX // max(1, len(self), len(self) * row)
            steps = as_count(total_length, "total_length", 0, most)
            if steps < self.max_length:
                raise ValueError(
                    f"total_length is {steps}; it must be at least "
                    f"{self.max_length}, the longest length"
                )
        shape = (len(self), steps) if batch_first else (steps, len(self))
        trailing = self.values.shape[1:]
        device = self.values.device
        cells = _places.cells(
            self.lengths, steps, device, batch_first=batch_first, side=side
        )
        padded = self.values.new_full((len(self) * steps, *trailing), fill)
        padded = write_rows(padded, cells, self.values)
        return padded.view(*shape, *trailing)

    @classmethod
    def from_packed(cls, packed: PackedSequence) -> Ragged:
        """Take a packed batch back to sequence order, in the caller's order.

        Args:
            packed: The packed batch; ``check_packed`` must accept it.

        Shapes:
            packed.data: ``(N, *)``.
            values: ``(N, *)``.

        Raises:
            TypeError: If ``packed`` is no ``PackedSequence``.
            ValueError: If it is malformed.

        Example:
            >>> from torch.nn.utils.rnn import pack_sequence
            >>> ids = [torch.tensor([2, 3, 4]), torch.tensor([5, 6])]
            >>> Ragged.from_packed(pack_sequence(ids)).values
            tensor([2, 3, 4, 5, 6])

        Cost:
            O(N), one gather or one write. On a GPU it waits for the device
            once, as PyTorch's ``pad_packed_sequence`` does: the lengths live
            on the CPU.

        Source:
            Chapter 5.
        """
        columns, data = order_from_packed(packed), packed.data
        lengths = _places.sorted_lengths(packed.batch_sizes)[columns]
        order = _places.invert(columns)
        begins, sizes = send(
            data.device, _places.starts(lengths)[order], packed.batch_sizes
        )
        places = _places.places_of_packed(begins, sizes, data.shape[0])
        return _trusted(put_rows(data, places), lengths)

    def to_packed(self) -> PackedSequence:
        """Reorder the tokens by time, as PyTorch's recurrent networks want.

        The sequences are sorted by length inside, ties in order; what comes
        out of the network is in the caller's order again.

        Shapes:
            returns.data: ``(N, *)``.
            returns.batch_sizes: (T,), int64, CPU.
            returns.sorted_indices, returns.unsorted_indices: (B,), int64, on
                the device of the values.

        Raises:
            ValueError: If there is no sequence, or one is empty: PyTorch has
                no packed form for it.

        Example:
            >>> packed = Ragged(torch.arange(6), [1, 3, 2]).to_packed()
            >>> packed.data
            tensor([1, 4, 0, 2, 5, 3])
            >>> packed.batch_sizes
            tensor([3, 2, 1])

        Cost:
            O(N + B log B), one gather.

        Source:
            Chapter 3.

        Not for:
            A batch with an empty sequence.
        """
        if not len(self):
            raise ValueError(
                "the batch has no sequence; a PackedSequence needs one"
            )
        if int(self.lengths.min()) == 0:
            index = int(self.lengths.argmin())
            raise ValueError(
                f"lengths[{index}] is 0; a PackedSequence cannot hold an "
                f"empty sequence"
            )
        order, batch_sizes, places = _places.pack(
            self.lengths, self.values.shape[0], self.values.device
        )
        return PackedSequence(
            take_rows(self.values, places),
            batch_sizes,
            order,
            _places.invert(order),
        )

    @classmethod
    def from_nested(cls, nested: Tensor) -> Ragged:
        """Read a jagged nested tensor, whose two parts are the same two.

        Args:
            nested: Made with ``layout=torch.jagged``, ragged in dimension 1,
                without holes.

        Shapes:
            nested: ``(B, L_i, *)``, any dtype, any device.
            values: ``(N, *)``, its values, not copied.

        Raises:
            TypeError: If ``nested`` is no nested tensor or not jagged.
            ValueError: If another dimension is ragged, there are holes
                between its sequences, or its offsets do not fit its values.

        Example:
            >>> seqs = [torch.tensor([1, 2]), torch.tensor([3])]
            >>> nested = torch.nested.as_nested_tensor(
            ...     seqs, layout=torch.jagged
            ... )
            >>> Ragged.from_nested(nested).lengths
            tensor([2, 1])

        Cost:
            O(B). On a GPU it waits for the device once: the lengths live on
            the CPU.

        Source:
            The chapter "Keep empty sequences and nested tensors".

        Not for:
            A view of a padded tensor, which has holes: ``from_padded`` reads
            that.
        """
        values, lengths, _ = _nested.read_nested(nested, "nested")
        return _trusted(values, lengths)

    def to_nested(self) -> Tensor:
        """Make a jagged nested tensor of the same values.

        The first one that a process makes from values and offsets lets
        PyTorch log a line, "is_fx_tracing will return true", at the level of
        a warning. Nothing is wrong; ``logging.getLogger("torch.fx")`` takes
        another level.

        Shapes:
            returns: ``(B, L_i, *)``, ``layout=torch.jagged``; its values are
                not copied.

        Raises:
            ValueError: If there is no sequence.

        Example:
            >>> Ragged(torch.arange(3), [2, 1]).to_nested().offsets()
            tensor([0, 2, 3])

        Cost:
            O(B).

        Source:
            The chapter "Keep empty sequences and nested tensors".

        Not for:
            Adding to a nested tensor made elsewhere: PyTorch takes two for
            equally long only where they share their offsets.
        """
        if not len(self):
            raise ValueError(
                "the batch has no sequence; a nested tensor needs one"
            )
        return _nested.make_nested(self.values, self.offsets, self.lengths)

    def apply(self, fn: Callable[[Tensor], Tensor]) -> Ragged:
        """Call a function that treats each token alone, on all tokens.

        Args:
            fn: For example an ``nn.Embedding``, an ``nn.Linear``, dropout.

        Shapes:
            fn: from ``(N, *)`` to ``(N, *)``; the trailing shape may change.

        Raises:
            TypeError: If ``fn`` is no function or does not return a tensor.
            ValueError: If it does not return N rows.

        Example:
            >>> Ragged(torch.arange(3), [2, 1]).apply(lambda ids: ids + 1)[0]
            tensor([1, 2])

        Cost:
            That of ``fn`` on N tokens.

        Not for:
            A function that mixes tokens: it sees no sequence borders.
        """
        if not callable(fn):
            raise TypeError(f"fn is {short(fn)}; it must be a function")
        values = as_tensor(fn(self.values), "the result of fn")
        if values.shape[0] != self.values.shape[0]:
            raise ValueError(
                f"fn returned {values.shape[0]} rows for "
                f"{self.values.shape[0]} tokens; it must keep each token"
            )
        return _trusted(values, self.lengths)

    def reverse(self) -> Ragged:
        """Reverse each sequence in place of its own, last token first.

        Shapes:
            values: ``(N, *)``, as before.

        Example:
            >>> Ragged(torch.arange(6), [3, 2, 1]).reverse().values
            tensor([2, 1, 0, 4, 3, 5])

        Cost:
            O(N), one gather.

        Source:
            Chapter 4: what a backward direction reads.
        """
        lasts, lengths = send(
            self.values.device, self.offsets[1:] - 1, self.lengths
        )
        places = _places.progressions(lasts, lengths, -1, self.values.shape[0])
        return _trusted(take_rows(self.values, places), self.lengths)

    def index_select(self, rows: Lengths) -> Ragged:
        """Choose sequences by number, in any order, also repeatedly.

        Args:
            rows: Numbers of sequences, from 0 to B - 1.

        Shapes:
            rows: (B',), any integer dtype, CPU.

        Raises:
            TypeError: If a row is not an integer.
            ValueError: If a row is not from 0 to B - 1.

        Example:
            >>> Ragged(torch.arange(6), [3, 2, 1]).index_select([2, 1]).values
            tensor([5, 3, 4])

        Cost:
            O(N' + B'), one gather of the N' tokens chosen.
        """
        rows = as_integers(rows, "rows")
        outside = (rows < 0) | (rows >= len(self))
        if bool(outside.any()):
            index = int(outside.nonzero()[0])
            raise ValueError(
                f"rows[{index}] is {int(rows[index])}; the batch has "
                f"{len(self)} sequences, numbered from 0"
            )
        lengths = self.lengths[rows]
        begins, sizes = send(self.values.device, self.offsets[rows], lengths)
        places = _places.progressions(begins, sizes, 1, add_up(lengths))
        return _trusted(take_rows(self.values, places), lengths)

    @classmethod
    def cat(cls, batches: Iterable[Ragged]) -> Ragged:
        """Join batches into one, sequences in order.

        Args:
            batches: At least one.

        Raises:
            TypeError: If an element is no ``Ragged`` or dtypes differ.
            ValueError: If there is none, or if shapes or devices differ.

        Example:
            >>> batch = Ragged(torch.arange(3), [2, 1])
            >>> Ragged.cat([batch, batch]).lengths
            tensor([2, 1, 2, 1])

        Cost:
            O(N), one ``torch.cat``.
        """
        batches = as_list(batches, "batches", "Ragged")
        for index, batch in enumerate(batches):
            if not isinstance(batch, Ragged):
                raise TypeError(
                    f"batches[{index}] is of type {type(batch).__name__}; "
                    f"it must be a Ragged"
                )
        if not batches:
            raise ValueError("batches is empty; it must have at least one")
        values = [batch.values for batch in batches]
        check_alike(values, "batches")
        return _trusted(
            torch.cat(values), torch.cat([batch.lengths for batch in batches])
        )

    def to(self, *args: Any, **kwargs: Any) -> Ragged:
        """Move or cast the values; the lengths stay on the CPU.

        Args:
            *args: What ``torch.Tensor.to`` takes.
            **kwargs: What ``torch.Tensor.to`` takes.

        Example:
            >>> Ragged(torch.arange(3), [2, 1]).to(torch.float64).values
            tensor([0., 1., 2.], dtype=torch.float64)

        Cost:
            O(N), or nothing where dtype and device are right already.
        """
        return _trusted(self.values.to(*args, **kwargs), self.lengths)

    def pin_memory(self) -> Ragged:
        """Copy the values to pinned memory; a DataLoader calls this.

        Cost:
            O(N). It needs an accelerator, as ``torch.Tensor.pin_memory``.
        """
        return _trusted(self.values.pin_memory(), self.lengths)


def _trusted(values: Tensor, lengths: Tensor) -> Ragged:
    """Make a Ragged from parts that are known to fit, without the checks."""
    batch = object.__new__(Ragged)
    object.__setattr__(batch, "values", values)
    object.__setattr__(batch, "lengths", lengths)
    return batch


def _set_state(batch: Ragged, state: tuple[Tensor, list[int]]) -> None:
    """Check what a forged file sets: a file of ours calls the class."""
    Ragged.__init__(batch, *state)


# Not in the class: before Python 3.11.4 a dataclass overwrites it there, with
# one that checks nothing.
Ragged.__setstate__ = _set_state  # type: ignore[attr-defined]

# torch.load with weights_only=True, the default, then accepts a Ragged.
torch.serialization.add_safe_globals([Ragged])
