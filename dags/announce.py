"""Tasks that tell what another task found: as an asset's event, or as a failed task that everybody sees."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException


class AnnounceOperator(BaseOperator):
    """Emits an event of `about` whose `extra` is the part `part` of another task's result.

    Where that is empty it is skipped, with `otherwise` in its log. `result` is that task's `output`.
    """

    template_fields: Sequence[str] = ("result",)
    ui_color = "#eef4e7"

    def __init__(self, *, about: Asset, result: Any, part: str, otherwise: str, **operator_options: Any) -> None:
        super().__init__(outlets=[about], **operator_options)
        self.about, self.result, self.part, self.otherwise = about, result, part, otherwise

    def execute(self, context: Any) -> dict[str, Any]:
        """Give the extra on to Airflow, which emits the event when the task has succeeded."""
        found = self.result.get(self.part)
        if not found:
            raise AirflowSkipException(self.otherwise)
        context["outlet_events"][self.about].extra = dict(found)
        return dict(found)


class FailIfAnyOperator(BaseOperator):
    """Fails where the part `part` of another task's result lists anything; trying again would change nothing.

    Each of the sentences listed is in its log. `result` is that task's `output`.
    """

    template_fields: Sequence[str] = ("result",)
    ui_color = "#f8ece6"

    def __init__(self, *, result: Any, part: str, what: str, **operator_options: Any) -> None:
        super().__init__(**operator_options)
        self.result, self.part, self.what = result, part, what

    def execute(self, context: Any) -> None:
        """Succeed where there is nothing to tell."""
        if sentences := self.result.get(self.part):
            raise AirflowFailException("\n  ".join([f"{len(sentences)} {self.what}:", *sentences]))
