"""What is wrong with a value, in sentences: the kind of the mistake, and beside it the value that made it."""

from collections.abc import Sequence

from pyspark.sql import Column as Expression
from pyspark.sql import functions as sf

SHOWN = 80


def wrong(kind: str | Expression, value: Expression | None = None) -> Expression:
    """One problem: the kind of mistake, and where it helps the value that made it."""
    named_kind = sf.lit(kind) if isinstance(kind, str) else kind
    named_value = sf.lit(None) if value is None else value
    return sf.struct(named_kind.alias("kind"), named_value.cast("string").alias("value"))


def shown(name: str, text: Expression) -> Expression:
    """A value beside a problem: `name = 'text'`, long texts cut."""
    return sf.concat(sf.lit(f"{name} = '"), sf.left(text, sf.lit(SHOWN)), sf.lit("'"))


def joined_problems(problems: Sequence[Expression]) -> tuple[Expression, Expression]:
    """The sentences and the values of those problems that there are, each joined by `; `."""
    return joined_texts(sf.filter(sf.array(*problems), lambda each: each.isNotNull()))


def joined_texts(found: Expression) -> tuple[Expression, Expression]:
    """The same of an array of problems, none of them null."""
    sentences = sf.array_join(sf.transform(found, lambda each: each["kind"]), "; ")
    return sentences, sf.array_join(sf.transform(found, lambda each: each["value"]), "; ")
