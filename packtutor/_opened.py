"""Take a batch of any of the three types apart, and put it together again."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from packtutor import _places
from packtutor._nested import make_nested, read_nested
from packtutor._storage import take_rows
from packtutor.packed import check_fields, check_order
from packtutor.ragged import Ragged

# To ask so few whether they are in order takes less time than to reorder.
_FEW = 64


class Packing(NamedTuple):
    """The packed form of the sequences that are not empty.

    Args:
        data: ``(N, *)``, in packed order.
        batch_sizes: (T,), on the CPU.
        order: (B,), for each place in sorted order the caller's number, the
            empty sequences last; None if that is the caller's order.
        rows: (N,), for each packed token the row of its value in the batch;
            None if it is the same.
    """

    data: Tensor
    batch_sizes: Tensor
    order: Tensor | None
    rows: Tensor | None


class OpenedPacked:
    """A ``PackedSequence``, which is what it has to become."""

    name = "batch.data"

    def __init__(self, batch: PackedSequence) -> None:
        check_fields(batch, "batch")
        to_sorted, to_caller = batch.sorted_indices, batch.unsorted_indices
        # Elsewhere this would wait for the device: check_packed does it.
        on_cpu = batch.data.device.type == "cpu"
        if on_cpu and to_sorted is not None and to_caller is not None:
            check_order(to_sorted, to_caller, "batch")
        self.batch = batch
        self.values = batch.data
        self.sequences = int(batch.batch_sizes[0])

    def pack(self) -> Packing:
        """Return the fields; no order if it is the caller's."""
        data, batch_sizes, order, _ = self.batch
        if (
            order is not None
            and self.sequences < _FEW
            and order.device.type == "cpu"
            and order.tolist() == list(range(self.sequences))
        ):
            order = None
        return Packing(data, batch_sizes, order, None)

    def close(self, output: Tensor) -> PackedSequence:
        """Return the type that came in, in the same order."""
        return PackedSequence(output, *self.batch[1:])


class OpenedRows:
    """A ``Ragged`` or a nested tensor: values in sequence order."""

    def __init__(self, batch: Ragged | Tensor) -> None:
        self.offsets: Tensor | None = None
        if isinstance(batch, Ragged):
            self.name = "batch.values"
            self.values, self.lengths = batch.values, batch.lengths
        else:
            self.name = "batch.values()"
            self.values, self.lengths, self.offsets = read_nested(
                batch, "batch"
            )
        self.sequences = self.lengths.numel()

    def pack(self) -> Packing:
        """Sort by length, ties in order, and go through the tokens by time."""
        order, batch_sizes, places = _places.pack(
            self.lengths, self.values.shape[0], self.values.device
        )
        return Packing(
            take_rows(self.values, places), batch_sizes, order, places
        )

    def close(self, output: Tensor) -> Ragged | Tensor:
        """Return the type that came in."""
        if self.offsets is None:
            return Ragged(output, self.lengths)
        return make_nested(output, self.offsets, self.lengths)


def open_batch(batch: object) -> OpenedPacked | OpenedRows:
    """Take apart what can be run; say what to do with the rest."""
    if isinstance(batch, PackedSequence):
        return OpenedPacked(batch)
    if isinstance(batch, Ragged):
        return OpenedRows(batch)
    if not isinstance(batch, Tensor):
        raise TypeError(
            f"batch is of type {type(batch).__name__}; it must be a "
            f"PackedSequence, a Ragged or a jagged nested tensor"
        )
    if not batch.is_nested:
        raise TypeError(
            f"batch is a padded tensor of shape {tuple(batch.shape)}; its "
            f"lengths are needed: Ragged.from_padded(batch, lengths)"
        )
    return OpenedRows(batch)


def sort_states(
    states: tuple[Tensor, ...], packing: Packing
) -> tuple[Tensor, ...]:
    """Return the states of the sequences with tokens, longest first."""
    if packing.order is None:
        return states
    rows = int(packing.batch_sizes[0])
    order = packing.order[:rows]
    return tuple(state.index_select(1, order) for state in states)


def restore_states(
    finals: tuple[Tensor, ...], starts: tuple[Tensor, ...], packing: Packing
) -> tuple[Tensor, ...]:
    """Return states in the caller's order; empty sequences keep theirs."""
    order = packing.order
    if order is None:
        return finals
    restored = []
    for final, start in zip(finals, starts, strict=True):
        whole = final
        if final.shape[1] < start.shape[1]:
            empty = start.index_select(1, order[final.shape[1] :])
            whole = torch.cat([final, empty.to(final.dtype)], 1)
        restored.append(put_back(whole, 1, order))
    return tuple(restored)


def put_back(values: Tensor, dim: int, order: Tensor) -> Tensor:
    """Return the inverse of ``index_select(dim, order)``.

    Its gradient is one gather. That of a gather by the inverse order would be
    a sum into zeros.
    """
    return torch.empty_like(values).index_copy_(dim, order, values)
