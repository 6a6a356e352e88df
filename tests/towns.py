"""A use case whose files are an office's: other headers each year, lost zeros, totals, and towns that became one."""

from pathlib import Path

from pyspark.sql import SparkSession

from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from tests.lakes import OwnLake

CONTRACT = """
use_case: towns
title: Towns
description: How much of what was reported was solved?
key: {columns: [town, offence, year]}
event_time: {column: year, description: Year of the report, period: year, start: 2014}
sources:
  reports:
    description: What was reported, by town and offence
    files: "reports-{year}.*"
    columns:
      year: "{year}"
      town: [Town, town code]
      offence: [Offence, offence code]
      cases: [Cases, number of cases]
      solved: Solved
      rate: Rate
    read:
      encoding: latin-1
      separator: ";"
      skip_lines: any
      until: "____"
      thousands: ","
      missing: ["-"]
      rows: {offence: "[a-z]+"}
      columns:
        town: {digits: 5, replaced: {"03152": "03159", "03156": "03159"}}
    summed: [cases, solved]
  people:
    description: Who live there
    files: "people-{year}.csv"
    columns: {year: 1, town: 2, people: 4}
    read: {encoding: latin-1, separator: ";", skip_lines: 2, header: false, until: "____", missing: ["-", "."],
           rows: {town: "[0-9]{5}|02"},
           columns: {town: {replaced: {"02": "02000", "03152": "03159", "03156": "03159"}}}}
    summed: [people]
    join: {on: [town], as_of: year}
features:
  offence: {description: Kind of offence, type: string, role: categorical}
  cases: {description: Cases, type: int, role: numeric, valid: [0, 1000000]}
  rate: {description: Cases for 100000 people, type: float, role: numeric, missing: median}
  people: {description: Who live there, type: int, role: numeric, missing: median}
label:
  name: solved_class
  description: Whether half of the cases were solved
  source: reports
  column: most
  made: solved / cases > 0.5
  truth: {description: Whether half of the cases were solved, type: bool}
  classes: [{name: few}, {name: most}]
split: {salt: "1", every: 4}
gate: {accuracy: {above: 0.5}}
"""
REPORTS_2014 = """1;2;3;4;5
Town;Offence;Cases;Solved;Rate
1001;theft;900;500;101.5
3152;theft;600;200;90
3156;theft;300;100;80.5
3152;fraud;5;-;9
3156;fraud;1;1;9
3159;fraud;2;0;-
3156;fraud;7;7;7
________
by the office; 2015
"""
REPORTS_2015 = """Reported to the office

offence code;town code;number of cases;Solved;Rate;;
1;2;3;4;5;;
theft;1001;1,900;1,500;201.5;0;
theft;3159;9,x;5;7;0;
"""
PEOPLE_2014 = """Table 7;;;
;;;all
2014;DG;All;80000000
2014;02;  Hamb\u00fcttel;1700
2014;01001;Flens;90
2014;03152;Old;250
2014;03156;Older;.
2014;03159;New;-
________
"by the office;
of statistics"
"""


def towns_case(home: Path) -> UseCase:
    """The use case in a home of its own."""
    folder = home / "use_cases"
    (folder / "towns").mkdir(parents=True, exist_ok=True)
    (folder / "towns" / "contract.yaml").write_text(CONTRACT)
    return open_use_case(load_settings(home=home, use_case="towns", use_cases=folder))


def towns_lake(spark: SparkSession, home: Path) -> OwnLake:
    """A lake of it, with nothing delivered."""
    use_case = towns_case(home)
    return OwnLake(use_case.settings, use_case.contract, lambda: spark)
