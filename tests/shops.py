"""Accounts of shops, a file a year: the history of the use case `shops`, whose label is the next year's."""

import shutil
from pathlib import Path

import numpy as np

from lakeloop.use_case import UseCase, open_use_case
from tests.exports import settings_in
from tests.use_case_copies import copy_use_case, with_changes

FIRST_YEAR = 2010


def write_accounts(folder: Path, years: int, shops: int, told: float = 30.0) -> None:
    """A file a year. What changes a shop's turnover is known from its orders a year before, as far as `told` says (kEUR
    for orders twice as many); the rest is chance, so that with 0 nothing knows more than the turnover of now.
    """
    random = np.random.default_rng(11)
    turnover, staff = random.normal(100, 25, shops), random.integers(1, 50, shops)
    folder.mkdir(parents=True)
    for year in range(FIRST_YEAR, FIRST_YEAR + years):
        orders = random.uniform(-1, 1, shops)
        lines = [f"s{shop:04d},{year},{turnover[shop]:.2f},{orders[shop]:.3f},{staff[shop]}" for shop in range(shops)]
        (folder / f"accounts-{year}.csv").write_text("\n".join(["shop,year,turnover,orders,staff", *lines]) + "\n")
        turnover = 100 + 0.9 * (turnover - 100) + told * orders + random.normal(0, 4 if told else 11, shops)
        turnover = np.clip(turnover, 5, 400)


def shops_in(home: Path, years: int = 8, shops: int = 300, told: float = 30.0, before: bool = False) -> UseCase:
    """The use case with its history, in a home; `before`: with each shop's turnover of the year before as a feature."""
    copy = copy_use_case("shops", home / "use_cases")
    write_accounts(copy / "history" / "accounts", years, shops, told)
    if before:
        with_the_year_before(copy)
    return open_use_case(settings_in(home, "shops").model_copy(update={"use_cases": copy.parent}))


def with_the_year_before(folder: Path) -> None:
    """Have the copy's contract take each shop's turnover of the year before for a feature: its own files, once more."""
    contract = folder / "contract.yaml"
    text = with_changes(contract.read_text(), {
        "features:\n": BEFORE + "features:\n  turnover_before: {description: Turnover of the year before, type: float, "
        "role: numeric, unit: kEUR, missing: median}\n"
    })  # fmt: skip
    contract.write_text(text)
    accounts = folder / "history" / "accounts"
    if accounts.is_dir():
        shutil.copytree(accounts, accounts.with_name("before"))


BEFORE = """\
  before:
    description: Accounts of earlier years
    files: "accounts-{year}.csv"
    columns: {shop: null, year_before: year, turnover_before: turnover}
    join: {on: [shop], as_of: year_before, earlier: true, within: 1 year}
"""
