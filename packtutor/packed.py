"""Find out what is malformed in a PackedSequence that was made by hand."""

from __future__ import annotations

import operator

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from packtutor._checks import add_up, as_tensor

# Below this size a list is read faster than a tensor is.
_FEW = 256


def check_packed(packed: PackedSequence) -> None:
    """Raise unless the four fields of a PackedSequence fit together.

    PyTorch trusts a ``PackedSequence``. One that was built or changed by hand
    can make it raise far from the cause, drop rows, or abort the process.

    Args:
        packed: The batch to check. It is only read.

    Shapes:
        packed.data: ``(N, *)``, any dtype, any device.
        packed.batch_sizes: (T,), int64, CPU.
        packed.sorted_indices, packed.unsorted_indices: (B,), int64, on the
            device of the data; or both None.

    Raises:
        TypeError: If ``packed`` or a field has the wrong type or dtype.
        ValueError: If a field has the wrong shape or device, if the batch
            sizes are not positive, grow, or do not add up to N, or if the
            indices are no permutation or not each other's inverse.

    Example:
        >>> from torch.nn.utils.rnn import PackedSequence
        >>> check_packed(PackedSequence(torch.zeros(6), torch.tensor([3, 2])))
        Traceback (most recent call last):
        ValueError: packed.batch_sizes adds up to 5; packed.data has 6 rows

    Cost:
        O(B + T). On a GPU it waits for the device to read the indices.

    Source:
        pytorch/pytorch issue 169213, and chapter 3.

    Not for:
        A batch that ``pack_sequence`` has just made from checked lengths.
    """
    order_from_packed(packed)


def order_from_packed(packed: object) -> Tensor:
    """Return the sorted place (B,) of each sequence, on the CPU, checked.

    It waits for a GPU once: both index fields cross in one copy.
    """
    if not isinstance(packed, PackedSequence):
        raise TypeError(
            f"packed is of type {type(packed).__name__}; it must be a "
            f"torch.nn.utils.rnn.PackedSequence"
        )
    check_fields(packed, "packed")
    if packed.sorted_indices is None or packed.unsorted_indices is None:
        return torch.arange(int(packed.batch_sizes[0]), device="cpu")
    indices = packed.sorted_indices, packed.unsorted_indices
    return check_order(*indices, "packed")


def check_fields(packed: PackedSequence, name: str) -> None:
    """Raise unless the fields have their shapes; no device is waited for."""
    data = as_tensor(packed.data, f"{name}.data")
    check_batch_sizes(packed.batch_sizes, data.shape[0], name)
    sequences = int(packed.batch_sizes[0])
    to_sorted, to_caller = packed.sorted_indices, packed.unsorted_indices
    if to_sorted is None and to_caller is None:
        return
    if to_sorted is None or to_caller is None:
        missing = "sorted" if to_sorted is None else "unsorted"
        raise ValueError(
            f"{name}.{missing}_indices is None and its counterpart is not; "
            f"give both or neither"
        )
    names = f"{name}.sorted_indices", f"{name}.unsorted_indices"
    check_indices(to_sorted, names[0], sequences, data.device, name)
    check_indices(to_caller, names[1], sequences, data.device, name)


def check_order(to_sorted: Tensor, to_caller: Tensor, name: str) -> Tensor:
    """Return the unsorted indices on the CPU if they undo the sorted ones."""
    if to_caller.numel() < _FEW and to_caller.device.type == "cpu":
        turned = dict(enumerate(to_sorted.tolist()))
        pairs = enumerate(to_caller.tolist())
        if all(turned.get(place) == number for number, place in pairs):
            return to_caller
    if to_sorted.device.type == "meta":
        raise ValueError(
            f"{name}.sorted_indices is on device meta, which holds no values; "
            f"an order must be given where it can be read"
        )
    both = torch.stack([to_sorted, to_caller]).cpu()
    to_sorted, to_caller = both[0], both[1]
    check_permutation(to_sorted, f"{name}.sorted_indices")
    check_permutation(to_caller, f"{name}.unsorted_indices")
    check_inverse(to_sorted, to_caller, name)
    return to_caller


def check_batch_sizes(batch_sizes: object, rows: int, packed: str) -> None:
    """Raise unless ``batch_sizes`` can describe ``rows`` packed tokens."""
    name = f"{packed}.batch_sizes"
    sizes = _as_int64_vector(batch_sizes, name)
    if sizes.device.type != "cpu":
        raise ValueError(
            f"{name} is on device {sizes.device}; it must be on the CPU"
        )
    if not sizes.numel():
        raise ValueError(f"{name} is empty; it must have at least one step")
    if sizes.numel() < _FEW:
        few = sizes.tolist()
        falling = all(map(operator.ge, few, few[1:]))
        if falling and few[-1] > 0 and sum(few) == rows:
            return
    if int(sizes.min()) < 1:
        step = int((sizes < 1).nonzero()[0])
        raise ValueError(
            f"{name}[{step}] is {int(sizes[step])}; it must be at least 1"
        )
    grows = sizes[1:] > sizes[:-1]
    if bool(grows.any()):
        step = int(grows.nonzero()[0]) + 1
        raise ValueError(
            f"{name}[{step}] is {int(sizes[step])} after "
            f"{int(sizes[step - 1])}; batch sizes cannot grow"
        )
    tokens = add_up(sizes)
    if tokens != rows:
        raise ValueError(
            f"{name} adds up to {tokens}; {packed}.data has {rows} rows"
        )


def check_indices(
    indices: object, name: str, count: int, device: torch.device, packed: str
) -> None:
    """Raise unless ``indices`` is int64 (count,) on ``device``."""
    vector = _as_int64_vector(indices, name)
    if vector.device != device:
        raise ValueError(
            f"{name} is on device {vector.device}; {packed}.data is on "
            f"{device}"
        )
    if vector.numel() != count:
        raise ValueError(
            f"{name} has {vector.numel()} entries; "
            f"{packed}.batch_sizes[0] is {count}"
        )


def check_permutation(indices: Tensor, name: str) -> None:
    """Raise unless ``indices`` (n,) on the CPU is a permutation of 0..n-1."""
    count = indices.numel()
    outside = (indices < 0) | (indices >= count)
    if bool(outside.any()):
        index = int(outside.nonzero()[0])
        raise ValueError(
            f"{name}[{index}] is {int(indices[index])}; "
            f"it must be from 0 to {count - 1}"
        )
    times = torch.bincount(indices, minlength=count)
    if bool((times > 1).any()):
        twice = int((times > 1).nonzero()[0])
        raise ValueError(
            f"{name} holds {twice} more than once; it must be a permutation"
        )


def check_inverse(to_sorted: Tensor, to_caller: Tensor, packed: str) -> None:
    """Raise unless the two permutations (n,) undo each other."""
    back = to_sorted[to_caller]
    wrong = back != torch.arange(back.numel(), device="cpu")
    if bool(wrong.any()):
        index = int(wrong.nonzero()[0])
        raise ValueError(
            f"{packed}.unsorted_indices is not the inverse of "
            f"{packed}.sorted_indices: sequence {index} comes back as "
            f"{int(back[index])}"
        )


def _as_int64_vector(value: object, name: str) -> Tensor:
    tensor = as_tensor(value, name, 0)
    if tensor.dtype != torch.int64:
        raise TypeError(
            f"{name} has dtype {tensor.dtype}; it must be torch.int64"
        )
    if tensor.dim() != 1:
        raise ValueError(
            f"{name} has shape {tuple(tensor.shape)}; "
            f"it must have one dimension"
        )
    return tensor
