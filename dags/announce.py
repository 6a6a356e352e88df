"""Tasks that tell what another task found: as an asset's event, or as a failed task that everybody sees."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException


class AnnounceOperator(BaseOperator):
    """Emits an event of `about` whose `extra` is `found`; is skipped, with `otherwise` in its log, where that is empty.

    `found` is a template or another task's output.
    """

    template_fields: Sequence[str] = ("found",)
    ui_color = "#eef4e7"

    def __init__(self, *, about: Asset, found: Any, otherwise: str, **operator_options: Any) -> None:
        super().__init__(outlets=[about], **operator_options)
        self.about, self.found, self.otherwise = about, found, otherwise

    def execute(self, context: Any) -> dict[str, Any]:
        """Give the extra on to Airflow, which emits the event when the task has succeeded."""
        if not self.found:
            raise AirflowSkipException(self.otherwise)
        context["outlet_events"][self.about].extra = dict(self.found)
        return dict(self.found)


class FailIfAnyOperator(BaseOperator):
    """Fails, each of `sentences` in its log, where there are any; trying again would change nothing."""

    template_fields: Sequence[str] = ("sentences",)
    ui_color = "#f8ece6"

    def __init__(self, *, sentences: Any, what: str, **operator_options: Any) -> None:
        super().__init__(**operator_options)
        self.sentences, self.what = sentences, what

    def execute(self, context: Any) -> None:
        """Succeed where there is nothing to tell."""
        if self.sentences:
            raise AirflowFailException("\n  ".join([f"{len(self.sentences)} {self.what}:", *self.sentences]))
