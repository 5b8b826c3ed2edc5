"""Batches for Hypothesis, and plain ways to make values for them."""

import torch
from hypothesis import strategies as st

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.complex64,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.uint16,
    torch.uint32,
    torch.uint64,
    torch.bool,
]
TRAILING = [(), (1,), (3,), (0,), (2, 3), (2, 0)]

# Lengths that stand for the kinds of batches there are. PyTorch's sort is
# stable up to 16 sequences only, so ties have to be more than that.
SHAPES_OF_BATCHES = {
    "three documents": [3, 2, 1],
    "single": [4],
    "single step": [1, 1],
    "equal": [3, 3, 3],
    "unsorted": [1, 4, 2, 3],
    "tied": [2, 1, 3, 2] * 10,
    "very long": [2, 700, 1],
    "with empty ones": [0, 3, 0, 1, 0],
}
WITHOUT_EMPTY = [n for n in SHAPES_OF_BATCHES if n != "with empty ones"]


def lengths(least=0, min_size=0):
    """Lists of lengths of every kind, the shortest one ``least``."""
    short = st.integers(least, 6)
    return st.one_of(
        st.lists(short, min_size=min_size, max_size=8),
        st.lists(st.integers(least, 3), min_size=18, max_size=40),
        st.builds(lambda n, b: [n] * b, short, st.integers(1, 24)),
        st.builds(
            lambda rest, n, i: [*rest[:i], n, *rest[i:]],
            st.lists(short, max_size=4),
            st.integers(100, 300),
            st.integers(0, 4),
        ),
    )


def make_values(tokens, trailing=(), dtype=torch.int64, device="cpu"):
    """Return values (N, *) in which neighbours differ."""
    shape = (tokens, *trailing)
    count = torch.Size(shape).numel()
    numbers = torch.arange(count) * 7 % 113
    if dtype == torch.bool:
        numbers = numbers % 3 == 0
    return numbers.reshape(shape).to(dtype).to(device)


def make_floats(*shape, seed=0, device="cpu", dtype=torch.float64):
    """Return normal values; drawn in float64, the same everywhere."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator, dtype=torch.float64)
    return values.to(device, dtype)
