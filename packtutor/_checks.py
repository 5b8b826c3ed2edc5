"""Refuse bad arguments before any work, in words that name the culprit."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any, Literal, SupportsIndex, TypeAlias

import torch
from torch import Tensor

Lengths: TypeAlias = Tensor | Iterable[SupportsIndex]
Side: TypeAlias = Literal["left", "right"]

INT64_MAX = 2**63 - 1

INTEGERS = {
    torch.uint8,
    torch.uint16,
    torch.uint32,
    torch.uint64,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
}
# Sets have no order, and what a mapping holds is not what it iterates over:
# Counter(lengths) would be read as the different lengths.
_NO_LISTS = (str, bytes, set, frozenset, Mapping)


def as_tensor(value: object, name: str, least_dims: int = 1) -> Tensor:
    """Return ``value`` if it is a dense tensor with enough dimensions."""
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name} is of type {type(value).__name__}; "
            f"it must be a torch.Tensor"
        )
    if value.layout != torch.strided or value.is_nested:
        raise TypeError(
            f"{name} has layout {value.layout}"
            f"{' and is nested' if value.is_nested else ''}; "
            f"it must be a dense tensor"
        )
    if value.is_quantized:
        # Moving its rows may abort the process.
        raise TypeError(
            f"{name} has dtype {value.dtype}, which is quantized; call "
            f".dequantize()"
        )
    if value.dim() < least_dims:
        raise ValueError(
            f"{name} has shape {tuple(value.shape)}; it must have at least "
            f"{least_dims} dimension{'s' if least_dims > 1 else ''}"
        )
    return value


def to_cpu(tensor: Tensor, name: str) -> Tensor:
    """Return a tensor's values on the CPU; waits for another device."""
    try:
        return tensor.cpu()
    except NotImplementedError:
        raise ValueError(
            f"{name} is on device {tensor.device}, which holds no values"
        ) from None


def as_device(device: object) -> torch.device:
    """Return a device, also by its name; it need not be there."""
    if isinstance(device, torch.device):
        return device
    if not isinstance(device, str):
        raise TypeError(
            f"device is of type {type(device).__name__}; it must be a "
            f"torch.device or its name"
        )
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device is {device!r}, no device's name") from error


