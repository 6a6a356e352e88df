"""The catalogue shows what the contract says."""

from lakeloop.catalogue import catalogue_markdown
from lakeloop.contract import Contract


def test_the_catalogue_names_every_column_with_unit_and_allowed_values(contract: Contract) -> None:
    text = catalogue_markdown(contract)
    for name, feature in contract.features.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
        assert feature.unit in row and feature.allowed in row and feature.description in row
    assert "| 0 | high | above 3.0 |" in text and "| 1 | medium | anything else |" in text
    assert "24 months later" in text
