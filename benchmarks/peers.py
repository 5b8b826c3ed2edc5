"""Other people's LSTMs that take lengths: ONNX Runtime's and flax's.

Both get the weights of the ``nn.LSTM``. They are imported here alone, late,
so that the rest works without them.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.layouts import Layout
from benchmarks.ways import Answer, Task, Way

# The gates of an ``nn.LSTM`` are i, f, g, o; ONNX wants i, o, f, g.
_ONNX_GATES = (0, 3, 1, 2)


def peer_ways(task: Task) -> dict[str, Way]:
    """Return the peers that can run this network: LSTMs in float32."""
    if task.network.mode != "LSTM" or task.values.dtype != torch.float32:
        return {}
    ways = {"flax": _flax(task)}
    if not task.training:
        ways["onnxruntime"] = _onnx_runtime(task)
    return ways


def _cells(network: nn.RNNBase) -> list[list[list[np.ndarray]]]:
    """Return W_ih, W_hh, b_ih and b_hh of each layer and direction."""
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ends = ("", "_reverse")[: 2 if network.bidirectional else 1]
    return [
        [
            [
                getattr(network, f"{kind}_l{layer}{end}").detach().numpy()
                for kind in kinds
            ]
            for end in ends
        ]
        for layer in range(network.num_layers)
    ]


def _read(layout: Layout, array: Any) -> Tensor:
    """Take the tokens out of an array (T, B, *) or (B, T, *)."""
    return layout.read(torch.from_numpy(np.array(array)).flatten(0, 1))


# --- ONNX Runtime ---------------------------------------------------------


def _onnx_runtime(task: Task) -> Way:
    import onnxruntime  # noqa: PLC0415

    batch, layout = task.batch, task.batch.time_first
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that wait for work would take the time of the other ways.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        _graph(task.network), options, providers=["CPUExecutionProvider"]
    )
    rows = layout.write(task.values).numpy()
    feeds = {
        "x": rows.reshape(batch.steps, batch.sequences, -1),
        "lengths": np.array(batch.lengths, dtype=np.int32),
    }
    inputs = {
        name: onnxruntime.OrtValue.ortvalue_from_numpy(array)
        for name, array in feeds.items()
    }

    def step() -> Any:
        return session.run_with_ort_values(["y", "h_n"], inputs)

    def answer(returned: Any) -> Answer:
        output, h_n = (value.numpy() for value in returned)
        return {
            "outputs": _read(layout, output),
            "h_n": torch.from_numpy(h_n),
        }

    return Way(step, answer)


def _graph(network: nn.RNNBase) -> bytes:
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    directions = 2 if network.bidirectional else 1
    nodes, constants, states = [], [], []
    # (T, directions, B, H) -> (T, B, directions x H), zeros kept as they are.
    shape = np.array([0, 0, directions * network.hidden_size])
    constants.append(numpy_helper.from_array(shape, "shape"))
    data = "x"
    for layer, cells in enumerate(_cells(network)):
        given = {
            "W": [_reorder(cell[0]) for cell in cells],
            "R": [_reorder(cell[1]) for cell in cells],
            "B": [
                np.concatenate([_reorder(bias) for bias in cell[2:]])
                for cell in cells
            ],
        }
        names = [f"{name}{layer}" for name in given]
        for name, arrays in zip(names, given.values(), strict=True):
            constants.append(numpy_helper.from_array(np.stack(arrays), name))
        outputs = [f"{name}{layer}" for name in ("raw", "h", "turned", "y")]
        raw, h_n, turned, data_out = outputs
        nodes += [
            helper.make_node(
                "LSTM",
                [data, *names, "lengths"],
                [raw, h_n],
                hidden_size=network.hidden_size,
                direction="bidirectional" if directions == 2 else "forward",
            ),
            helper.make_node("Transpose", [raw], [turned], perm=[0, 2, 1, 3]),
            helper.make_node("Reshape", [turned, "shape"], [data_out]),
        ]
        states.append(h_n)
        data = data_out
    nodes += [
        helper.make_node("Identity", [data], ["y"]),
        helper.make_node("Concat", states, ["h_n"], axis=0),
    ]
    real, whole = TensorProto.FLOAT, TensorProto.INT32
    graph = helper.make_graph(
        nodes,
        "lstm",
        [
            helper.make_tensor_value_info("x", real, [None, None, None]),
            helper.make_tensor_value_info("lengths", whole, [None]),
        ],
        [
            helper.make_tensor_value_info("y", real, [None, None, None]),
            helper.make_tensor_value_info("h_n", real, [None, None, None]),
        ],
        constants,
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    return bytes(model.SerializeToString())


def _reorder(stacked: np.ndarray) -> np.ndarray:
    gates = np.split(stacked, 4)
    return np.concatenate([gates[gate] for gate in _ONNX_GATES])


# --- flax -----------------------------------------------------------------


def _flax(task: Task) -> Way:
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax  # noqa: PLC0415

    batch, layout = task.batch, task.batch.batch_first
    shape = batch.sequences, batch.steps, -1

    def table(values: Tensor) -> Any:
        return jax.numpy.array(layout.write(values).view(shape).numpy())

    cells = _cells(task.network)
    weights = [[_flax_weights(cell) for cell in layer] for layer in cells]
    run = functools.partial(
        _flax_run, task.network.hidden_size, jax.numpy.array(batch.lengths)
    )
    x = table(task.values)
    if task.training:
        weighting = table(task.weighting)

        def loss(data: Any, weights: Any) -> Any:
            output, h_n = run(data, weights)
            return (output * weighting).sum(), (output, h_n)

        compiled = jax.jit(
            jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
        )

        def step() -> Any:
            (_, found), gradients = compiled(x, weights)
            return jax.block_until_ready((*found, gradients))
    else:
        forward = jax.jit(run)

        def step() -> Any:
            return jax.block_until_ready((*forward(x, weights), ()))

    def answer(returned: Any) -> Answer:
        output, h_n, gradients = returned
        found = {
            "outputs": _read(layout, output),
            "h_n": torch.from_numpy(np.array(h_n)),
        }
        if gradients:
            found["input_gradients"] = _read(layout, gradients[0])
        return found

    return Way(step, answer)


def _flax_run(hidden: int, lengths: Any, data: Any, weights: Any) -> Any:
    """Run layer after layer, direction by direction; outputs and h_n."""
    from flax import linen  # noqa: PLC0415
    from jax import numpy as jnp  # noqa: PLC0415

    states = []
    for layer in weights:
        outputs = []
        for direction, given in enumerate(layer):
            rnn = linen.RNN(
                linen.OptimizedLSTMCell(hidden),
                return_carry=True,
                reverse=bool(direction),
                keep_order=True,
            )
            (_, h_n), output = rnn.apply(
                {"params": {"cell": given}}, data, seq_lengths=lengths
            )
            outputs.append(output)
            states.append(h_n)
        data = jnp.concatenate(outputs, -1)
    return data, jnp.stack(states)


def _flax_weights(cell: list[np.ndarray]) -> dict[str, Any]:
    """Name the weights of a cell as flax does: one pair for each gate."""
    import jax  # noqa: PLC0415

    inputs, hidden = (np.split(stacked, 4) for stacked in cell[:2])
    biases = np.split(cell[2] + cell[3], 4)
    named: dict[str, Any] = {}
    for gate, w_ih, w_hh, bias in zip(
        "ifgo", inputs, hidden, biases, strict=True
    ):
        named[f"i{gate}"] = {"kernel": w_ih.T}
        named[f"h{gate}"] = {"kernel": w_hh.T, "bias": bias}
    copied: dict[str, Any] = jax.tree.map(jax.numpy.array, named)
    return copied
