"""A second device without hardware, for every test that takes a device.

Its tensors say that they are on ``emulated``, hold their numbers on the CPU,
and compute there: modules, autograd and packed batches take them as they take
a GPU's. As on a GPU, tensors of two devices do not mix, the CPU's generators
draw nothing there, and NumPy sees nothing of it. Nothing is said of a GPU's
kernels, rounding or speed.

``PACKTUTOR_DEVICE=emulated python -m pytest tests`` runs these tests alone;
test_emulated.py does so. It stands on PyTorch's interface for a device that is
written in Python, which is experimental: no version before 2.13 was tried.
"""

from __future__ import annotations

import torch
from torch.utils import _device, backend_registration
from torch.utils._mode_utils import no_dispatch
from torch.utils._pytree import tree_leaves, tree_map

NAME = "emulated"
HERE = torch.__version__ >= "2.13"

# Tests of what it has not, by the beginning of their names.
LACKS = {
    "test_half_types": "the rounding of a half type is a kernel's",
    "test_all_sequences_may_be_empty": "its tensors have no address",
    "test_a_batch_can_be_stored": "its tensors have no storage of their own",
    "test_a_stored_batch": "its tensors have no storage of their own",
}

_aten = torch.ops.aten
# What takes an index, lengths or a source that lies on the CPU.
_MIXING = {
    _aten.copy_.default,
    _aten._to_copy.default,
    _aten.index.Tensor,
    _aten.index_put.default,
    _aten.index_put_.default,
    _aten._index_put_impl_.default,
    _aten._pack_padded_sequence.default,
    _aten._pack_padded_sequence_backward.default,
}
_FLOATS = torch.float32, torch.bfloat16, torch.float16
# PyTorch makes these empty and resizes them: a tensor around one would not see
# that, so the whole operation runs on the one within.
_MAKERS = "arange", "eye", "linspace", "randperm", "tril_indices"


