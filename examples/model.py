"""The classifier: embedding, bidirectional LSTM, pooling, a linear layer.

B sequences, T the longest length, N the sum of the lengths, E the embedding
size, H the hidden size.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from packtutor import Ragged, Vocabulary, mask_from_lengths, pooling, run_rnn

Strategy = Literal["pad", "pack", "run_rnn"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)


class Classifier(nn.Module):
    """Tell the kind of each sequence, with the LSTM run in one of three ways.

    All three have the same weights, so that a ``state_dict`` of one fits the
    others.

    - ``"run_rnn"``: ``packtutor.run_rnn`` over the batch as it is.
    - ``"pack"``: PyTorch's own way, ``nn.LSTM`` over a ``PackedSequence``.
      The same logits but for rounding, slower on a CPU.
    - ``"pad"``: ``nn.LSTM`` over the padded batch, and a mask in the pooling:
      what most code does. The backward direction starts in the pads. Their
      embedding is zero, but the biases move the state, so that a sequence's
      logits depend on how long the longest of its batch is. It trains all the
      same; it is another function, and not quite one of the sequence.
    """

    def __init__(
        self,
        vocabulary_size: int,
        kinds: int,
        *,
        embedding_size: int = 64,
        hidden_size: int = 64,
        dropout: float = 0.5,
        strategy: Strategy = "run_rnn",
    ) -> None:
        """Make the layers; PyTorch's seed decides about their weights."""
        super().__init__()
        if strategy not in STRATEGIES:
            raise ValueError(
                f"strategy is {strategy!r}; it must be one of {STRATEGIES}"
            )
        self.strategy = strategy
        self.embedding = nn.Embedding(
            vocabulary_size, embedding_size, padding_idx=Vocabulary.pad_id
        )
        self.lstm = nn.LSTM(
            embedding_size, hidden_size, batch_first=True, bidirectional=True
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * hidden_size, kinds)

    def forward(self, batch: Ragged) -> Tensor:
        """Return the logits (B, kinds) of a batch of ids (N,)."""
        if self.strategy == "pad":
            pooled = self._pool_padded(batch)  # (B, 2 H)
        else:
            pooled = pooling.max(self._run(batch.apply(self._embed)))
        logits: Tensor = self.head(self.dropout(pooled))
        return logits

    def _embed(self, ids: Tensor) -> Tensor:
        embedded: Tensor = self.dropout(self.embedding(ids))
        return embedded

    def _run(self, embedded: Ragged) -> Ragged:
        """Return the LSTM's outputs, values (N, 2 H)."""
        if self.strategy == "pack":
            # Under autocast a CPU computes each step in bfloat16 and gives
            # float32 back, unless all lengths are equal.
            packed, _ = self.lstm(embedded.to_packed())
            return Ragged.from_packed(packed)
        if embedded.values.device.type == "cpu":
            # Under autocast run_rnn is PyTorch's packed run, which is slower
            # on a CPU than the float32 run that it leaves out.
            with torch.autocast("cpu", enabled=False):
                return run_rnn(self.lstm, embedded)[0]
        return run_rnn(self.lstm, embedded)[0]

    def _pool_padded(self, batch: Ragged) -> Tensor:
        tokens_bt = batch.to_padded(padding_value=Vocabulary.pad_id)  # (B, T)
        output_bt, _ = self.lstm(self._embed(tokens_bt))  # (B, T, 2 H)
        real_bt = mask_from_lengths(batch.lengths, device=tokens_bt.device)
        hidden: Tensor = output_bt.masked_fill(
            ~real_bt.unsqueeze(2), float("-inf")
        ).amax(1)
        return hidden
