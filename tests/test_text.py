"""Words, vocabularies, and the texts that come with Python."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import packtutor._corpus
from packtutor import (
    DOCS,
    Vocabulary,
    python_help_paragraphs,
    python_help_texts,
    tokenize,
)

# Words as people write them, and those that stand for something else here.
words = st.one_of(
    st.sampled_from(["<pad>", "<unk>", "on", "your", "mark", "<PAD>", "pad"]),
    st.text(min_size=1, max_size=4),
)
texts = st.lists(words, max_size=6).map(" ".join)


@pytest.fixture
def vocabulary():
    return Vocabulary.from_texts(DOCS)


@pytest.fixture(scope="module")
def help_texts():
    return python_help_texts()


def test_the_three_documents(vocabulary):
    assert DOCS == ["on your mark", "get set", "go"]
    assert [tokenize(text) for text in DOCS] == [
        ["on", "your", "mark"],
        ["get", "set"],
        ["go"],
    ]
    assert list(vocabulary) == (
        ["<pad>", "<unk>", "on", "your", "mark", "get", "set", "go"]
    )
    ids = [vocabulary.encode(text) for text in DOCS]
    assert [numbers.tolist() for numbers in ids] == [[2, 3, 4], [5, 6], [7]]
    assert [" ".join(vocabulary.decode(numbers)) for numbers in ids] == DOCS


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        (" \t\n\u00a0", []),
        ("  Get  set!\n", ["Get", "set!"]),
        ("\u00fcber\u2003alles", ["\u00fcber", "alles"]),
    ],
)
def test_words_are_what_white_space_separates(text, tokens):
    assert tokenize(text) == tokens


@pytest.mark.parametrize("text", [None, b"go", ["go"], 5])
def test_only_a_text_has_words(vocabulary, text):
    message = f"text is of type {type(text).__name__}; it must be a str"
    with pytest.raises(TypeError, match=message):
        tokenize(text)
    with pytest.raises(TypeError, match=message):
        vocabulary.encode(text)


def test_a_vocabulary_is_a_table(vocabulary):
    assert len(vocabulary) == 8
    assert (vocabulary.pad_id, vocabulary.unk_id) == (0, 1)
    assert (Vocabulary.pad_id, Vocabulary.unk_id) == (0, 1)
    assert vocabulary["<pad>"] == 0
    assert vocabulary["<unk>"] == vocabulary["run"] == 1
    assert vocabulary["on"] == 2
    assert "go" in vocabulary
    assert "run" not in vocabulary
    assert 2 not in vocabulary
    assert repr(vocabulary) == "Vocabulary(V=8)"


def test_rare_words_are_left_out():
    corpus = ["a b a", "b c", "d a"]
    rare = Vocabulary.from_texts(iter(corpus), min_count=2)
    assert list(rare) == ["<pad>", "<unk>", "a", "b"]
    assert rare.encode("c a").tolist() == [1, 2]
    assert len(Vocabulary.from_texts(corpus, min_count=np.int64(4))) == 2
    assert len(Vocabulary.from_texts([])) == 2


def test_a_text_that_reads_pad_is_no_pad():
    corpus = ["<pad> <pad> go", "<unk> set"]
    vocabulary = Vocabulary.from_texts(corpus)
    assert list(vocabulary) == ["<pad>", "<unk>", "go", "set"]
    assert vocabulary.encode("<pad> go <unk>").tolist() == [1, 2, 1]


@given(corpus=st.lists(texts, max_size=5), text=texts)
def test_ids_and_words_are_inverse(corpus, text):
    vocabulary = Vocabulary.from_texts(corpus)
    assert [vocabulary[word] for word in vocabulary] == [
        *range(len(vocabulary))
    ]
    for known in corpus:
        ids = vocabulary.encode(known)
        assert vocabulary.decode(ids) == [
            "<unk>" if word == "<pad>" else word for word in known.split()
        ]
    ids = vocabulary.encode(text)
    assert ids.dtype == torch.int64
    assert ids.shape == (len(text.split()),)
    assert not (ids == vocabulary.pad_id).any()


@pytest.mark.parametrize(
    "ids",
    [
        [7, 1, 0],
        torch.tensor([7, 1, 0]),
        torch.tensor([7, 1, 0], dtype=torch.uint8),
        np.array([7, 1, 0]),
    ],
    ids=lambda ids: type(ids).__name__,
)
def test_ids_come_in_many_forms(vocabulary, ids):
    assert vocabulary.decode(ids) == ["go", "<unk>", "<pad>"]


def test_ids_may_come_one_by_one(vocabulary):
    assert vocabulary.decode(iter([7, 1, 0])) == ["go", "<unk>", "<pad>"]


def test_an_empty_text_has_no_ids(vocabulary):
    ids = vocabulary.encode(" ")
    assert ids.shape == (0,)
    assert ids.dtype == torch.int64
    assert vocabulary.decode(ids) == []


def test_ids_are_made_on_the_cpu_whatever_the_default_device(vocabulary):
    torch.set_default_device("meta")
    try:
        assert vocabulary.encode("go").device.type == "cpu"
        assert vocabulary.decode([7]) == ["go"]
    finally:
        torch.set_default_device(None)


@pytest.mark.parametrize(
    ("ids", "error", "text"),
    [
        ([0, 8], ValueError, r"ids\[1\] is 8; it must be from 0 to 7"),
        ([-1], ValueError, r"ids\[0\] is -1; it must be from 0 to 7"),
        ([1.0], TypeError, r"ids\[0\] is 1.0; its elements must be integers"),
        (torch.tensor([1.0]), TypeError, "ids has dtype torch.float32; its"),
        (torch.tensor(1), ValueError, r"ids has shape \(\); it must have one"),
        ("go", TypeError, "ids is 'go'; it must be a tensor, an array or a"),
    ],
)
def test_only_ids_have_words(vocabulary, ids, error, text):
    with pytest.raises(error, match=text):
        vocabulary.decode(ids)


@pytest.mark.parametrize(
    ("corpus", "min_count", "error", "text"),
    [
        ("get set", 1, TypeError, "texts is the single str 'get set'; it mus"),
        (b"get set", 1, TypeError, "texts is b'get set'; it must be a list"),
        (5, 1, TypeError, "texts is 5; it must be a list of texts"),
        (["go", 5], 1, TypeError, r"texts\[1\] is of type int; it must be a"),
        ([["go"]], 1, TypeError, r"texts\[0\] is of type list; it must be a"),
        (["go"], 0, ValueError, "min_count is 0; it must be at least 1"),
        (["go"], 1.5, TypeError, "min_count is 1.5; it must be an integer"),
    ],
)
def test_a_vocabulary_comes_from_texts(corpus, min_count, error, text):
    with pytest.raises(error, match=text):
        Vocabulary.from_texts(corpus, min_count=min_count)


@pytest.mark.parametrize(
    ("tokens", "twice"), [(["a", "b", "a"], "a"), (["<pad>"], "<pad>")]
)
def test_words_are_distinct(tokens, twice):
    with pytest.raises(ValueError, match=f"tokens has '{twice}' twice"):
        Vocabulary(tokens)


@pytest.mark.parametrize("token", [2, None, b"go"])
def test_only_a_word_has_an_id(vocabulary, token):
    with pytest.raises(TypeError, match="token is of type .*; it must be a s"):
        vocabulary[token]


@pytest.mark.parametrize(
    "token", [2, None, b"go", [], ["go"], {"go"}, {"go": 7}, torch.tensor(7)]
)
def test_what_is_no_word_is_in_no_vocabulary(vocabulary, token):
    assert token not in vocabulary


def test_a_vocabulary_can_be_stored(vocabulary):
    for twin in (
        pickle.loads(pickle.dumps(vocabulary)),
        copy.deepcopy(vocabulary),
    ):
        assert list(twin) == list(vocabulary)
        assert twin.encode("go run").tolist() == [7, 1]


def test_python_brings_enough_prose(help_texts):
    assert all(type(text) is str for text in help_texts)
    assert sum(len(tokenize(text)) for text in help_texts) >= 150_000
    # Both sources are there: help("if") and the docstring of a module.
    assert any("conditional execution" in text for text in help_texts)
    assert any("Text wrapping and filling" in text for text in help_texts)
    assert len(Vocabulary.from_texts(help_texts)) > 10_000


def test_paragraphs_are_those_of_the_texts(help_texts):
    paragraphs = python_help_paragraphs()
    words = [" ".join(tokenize(paragraph.text)) for paragraph in paragraphs]
    assert all(words)
    assert len(set(words)) == len(words) > 5_000
    everything = "\n".join(" ".join(tokenize(text)) for text in help_texts)
    assert all(text in everything for text in words)
    # Nothing but repetitions is missing.
    assert set(everything.split()) == set(" ".join(words).split())


def test_a_paragraph_says_where_it_comes_from():
    paragraphs = python_help_paragraphs()
    assert ("topic", 'help("compound")') in {
        (kind, source)
        for text, kind, source in paragraphs
        if "conditional execution" in text
    }
    found = [
        (kind, source)
        for text, kind, source in paragraphs
        if text.startswith("Text wrapping and filling")
    ]
    assert found == [("module", "textwrap")]
    assert {kind for _, kind, _ in paragraphs} == (
        {"topic", "module", "class", "function"}
    )


def test_paragraphs_end_at_blank_lines_and_come_once(monkeypatch):
    source = (
        '"""One.\n\n  \n\nTwo\nlines.\n\nOne."""\n'
        'class Three:\n    """Three.\n\nTwo  lines."""\n'
        '    async def four(self): """Four."""\n'
        'def five(): """ """\n'
    )
    topics = 'topics = {"if": "One.", "for": "Six."}'
    monkeypatch.setattr(packtutor._corpus, "_MODULES", ["a"])
    monkeypatch.setattr(
        packtutor._corpus,
        "_source",
        lambda name: source if name == "a" else topics,
    )
    assert python_help_paragraphs() == [
        ("One.", "topic", 'help("if")'),
        ("Six.", "topic", 'help("for")'),
        ("Two\nlines.", "module", "a"),
        ("Three.", "class", "a"),
        ("Four.", "function", "a"),
    ]


def test_reading_a_module_does_not_import_it():
    code = (
        "import sys, packtutor\n"
        "before = set(sys.modules)\n"
        "packtutor.python_help_texts()\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    # Finding a module imports the package that it is in.
    assert set(run.stdout.split()) <= {"pydoc_data"}


def test_a_module_without_source_is_named(monkeypatch):
    for name in ("sys", "no_such_module"):
        monkeypatch.setattr(packtutor._corpus, "_MODULES", [name])
        with pytest.raises(RuntimeError, match=f"has no source for {name}"):
            python_help_texts()


def test_the_type_of_what_is_no_word_is_named(vocabulary):
    with pytest.raises(TypeError, match="token is of type int; it must be a"):
        vocabulary[3]