class Emulated(torch.Tensor):
    """A tensor of that device, around one on the CPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, real):
        dense = real.layout == torch.strided
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            real.shape,
            strides=real.stride() if dense else None,
            storage_offset=real.storage_offset() if dense else None,
            dtype=real.dtype,
            layout=real.layout,
            device=torch.device(NAME, 0),
        )
        made.held = real
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        if not set(types) <= {cls, torch.Tensor, torch.nn.Parameter}:
            return NotImplemented  # such as a nested tensor of ours
        return _run(func, args, kwargs or {})

    # PyTorch answers these for no subclass.
    def __repr__(self):
        return f"Emulated({self.held!r})"

    def tolist(self):
        return self.held.tolist()

    def new_tensor(self, data, *, dtype=None, device=None):
        place = self.device if device is None else device
        return torch.tensor(data, dtype=dtype or self.dtype, device=place)

    def __format__(self, style):
        return format(self.held if self.dim() == 0 else self, style)

    def __getitem__(self, index):
        return super().__getitem__(_placed(index))

    def __setitem__(self, index, value):
        super().__setitem__(_placed(index), value)


def _placed(index):
    """Return an index whose lists are tensors."""
    if isinstance(index, list):
        return torch.tensor(index)
    if isinstance(index, tuple):
        return tuple(map(_placed, index))
    return index


def _run(func, args, kwargs):
    """Run one of PyTorch's operations."""
    leaves = tree_leaves((args, kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    stays = any(isinstance(tensor, Emulated) for tensor in tensors)
    _refuse_a_mixture(func, args, tensors if stays else [])
    if kwargs.get("device") is not None:
        stays = torch.device(kwargs["device"]).type == NAME
        if stays:
            kwargs = {**kwargs, "device": torch.device("cpu")}
    if stays and any(isinstance(leaf, torch.Generator) for leaf in leaves):
        raise RuntimeError(
            f"Expected a '{NAME}' device type for generator but found 'cpu'"
        )
    if torch.Tag.inplace_view in func.tags:
        with no_dispatch():
            func(*args, **kwargs)  # the shape of the tensor around it
    run = _CELLS.get(func, func)
    result = run(*tree_map(_real, args), **tree_map(_real, kwargs))
    if func is _aten._pack_padded_sequence.default:
        return Emulated(result[0]), result[1]
    # What was written into is the caller's own tensor.
    own = {id(_real(tensor)): tensor for tensor in tensors}

    def wrap(made):
        if id(made) in own:
            return own[id(made)]
        new = stays and isinstance(made, torch.Tensor)
        return Emulated(made) if new else made

    return tree_map(wrap, result)


def _real(value):
    return value.held if isinstance(value, Emulated) else value


def _refuse_a_mixture(func, args, tensors):
    """Raise what a GPU's operations raise for tensors of the CPU."""
    if func in _MIXING:
        if "index" not in func.__name__:
            return
        # The indices may be on the CPU.
        tensors = [args[0], *args[2:3]] if tensors else []
    if any(
        tensor.dim() and tensor.device.type == "cpu"
        for tensor in tensors
        if isinstance(tensor, torch.Tensor)
    ):
        raise RuntimeError(
            f"Expected all tensors to be on the same device: {func}"
        )


# The cells that PyTorch runs step by step on a device. The CPU has no such
# operations.


def _lstm_cell(inputs, hidden, c_0, bias_ih=None, bias_hh=None):
    gates = inputs + hidden
    if bias_ih is not None:
        gates = gates + bias_ih + bias_hh
    i, f, g, o = gates.chunk(4, 1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    c_1 = f * c_0 + i * g
    return o * c_1.tanh(), c_1, torch.cat([i, f, g, o], 1)


def _lstm_cell_backward(grad_h, grad_c, c_0, *rest):
    c_1, kept, has_bias = rest
    i, f, g, o = kept.chunk(4, 1)
    squashed = c_1.tanh()
    if grad_h is None:
        grad_h = torch.zeros_like(c_1)
    total = grad_h * o * (1 - squashed**2)
    if grad_c is not None:
        total = total + grad_c
    gates = torch.cat(
        [
            total * g * i * (1 - i),
            total * c_0 * f * (1 - f),
            total * i * (1 - g**2),
            grad_h * squashed * o * (1 - o),
        ],
        1,
    )
    return gates, total * f, gates.sum(0) if has_bias else None


def _gru_cell(inputs, hidden, h_0, bias_ih=None, bias_hh=None):
    if bias_ih is not None:
        inputs, hidden = inputs + bias_ih, hidden + bias_hh
    in_r, in_z, in_n = inputs.chunk(3, 1)
    hid_r, hid_z, hid_n = hidden.chunk(3, 1)
    r, z = (in_r + hid_r).sigmoid(), (in_z + hid_z).sigmoid()
    n = (in_n + r * hid_n).tanh()
    return n + z * (h_0 - n), torch.cat([r, z, n, h_0, hid_n], 1)


def _gru_cell_backward(grad_h, kept, has_bias):
    r, z, n, h_0, hid_n = kept.chunk(5, 1)
    on_z = grad_h * (h_0 - n) * z * (1 - z)
    on_n = grad_h * (1 - z) * (1 - n**2)
    on_r = on_n * hid_n * r * (1 - r)
    inputs = torch.cat([on_r, on_z, on_n], 1)
    hidden = torch.cat([on_r, on_z, on_n * r], 1)
    biases = (inputs.sum(0), hidden.sum(0)) if has_bias else (None, None)
    return inputs, hidden, grad_h * z, *biases


_CELLS = {
    _aten._thnn_fused_lstm_cell.default: _lstm_cell,
    _aten._thnn_fused_lstm_cell_backward_impl.default: _lstm_cell_backward,
    _aten._thnn_fused_gru_cell.default: _gru_cell,
    _aten._thnn_fused_gru_cell_backward.default: _gru_cell_backward,
}


class _Module:
    """What PyTorch asks of a device; it is here, and never busy."""

    @staticmethod
    def is_available():
        return True

    is_initialized = is_available

    @staticmethod
    def device_count():
        return 1

    @staticmethod
    def current_device():
        return 0

    @staticmethod
    def _is_in_bad_fork():
        return False

    @staticmethod
    def manual_seed_all(seed):
        """Do nothing: the CPU's generator draws for it."""

    @staticmethod
    def get_amp_supported_dtype():
        return [torch.bfloat16, torch.float16]

    @staticmethod
    def get_rng_state(device=None):
        return torch.get_rng_state()

    @staticmethod
    def set_rng_state(state, device=None):
        torch.set_rng_state(state)


# What autocast computes in the half type, as on a GPU; the rest as it comes.
_HALVED = (
    *("linear", "matmul", "mm", "bmm", "addmm", "addbmm", "baddbmm"),
    *("_thnn_fused_lstm_cell", "_thnn_fused_gru_cell"),
    *("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"),
)
_WIDENED = "nll_loss", "log_softmax", "softmax", "cross_entropy_loss"


def _cast(func, to):
    """Run an operation without autocast, its floats in one type."""
    keys = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)

    def cast(value):
        floats = isinstance(value, torch.Tensor) and value.dtype in _FLOATS
        return value.to(to()) if floats else value

    def run(*args, **kwargs):
        with torch._C._ExcludeDispatchKeyGuard(keys):
            return func(*tree_map(cast, args), **tree_map(cast, kwargs))

    return run


_kept = []  # PyTorch forgets a library that nobody holds


def install():
    """Add the device to PyTorch, for the rest of the process."""
    if _kept:
        return
    backend_registration._setup_privateuseone_for_python_backend(
        NAME, backend_module=_Module()
    )
    rest, makers = (torch.library.Library(n, "IMPL") for n in ("_", "aten"))
    _kept.extend([rest, makers])
    rest.fallback(
        lambda func, *args, **kwargs: _run(func, args, kwargs), "PrivateUse1"
    )
    for name in _MAKERS:
        packet = getattr(_aten, name)
        for overload in packet.overloads():
            if "out" not in overload:
                func = getattr(packet, overload)
                makers.impl(func, _runner(func), "PrivateUse1")
    _teach_autocast(makers)
    # A conversion must change the tensor within as well.
    torch.__future__.set_swap_module_params_on_conversion(True)
    _load = torch.nn.Module._load_from_state_dict

    def load(*arguments):
        """Write into the weights: a recurrent network refers to its own."""
        torch.__future__.set_swap_module_params_on_conversion(False)
        try:
            _load(*arguments)
        finally:
            torch.__future__.set_swap_module_params_on_conversion(True)

    torch.nn.Module._load_from_state_dict = load
    _device._device_constructors()  # kept for good, with PyTorch's own tensor
    _tensor = torch.tensor

    def tensor(data, *, device=None, requires_grad=False, **options):
        """Make it on the CPU: PyTorch asks no subclass."""
        place = torch.empty(0, device=device).device
        if place.type != NAME:
            options["device"] = device
            return _tensor(data, requires_grad=requires_grad, **options)
        made = _tensor(data, **options, device="cpu").to(place)
        return made.requires_grad_(requires_grad)

    torch.tensor = tensor
    torch.accelerator.synchronize = lambda device=None: None


def _runner(func):
    return lambda *args, **kwargs: _run(func, args, kwargs)


def _teach_autocast(library):
    rest = torch.library.Library("_", "IMPL")
    _kept.append(rest)
    rest.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    for names, to in (
        (_HALVED, lambda: torch.get_autocast_dtype(NAME)),
        (_WIDENED, lambda: torch.float32),
    ):
        for name in names:
            packet = getattr(_aten, name)
            for overload in packet.overloads():
                if "out" not in overload:
                    func = getattr(packet, overload)
                    library.impl(func, _cast(func, to), "AutocastPrivateUse1")
