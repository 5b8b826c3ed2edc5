"""Text to numbers: words, vocabularies, and texts that everyone has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from packtutor._checks import as_count, as_integers, as_list, short
from packtutor._corpus import (
    Paragraph,
    python_help_paragraphs,
    python_help_texts,
)

__all__ = [
    "DOCS",
    "Paragraph",
    "Vocabulary",
    "python_help_paragraphs",
    "python_help_texts",
    "tokenize",
]

DOCS = ["on your mark", "get set", "go"]

_PAD = "<pad>"
_UNK = "<unk>"


def tokenize(text: str) -> list[str]:
    """Split a text into words: what whitespace separates.

    Nothing is lower-cased, stripped or dropped, so that a word count here is
    the one that ``wc -w`` and ``str.split`` give.

    Args:
        text: Any text. An empty one has no words.

    Raises:
        TypeError: If ``text`` is not a ``str``.

    Example:
        >>> tokenize("on your mark")
        ['on', 'your', 'mark']

    Cost:
        O(characters).

    Source:
        Chapter 1.

    Not for:
        Languages that do not put spaces between words.
    """
    if not isinstance(text, str):
        raise TypeError(
            f"text is of type {type(text).__name__}; it must be a str"
        )
    return text.split()


class Vocabulary:
    """A table from words to ids and back.

    Id 0 is ``"<pad>"`` and id 1 is ``"<unk>"``, the word for all unknown
    words. The other words follow in the order in which they first appear. No
    text can produce the pad's id: a word of a text that reads ``<pad>`` is
    treated as unknown. ``pad_id`` is 0, ``unk_id`` is 1.

    Made by ``Vocabulary.from_texts``. ``len(v)`` counts all words,
    ``v[token]`` is a word's id (1 if it is unknown), ``token in v`` tells
    whether it is known.

    Example:
        >>> v = Vocabulary.from_texts(DOCS)
        >>> len(v), v["mark"], v["run"], "run" in v
        (8, 4, 1, False)

    Cost:
        O(1) a word.

    Source:
        Chapter 1.

    Not for:
        Subword tokens: use the tokenizer that belongs to your model.
    """

    __slots__ = ("_ids", "_tokens")

    pad_id = 0
    unk_id = 1

    def __init__(self, tokens: Iterable[str]) -> None:
        """Number distinct words from 2 on; 0 and 1 are taken."""
        if isinstance(tokens, str):
            raise TypeError(
                f"tokens is the single str {short(tokens)}; it must be an "
                f"iterable of words: [word]"
            )
        words = as_list(tokens, "tokens", "words")
        for index, word in enumerate(words):
            if not isinstance(word, str):
                raise TypeError(
                    f"tokens[{index}] is of type {type(word).__name__}; "
                    f"it must be a str"
                )
        self._tokens = [_PAD, _UNK, *words]
        self._ids = {token: i for i, token in enumerate(self._tokens)}
        if len(self._ids) != len(self._tokens):
            twice = Counter(self._tokens).most_common(1)[0][0]
            raise ValueError(
                f"tokens has {twice!r} twice; they must be distinct, and "
                f"{_PAD!r} and {_UNK!r} are taken"
            )

    @classmethod
    def from_texts(
        cls, texts: Iterable[str], *, min_count: int = 1
    ) -> Vocabulary:
        """Collect the words of some texts.

        Args:
            texts: Any number of texts.
            min_count: How often a word must occur to get an id of its own.

        Raises:
            TypeError: If ``texts`` is one ``str`` or holds anything else.
            ValueError: If ``min_count`` is below 1.

        Example:
            >>> Vocabulary.from_texts(DOCS).decode([2, 3, 4])
            ['on', 'your', 'mark']

        Cost:
            O(words).
        """
        if isinstance(texts, str):
            raise TypeError(
                f"texts is the single str {short(texts)}; it must be an "
                f"iterable of texts: [text]"
            )
        min_count = as_count(min_count, "min_count", 1)
        counts: Counter[str] = Counter()
        for index, text in enumerate(as_list(texts, "texts", "texts")):
            if not isinstance(text, str):
                raise TypeError(
                    f"texts[{index}] is of type {type(text).__name__}; "
                    f"it must be a str"
                )
            counts.update(tokenize(text))
        return cls(
            token
            for token, count in counts.items()
            if count >= min_count and token not in (_PAD, _UNK)
        )

    def __len__(self) -> int:
        """Return V, the number of ids."""
        return len(self._tokens)

    def __getitem__(self, token: str) -> int:
        """Return a word's id, or ``unk_id``."""
        if not isinstance(token, str):
            raise TypeError(
                f"token is of type {type(token).__name__}; it must be a str"
            )
        return self._ids.get(token, self.unk_id)

    def __contains__(self, token: object) -> bool:
        """Tell whether this is a word that has an id of its own."""
        return isinstance(token, str) and token in self._ids

    def __iter__(self) -> Iterator[str]:
        """Iterate over the words in the order of their ids."""
        return iter(self._tokens)

    def __repr__(self) -> str:
        """Show the size."""
        return f"Vocabulary(V={len(self)})"

    def encode(self, text: str) -> Tensor:
        """Turn a text into ids.

        Args:
            text: Any text; unknown words get ``unk_id``.

        Shapes:
            returns: (L,), int64, CPU; L is 0 for an empty text.

        Raises:
            TypeError: If ``text`` is not a ``str``.

        Example:
            >>> Vocabulary.from_texts(DOCS).encode("get set now")
            tensor([5, 6, 1])

        Cost:
            O(words).
        """
        ids = [self[token] for token in tokenize(text)]
        return torch.tensor(
            [i if i != self.pad_id else self.unk_id for i in ids],
            dtype=torch.int64,
            device="cpu",
        )

    def decode(self, ids: Tensor | Iterable[int]) -> list[str]:
        """Turn ids into words.

        Args:
            ids: Ids from 0 to V - 1.

        Shapes:
            ids: (L,), any integer dtype, CPU.

        Raises:
            TypeError: If an id is not an integer.
            ValueError: If an id is not from 0 to V - 1.

        Example:
            >>> Vocabulary.from_texts(DOCS).decode(torch.tensor([7, 1, 0]))
            ['go', '<unk>', '<pad>']

        Cost:
            O(L).
        """
        numbers: list[int] = as_integers(ids, "ids").tolist()
        for index, number in enumerate(numbers):
            if not 0 <= number < len(self):
                raise ValueError(
                    f"ids[{index}] is {number}; "
                    f"it must be from 0 to {len(self) - 1}"
                )
        return [self._tokens[number] for number in numbers]
