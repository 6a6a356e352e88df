"""What all parts of a contract share: frozen models that refuse unknown keys, and the plain types of their fields."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Text = Annotated[str, StringConstraints(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Scalar = int | float | str


def mistake(text: str) -> PydanticCustomError:
    """A contract mistake whose text is shown to the user as it is."""
    return PydanticCustomError("contract", "{text}", {"text": text})


class Section(BaseModel):
    """Base of all parts of a contract: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
