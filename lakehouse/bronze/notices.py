"""What is to be told of files, so that a hundred alike are one sentence."""

from collections.abc import Iterable, Sequence

FILES_SHOWN = 5
Sentences = list[tuple[str, str]]
"""A file, and what is to be told of it."""


def collated(sentences: Iterable[tuple[str, str]]) -> list[str]:
    """(file, sentence) -> one notice a sentence, with the first of its files."""
    files: dict[str, list[str]] = {}
    for file, sentence in sentences:
        files.setdefault(sentence, []).append(file)
    return [f"{some_files(names)}: {sentence}" for sentence, names in files.items()]


def some_files(names: Sequence[str]) -> str:
    """The first few names in words."""
    shown = ", ".join(name if name.isprintable() else repr(name) for name in names[:FILES_SHOWN])
    return shown + (f" and {len(names) - FILES_SHOWN} more" if len(names) > FILES_SHOWN else "")
