"""A model card before it is drawn: headings with sentences, lists and tables, for a page and a text alike."""

from dataclasses import dataclass

HEADINGS = (
    "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data", "Quantitative analyses",
    "Ethical considerations", "Caveats and recommendations",
)  # fmt: skip
"""Those of Mitchell et al., Model Cards for Model Reporting (2019), in their order."""


@dataclass(frozen=True)
class CardTable:
    """Rows of texts under a header; columns named in `numbers` are set to the right."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class CardList:
    """Sentences that stand beside one another."""

    sentences: tuple[str, ...]


CardPart = str | CardList | CardTable


@dataclass(frozen=True)
class CardSection:
    """One heading with what is said under it, in order: a text is a paragraph of its own."""

    heading: str
    parts: tuple[CardPart, ...]


@dataclass(frozen=True)
class CardDocument:
    """The card of one pushed version."""

    title: str
    lead: str
    sections: tuple[CardSection, ...]
