"""The search page leads to the section, by a reader's words or a message."""

from __future__ import annotations

import re
from urllib.parse import quote

import nbformat
import pytest
from notebooks import BOOK
from playwright.sync_api import Page

# What a reader may type who has only a symptom, and the heading to find.
# None of these stands in book/asked.toml.
SYMPTOMS = {
    "lstm output wrong with padding": "The same text scores differently",
    "different results batch size 1": "The same text scores differently",
    "training loss too low": "My loss is suspiciously low",
    "nan after softmax masked attention": "My attention returns NaN",
    "output of last timestep is zero": "My last output is all zeros",
    "average pooling ignores lengths": "My average shrinks",
    "data parallel different padded width": "Sizes of tensors must match",
    "loss differs when I change batch size": "My loss depends on the batch",
    "onnx export of packed lstm": "torch.export fails",
    "torch.compile with PackedSequence": "Dynamo does not support",
    "labels are in the wrong order after packing": "My labels no longer",
    # A padded batch is refused, a packed one may pass: each is an answer.
    "hidden state has wrong size in last batch": (
        "My last batch is smaller",
        "INDICES element is out",
    ),
    "no effect of dropout": "My dropout seems to do nothing",
    "stateful rnn remainder batch at end of epoch": "My last batch is smaller",
    "error hx too small for batch packed": "INDICES element is out",
    "vocab rebuilt model output changed": "Predictions change when",
    "nan loss when no label in the batch is left": "My loss is NaN",
    "state dict keys missing after making lstm bidirectional": (
        "Same weights, another score",
    ),
    # What PyTorch says, and what to do: each is an answer.
    "error because a text is empty": (
        "Length of all samples",
        "How does an empty document",
        "What does PyTorch say to an empty",
    ),
    "enforce_sorted": "lengths array must be sorted",
    "last lstm output is garbage for short sentences": "My last output is",
    "mean pooling too small for short texts": "My average shrinks",
    "out of memory on one long sequence": "What does sorting by length",
    "lstm trains but learns nothing batch_first": "Changing one sentence",
}
NAMES = {
    "batch_sizes": "In which order does a packed batch store the words?",
    "cu_seqlens": "What are cu_seqlens?",
    "total_length": "What does the way back not restore?",
}


def found(page: Page, address: str, query: str) -> list[str]:
    page.goto(f"{address}/search.html?q={quote(query)}")
    page.wait_for_function("document.readyState === 'complete'")
    return page.locator("#section-results > ol > li > a").all_text_contents()


def headings() -> list[str]:
    texts = []
    for path in sorted((BOOK / "mistakes").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                texts += re.findall(r"^## (.+)$", cell.source, re.M)
    return [text for text in texts if text != "Where this comes from"]


@pytest.mark.parametrize("query", SYMPTOMS)
def test_words_of_a_reader_lead_to_the_section(
    page: Page, address: str, query: str
) -> None:
    titles = found(page, address, query)
    assert titles[:1], query
    assert titles[0].startswith(SYMPTOMS[query]), titles


@pytest.mark.parametrize("query", NAMES)
def test_a_name_leads_to_the_section_that_explains_it(
    page: Page, address: str, query: str
) -> None:
    assert NAMES[query] in found(page, address, query)[:3]


def test_every_heading_of_a_mistake_is_found_first(
    page: Page, address: str
) -> None:
    texts = headings()
    assert len(texts) >= 45
    for text in texts:
        plain = text.replace("`", "").replace("\\", "")
        assert found(page, address, plain)[0] == plain


def test_messages_are_found_word_for_word(page: Page, address: str) -> None:
    messages = []
    for path in sorted((BOOK / "mistakes").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                heading = re.search(r"^## (.+)$", cell.source, re.M)
                if heading:
                    title = heading[1].replace("`", "")
                messages += [
                    (title, said)
                    for said in re.findall(
                        r"^> \w+(?:Error|Exception): (.+)$", cell.source, re.M
                    )
                ]
    assert len(messages) >= 20
    for title, said in messages:
        assert title in found(page, address, said)[:3], said


def test_the_first_result_leads_there(page: Page, address: str) -> None:
    titles = found(page, address, "attention weights on pads")
    page.locator("#section-results > ol > li > a").first.click()
    anchor = page.evaluate("decodeURIComponent(location.hash.slice(1))")
    assert anchor
    heading = page.locator(f"[id='{anchor}'] :is(h1, h2, h3)").first
    assert heading.inner_text().startswith(titles[0])


def test_words_without_a_match_find_no_section(
    page: Page, address: str
) -> None:
    assert found(page, address, "xylophone") == []
    assert found(page, address, "") == []


def test_sphinx_does_not_deny_the_sections(page: Page, address: str) -> None:
    assert found(page, address, "nan loss zebra when texts are short")
    page.get_by_text("No page has all of these words.").wait_for()
    assert not page.get_by_text("did not match any documents").count()
