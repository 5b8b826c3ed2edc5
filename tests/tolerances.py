"""The one place that says how equal two results have to be."""

import torch

# Share of the largest expected entry by which two exact runs may differ.
# Measured on a CPU, packed against one by one: float64 1e-13, float32 2e-5.
# A GPU adds up in another order, as two CPUs do, with the same digits (the
# tests turn TF32 off): the same bounds. That is derived, not measured.
TOLERANCE = {torch.float64: 1e-11, torch.float32: 3e-5}
# Share of the largest entry by which a run in a half type may miss the same
# run in float32: its own rounding, a few times over. Measured on a CPU: 0.5
# of its eps.
HALF_TOLERANCE = {
    dtype: 4 * torch.finfo(dtype).eps
    for dtype in (torch.bfloat16, torch.float16)
}

# The same for float32 with TF32, which multiplies numbers rounded to 11 bits,
# those of float16, and adds up in float32. Derived from the format alone: no
# GPU has been measured. On a GPU the half types themselves are rounded to
# after each step; there run_rnn is held against PyTorch's own error.
TF32_TOLERANCE = 4 * torch.finfo(torch.float16).eps


def assert_close(actual, expected):
    """Hold two runs of the same arithmetic against each other."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert actual.device == expected.device
    if expected.numel():
        scale = max(1.0, float(expected.detach().abs().max()))
        error = float((actual - expected).detach().abs().max())
        # Written this way round, a NaN fails.
        assert error <= TOLERANCE[expected.dtype] * scale


def assert_exact(actual, expected):
    """Hold two runs against each other, however small their entries are."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert actual.device == expected.device
    error = relative_error(actual, expected)
    assert error <= TOLERANCE[expected.dtype]


def relative_error(actual, expected):
    """Return the largest difference, as a share of the largest entry."""
    if not expected.numel():
        return 0.0
    scale = float(expected.detach().abs().max())
    difference = (actual.to(expected.dtype) - expected).detach().abs()
    return float(difference.max()) / (scale or 1.0)


def assert_same(actual, expected):
    """Hold moved values against their source: every bit, NaN included."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert actual.device == expected.device
    if actual.device.type != "meta":
        assert torch.equal(_bytes(actual), _bytes(expected))


def take(values, places):
    """Index by moving bits: older torch indexes fewer types."""
    bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    stand_in = bits[values.dtype.itemsize]
    return values.view(stand_in)[places].view(values.dtype)


def _bytes(tensor):
    tensor = tensor.detach()
    if tensor.dtype.itemsize == 1:
        tensor = tensor.view(torch.uint8)  # not every such type can be copied
    # clone: a tensor without elements may keep a stride that view refuses.
    flat = tensor.flatten().clone(memory_format=torch.contiguous_format)
    return flat.view(torch.uint8)