def as_flag(value: object, name: str) -> bool:
    """Return ``value`` if it is a ``bool``: the text "False" is true."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {short(value)}; it must be True or False")
    return value


def as_list(values: object, name: str, kind: str) -> list[Any]:
    """Return the elements of an iterable; ``kind`` says what they must be."""
    # A tensor or array without dimensions is an Iterable by its type alone.
    alone = isinstance(values, _NO_LISTS) or getattr(values, "ndim", 1) == 0
    if alone or not isinstance(values, Iterable):
        raise TypeError(
            f"{name} is {short(values)}; it must be a list of {kind}"
        )
    return list(iter(values))  # its len may lie


def as_count(
    value: object, name: str, least: int, most: int = INT64_MAX
) -> int:
    """Return ``value`` as an ``int`` from ``least`` to ``most``."""
    try:
        count = as_int(value)
    except TypeError:
        raise TypeError(
            f"{name} is {short(value)}; it must be an integer of at least "
            f"{least}"
        ) from None
    if count < least:
        raise ValueError(
            f"{name} is {short(count)}; it must be at least {least}"
        )
    if count > most:
        raise ValueError(
            f"{name} is {short(count)}; it must be at most {most}"
        )
    return count


def as_side(value: object) -> Side:
    """Return ``value`` if it names a side."""
    if not isinstance(value, str) or value not in ("left", "right"):
        raise ValueError(
            f"padding_side is {short(value)}; it must be 'left' or 'right'"
        )
    return "left" if value == "left" else "right"


def as_integers(values: object, name: str) -> Tensor:
    """Return a new int64 CPU tensor (n,) that holds the same integers.

    Integer tensors and arrays, lists and other iterables of integers are
    taken. Booleans and floats are refused, whole ones too: a length of 2.9
    would otherwise become 2 in silence.
    """
    if isinstance(values, Tensor):
        result = _from_tensor(values, name)
    elif hasattr(values, "dtype") and hasattr(values, "tolist"):
        result = _from_array(values, name)
    else:
        result = _from_iterable(values, name)
    if result.dim() != 1:
        raise ValueError(
            f"{name} has shape {tuple(result.shape)}; "
            f"it must have one dimension"
        )
    return result


def as_lengths(lengths: object, name: str = "lengths") -> Tensor:
    """Return a new int64 CPU tensor (B,) of lengths, none of them negative."""
    result = as_integers(lengths, name)
    if result.numel() and int(result.min()) < 0:
        index = int((result < 0).nonzero()[0])
        raise ValueError(
            f"{name}[{index}] is {int(result[index])}; "
            f"a length cannot be negative"
        )
    return result


def read_alike(tensors: list[Any]) -> tuple[int, ...] | None:
    """Return the lengths of dense tensors that differ in nothing else.

    None says that something else is among them, or may be. Each question is
    put to all of them in one call: asking 10,000 tensors one by one would
    take longer than to join them.
    """
    if set(map(type, tensors)) != {Tensor}:
        return None
    first = tensors[0]
    for name, wanted in (
        ("is_nested", False),
        ("layout", torch.strided),
        ("dtype", first.dtype),
        ("device", first.device),
    ):
        if set(map(operator.attrgetter(name), tensors)) != {wanted}:
            return None
    shapes = list(map(operator.attrgetter("shape"), tensors))
    if not first.dim() or first.is_quantized or len(set(map(len, shapes))) > 1:
        return None
    lengths, *others = zip(*shapes, strict=True)
    return lengths if all(len(set(other)) == 1 for other in others) else None


def check_alike(tensors: list[Tensor], name: str) -> None:
    """Raise unless all have the first one's dtype, device and trailing shape.

    ``torch.cat`` would promote dtypes and skip some empty tensors in silence.
    """
    first = tensors[0]
    kind = first.dtype, first.device, first.shape[1:]
    others = [
        index
        for index, other in enumerate(tensors)
        if (other.dtype, other.device, other.shape[1:]) != kind
    ]
    if not others:
        return
    index = others[0]
    tensor = tensors[index]
    if tensor.dtype != first.dtype:
        raise TypeError(
            f"{name}[{index}] has dtype {tensor.dtype}; "
            f"{name}[0] has {first.dtype}"
        )
    if tensor.device != first.device:
        raise ValueError(
            f"{name}[{index}] is on device {tensor.device}; "
            f"{name}[0] is on {first.device}"
        )
    raise ValueError(
        f"{name}[{index}] has trailing shape {tuple(tensor.shape[1:])}; "
        f"{name}[0] has {tuple(first.shape[1:])}"
    )


def add_up(lengths: Tensor) -> int:
    """Return the exact sum, also where an int64 sum would wrap around."""
    count = lengths.numel()
    if count == 0:
        return 0
    if int(lengths.max()) <= INT64_MAX // count:
        return int(lengths.sum())
    return sum(lengths.tolist())


def short(value: object) -> str:
    """Return a repr of at most 60 characters, or the type if it has none.

    ``repr`` raises for an integer of more than 4,300 digits, for lists that
    are nested too deep, and for objects that are not whole.
    """
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 (any object's error)
        return f"of type {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def as_int(value: object) -> int:
    """Return an integer; unlike ``operator.index``, refuse truth values.

    It also refuses a tensor with dimensions, even if it has one element.
    """
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if isinstance(value, bool) or kind == "b":
        raise TypeError
    if isinstance(value, Tensor) and (
        value.dtype == torch.bool or value.dim()
    ):
        raise TypeError
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except Exception as error:
        # A tensor without values raises something else than a TypeError.
        raise TypeError from error


def _from_tensor(values: Tensor, name: str) -> Tensor:
    values = as_tensor(values, name, 0)
    dtype = values.dtype
    if dtype not in INTEGERS:
        raise TypeError(
            f"{name} has dtype {dtype}; its elements must be integers"
        )
    if values.device.type != "cpu":
        raise ValueError(
            f"{name} is on device {values.device}; it must be on the CPU: "
            f"call .cpu() once, where you can afford to wait for the device"
        )
    result = values.detach().to(torch.int64, copy=True)
    if dtype == torch.uint64 and result.numel() and int(result.min()) < 0:
        index = int((result < 0).nonzero()[0])
        raise ValueError(
            f"{name}[{index}] is {int(result[index]) + 2**64}; "
            f"it must be at most {INT64_MAX}"
        )
    return result


def _from_array(values: object, name: str) -> Tensor:
    array: Any = values
    # torch.tensor refuses the other byte order and negative strides.
    if getattr(array.dtype, "kind", None) not in ("i", "u"):
        raise TypeError(
            f"{name} has dtype {array.dtype}; its elements must be integers"
        )
    if len(array.shape) != 1:
        raise ValueError(
            f"{name} has shape {array.shape}; it must have one dimension"
        )
    return _from_iterable(array.tolist(), name)


def _from_iterable(values: object, name: str) -> Tensor:
    if isinstance(values, _NO_LISTS) or not isinstance(values, Iterable):
        raise TypeError(
            f"{name} is {short(values)}; it must be a tensor, an array or a "
            f"list of integers"
        )
    items = list(iter(values))  # its len may lie
    if not set(map(type, items)) <= {int}:
        for index, item in enumerate(items):
            try:
                items[index] = as_int(item)
            except TypeError:
                raise TypeError(
                    f"{name}[{index}] is {short(item)}; "
                    f"its elements must be integers"
                ) from None
    if items and max(map(abs, items)) > INT64_MAX:
        index = next(i for i, n in enumerate(items) if abs(n) > INT64_MAX)
        raise ValueError(
            f"{name}[{index}] is {short(items[index])}; its size must be at "
            f"most {INT64_MAX}"
        )
    return torch.tensor(items, dtype=torch.int64, device="cpu")
