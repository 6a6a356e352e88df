"""What is to be told of files, so that a hundred alike are one sentence."""

from collections.abc import Iterable

from lakeloop.contract.section import some

FILES_SHOWN = 5
Sentences = list[tuple[str, str]]
"""A file, and what is to be told of it."""


def collated(sentences: Iterable[tuple[str, str]]) -> list[str]:
    """(file, sentence) -> one notice a sentence, with the first of its files."""
    files: dict[str, list[str]] = {}
    for file, sentence in sentences:
        files.setdefault(sentence, []).append(file)
    return [f"{some_files(names)}: {sentence}" for sentence, names in files.items()]


def some_files(names: Iterable[str]) -> str:
    """The first few names in words."""
    return some((name if name.isprintable() else repr(name) for name in names), FILES_SHOWN)
