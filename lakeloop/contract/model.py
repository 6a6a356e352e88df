"""The kinds of models and the hyper-parameters of each: what `--set NAME=VALUE` may change.

Of each kind, `step` is the word for what gives one value of the training's history, and `size` the hyper-parameter that
says how large a model is.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, TypeAdapter

from lakeloop.contract.section import Section, unless

NETWORK: Literal["network"] = "network"
TREES: Literal["trees"] = "trees"
NO_KIND = "no_kind"
"""Kind of mistake: a `kind` of model that there is not."""
MOST_LEAVES = 255
Rate = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=0)]


class NetworkSettings(Section):
    """A network of `layers` dense layers of `units` each. A contract that says no `kind` means this one.

    `stop_after`: a tenth of the training rows is held back, and after so many epochs that make no better answers to
    them training stops, and the best epoch's model is taken; 0: it goes through all `epochs`.
    """

    step: ClassVar[str] = "epoch"
    size: ClassVar[str] = "units"
    kind: Literal["network"] = unless(NETWORK)
    layers: Annotated[int, Field(ge=1, le=20)] = 3
    units: Annotated[int, Field(ge=1, le=10_000)] = 100
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 50
    batch: Annotated[int, Field(ge=1, le=1_000_000)] = 32
    learning_rate: Rate = 0.001
    stop_after: Annotated[int, Field(ge=0, le=10_000)] = unless(0)
    seed: Seed = 1


class TreesSettings(Section):
    """Gradient-boosted trees. Each of the `iterations` adds one tree, of more than two classes one for each class.

    A tree has at most so many `leaves`, and a leaf at least `min_rows_per_leaf` training rows; `learning_rate` shrinks
    what each tree adds, and `l2` what a leaf of few rows does. `stop_after`: a tenth of the training rows is held back,
    and after so many iterations that make no better answers to them no more are added; 0: all are.
    """

    step: ClassVar[str] = "iteration"
    size: ClassVar[str] = "iterations"
    kind: Literal["trees"] = TREES
    iterations: Annotated[int, Field(ge=1, le=5_000)] = 300
    leaves: Annotated[int, Field(ge=2, le=MOST_LEAVES)] = 15
    min_rows_per_leaf: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    learning_rate: Rate = 0.1
    l2: Annotated[float, Field(ge=0, le=1_000_000)] = 0.0
    stop_after: Annotated[int, Field(ge=0, le=5_000)] = 10
    seed: Seed = 1


MODEL_KINDS: dict[str, type[NetworkSettings] | type[TreesSettings]] = {NETWORK: NetworkSettings, TREES: TreesSettings}


def _kind_of(given: Any) -> str | None:
    kind = given.get("kind", NETWORK) if isinstance(given, dict) else getattr(given, "kind", NETWORK)
    return kind if isinstance(kind, str) else None


ModelSettings = Annotated[
    Annotated[NetworkSettings, Tag(NETWORK)] | Annotated[TreesSettings, Tag(TREES)],
    Discriminator(
        _kind_of,
        custom_error_type=NO_KIND,
        custom_error_message=f"there is no such `kind` of model; there are: {', '.join(MODEL_KINDS)}",
    ),
]
"""The hyper-parameters of a model of one kind."""
_SETTINGS: TypeAdapter[NetworkSettings | TreesSettings] = TypeAdapter(ModelSettings)


def read_model_settings(text: str) -> ModelSettings:
    """The settings that were written as JSON, of whatever kind."""
    return _SETTINGS.validate_json(text)


def model_settings(values: dict[str, object]) -> ModelSettings:
    """The settings of these values; texts such as "50" are read as numbers.

    Raises:
        ValidationError: a value that is not allowed.
    """
    return _SETTINGS.validate_python(values, strict=False)
