"""When a whole table is scored by itself, and what comes of it."""

import re
from typing import Literal, Self

from pydantic import model_validator

from lakeloop.contract.elsewhere import Duration
from lakeloop.contract.section import Section, Text, mistake, unless

ScoreFile = Literal["csv", "parquet"]
SCORED_TABLE = re.compile(r"(silver|gold)/[a-z][a-z0-9_]*")


class BatchScoring(Section):
    """A DAG that scores a table with the champion, `every` so often or `after` something is new.

    `table`: of silver or gold, with key and features; by default the base's table of silver. `after`: `gold`, when an
    ingest brought rows; `model`, when another version serves. `file`: what scores are written as beside gold/scores.
    """

    table: Text | None = unless(None)
    every: Duration | None = unless(None)
    after: Literal["gold", "model"] | None = unless(None)
    file: ScoreFile = "csv"

    @model_validator(mode="after")
    def _is_woken_by_one_thing(self) -> Self:
        if self.table is not None and SCORED_TABLE.fullmatch(self.table) is None:
            raise mistake(f"`table` is {self.table!r}; write its layer, too, such as gold/training or silver/<source>")
        if (self.every is None) == (self.after is None):
            raise mistake("say when: `every`, such as `every: 1 day`, or `after: gold` (new rows) or `after: model`; "
                          "one of the two")  # fmt: skip
        return self
