"""Write small inventories of the names of other projects that we cite.

Sphinx turns a name into a link by way of an inventory. The real ones are
large and come from the network. These hold the names below, nothing else.
To cite one more, add it here and run:

    python tools/inventory.py
"""

import zlib
from pathlib import Path

ASSETS = Path(__file__).resolve().parents[1] / "book" / "assets"
PAGE = "generated/{0}.html#{0}"

# (role, address below the documentation's root, names)
TORCH = [
    ("class", "tensors.html#{0}", ["torch.Tensor"]),
    (
        "class",
        "tensor_attributes.html#{0}",
        ["torch.device", "torch.dtype"],
    ),
    ("method", PAGE, ["torch.Tensor.pin_memory", "torch.Tensor.to"]),
    (
        "class",
        PAGE,
        [
            "torch.Generator",
            "torch.nn.Dropout",
            "torch.nn.Embedding",
            "torch.nn.GRU",
            "torch.nn.LSTM",
            "torch.nn.Linear",
            "torch.nn.Module",
            "torch.nn.MultiheadAttention",
            "torch.nn.RNN",
            "torch.nn.RNNBase",
            "torch.nn.utils.rnn.PackedSequence",
            "torch.utils.flop_counter.FlopCounterMode",
        ],
    ),
    (
        "function",
        PAGE,
        [
            "torch.cat",
            "torch.manual_seed",
            "torch.nn.functional.cross_entropy",
            "torch.nn.functional.scaled_dot_product_attention",
            "torch.nn.utils.rnn.pack_padded_sequence",
            "torch.nn.utils.rnn.pack_sequence",
            "torch.nn.utils.rnn.pad_packed_sequence",
            "torch.nn.utils.rnn.pad_sequence",
            "torch.nn.utils.rnn.unpack_sequence",
            "torch.nn.utils.rnn.unpad_sequence",
            "torch.rand",
            "torch.randint",
            "torch.randn",
            "torch.save",
            "torch.use_deterministic_algorithms",
            "torch.where",
        ],
    ),
    (
        "function",
        "nested.html#{0}",
        [
            "torch.nested.as_nested_tensor",
            "torch.nested.nested_tensor",
            "torch.nested.nested_tensor_from_jagged",
        ],
    ),
    (
        "class",
        "data.html#{0}",
        ["torch.utils.data.DataLoader", "torch.utils.data.Sampler"],
    ),
]
# Where a type hint's class really lives -> its name in the documentation.
TORCH_ALIASES = {
    "torch._C.Generator": "torch.Generator",
    "torch.nn.modules.dropout.Dropout": "torch.nn.Dropout",
    "torch.nn.modules.linear.Linear": "torch.nn.Linear",
    "torch.nn.modules.module.Module": "torch.nn.Module",
    "torch.nn.modules.rnn.GRU": "torch.nn.GRU",
    "torch.nn.modules.rnn.LSTM": "torch.nn.LSTM",
    "torch.nn.modules.rnn.RNN": "torch.nn.RNN",
    "torch.nn.modules.rnn.RNNBase": "torch.nn.RNNBase",
    "torch.nn.modules.sparse.Embedding": "torch.nn.Embedding",
    "torch.utils.data.dataloader.DataLoader": "torch.utils.data.DataLoader",
    "torch.utils.data.sampler.Sampler": "torch.utils.data.Sampler",
}
MATPLOTLIB = [
    (
        "class",
        "api/_as_gen/{0}.html#{0}",
        ["matplotlib.axes.Axes", "matplotlib.figure.Figure"],
    ),
]
PYTHON = [
    (
        "class",
        "library/functions.html#{0}",
        ["bool", "float", "int", "object", "slice"],
    ),
    (
        "class",
        "library/stdtypes.html#{0}",
        ["bytes", "dict", "frozenset", "list", "set", "str", "tuple"],
    ),
    ("data", "library/constants.html#{0}", ["False", "None", "True"]),
    (
        "exception",
        "library/exceptions.html#{0}",
        [
            "AttributeError",
            "ImportError",
            "IndexError",
            "KeyError",
            "RuntimeError",
            "TypeError",
            "ValueError",
        ],
    ),
    (
        "class",
        "library/collections.abc.html#{0}",
        [
            "collections.abc.Callable",
            "collections.abc.Iterable",
            "collections.abc.Iterator",
            "collections.abc.Mapping",
            "collections.abc.Sequence",
        ],
    ),
    ("class", "library/typing.html#{0}", ["typing.NamedTuple"]),
    (
        "data",
        "library/typing.html#{0}",
        ["typing.Any", "typing.Literal", "typing.Self"],
    ),
    ("function", "library/dataclasses.html#{0}", ["dataclasses.dataclass"]),
    ("class", "library/pathlib.html#{0}", ["pathlib.Path"]),
    ("module", "library/ast.html#module-{0}", ["ast"]),
]


def make_inventory(
    project: str,
    groups: list[tuple[str, str, list[str]]],
    aliases: dict[str, str] | None = None,
) -> bytes:
    """Return an inventory in version 2 of Sphinx's format."""
    entries = {
        name: (role, address.format(name))
        for role, address, names in groups
        for name in names
    }
    entries |= {
        alias: entries[name] for alias, name in (aliases or {}).items()
    }
    lines = [
        f"{name} py:{role} 1 {address} -\n"
        for name, (role, address) in sorted(entries.items())
    ]
    header = (
        "# Sphinx inventory version 2\n"
        f"# Project: {project}\n"
        "# Version: stable\n"
        "# The remainder of this file is compressed using zlib.\n"
    )
    return header.encode() + zlib.compress("".join(lines).encode(), 9)


def make_inventories() -> dict[str, bytes]:
    """Return each file's name and content."""
    return {
        "matplotlib.inv": make_inventory("Matplotlib", MATPLOTLIB),
        "python.inv": make_inventory("Python", PYTHON),
        "torch.inv": make_inventory("PyTorch", TORCH, TORCH_ALIASES),
    }


if __name__ == "__main__":
    for file_name, content in make_inventories().items():
        (ASSETS / file_name).write_bytes(content)
