"""What the request log and silver/predictions have of an answer: a class or labels with probabilities, or a number."""

from functools import reduce
from operator import mul

from pyspark.sql import Column
from pyspark.sql import functions as sf

from lakehouse.gold.label_columns import has_label, set_names
from lakehouse.silver.problems import shown, wrong
from lakehouse.storage.schema import literal, quoted
from lakeloop.contract import Contract


def wrong_value(name: str, what: str) -> Column:
    """A problem of a record's field, with the value it has."""
    return wrong(f"`{name}` {what}", shown(name, sf.col(f"r_{name}").cast("string")))


class ClassAnswers:
    """A class, its id, the probability of each, and how sure the model was: the probability of the class it answered,
    the highest one but where it has a threshold.
    """

    record = "prediction string, class_id int, probabilities array<double>"
    names = ("prediction", "class_id", "probabilities")
    required = ("prediction", "class_id")

    def __init__(self, contract: Contract) -> None:
        self._label = contract.label

    def definitions(self) -> list[str]:
        """The columns with type and comment, as SQL."""
        names = self._label.class_names
        return [
            f"prediction string NOT NULL COMMENT {literal(self._label.description)}",
            "class_id int NOT NULL COMMENT 'class id of the prediction'",
            *(
                f"{quoted(f'probability_{n}')} double COMMENT {literal(f'of class {n}; null where no model was asked')}"
                for n in names
            ),
            f"confidence double COMMENT '{self._about_confidence()}; null where no model was asked'",
        ]

    def typed(self) -> list[Column]:
        """The columns, of a record whose fields begin with `r_`."""
        return [
            sf.col("r_prediction").alias("prediction"),
            sf.col("r_class_id").alias("class_id"),
            *(
                sf.get("r_probabilities", sf.lit(i)).alias(f"probability_{name}")
                for i, name in enumerate(self._label.class_names)
            ),
            sf.when(sf.col("r_predictor_type") == "model", sf.get("r_probabilities", sf.col("r_class_id")))
            .otherwise(sf.array_max("r_probabilities"))
            .alias("confidence"),
        ]

    def _about_confidence(self) -> str:
        decided = self._label.decision is not None
        return "probability of what the model answered" if decided else "highest probability"

    def conditions(self) -> list[Column]:
        """What holds of a good record."""
        return [
            sf.col("r_prediction").isin(*self._label.class_names),
            self._class_of_prediction() == sf.col("r_class_id"),
            self._probabilities_fit(),
        ]

    def problems(self) -> list[Column]:
        """What is wrong with a record; each null where nothing is."""
        classes, of = self._label.class_names, self._class_of_prediction()
        other = (of >= 0) & (of != sf.col("r_class_id"))
        odd = sf.when(
            ~sf.col("r_prediction").isin(*classes), wrong_value("prediction", f"is not one of {', '.join(classes)}")
        )
        return [
            odd,
            sf.when(other, wrong_value("class_id", "is not the prediction's")),
            sf.when(~self._probabilities_fit(), wrong(f"`probabilities` are not {len(classes)} numbers from 0 to 1")),
        ]

    def _class_of_prediction(self) -> Column:
        names = sf.array(*map(sf.lit, self._label.class_names))
        return (sf.array_position(names, sf.col("r_prediction")) - 1).cast("int")

    def _probabilities_fit(self) -> Column:
        given = sf.col("r_probabilities")
        within = sf.forall(given, lambda p: sf.coalesce((p >= 0) & (p <= 1), sf.lit(False)))
        return given.isNull() | ((sf.size(given) == len(self._label.class_names)) & within)


class SetAnswers(ClassAnswers):
    """The labels' names, the number of their set, the probability of each, and how sure the model was: how likely it
    held exactly these labels, or of an answer of the rules the likeliest set, labels being independent.
    """

    def definitions(self) -> list[str]:
        """The columns with type and comment, as SQL."""
        return [
            f"prediction string NOT NULL COMMENT {literal(self._label.description)}",
            "class_id int NOT NULL COMMENT 'number of the set of the labels predicted, bit i for label i'",
            *(
                f"{quoted(f'probability_{n}')} double COMMENT {literal(f'of label {n}; null where no model was asked')}"
                for n in self._label.columns
            ),
            "confidence double COMMENT 'probability of exactly the labels answered; null where no model was asked'",
        ]

    def typed(self) -> list[Column]:
        """The columns, of a record whose fields begin with `r_`."""
        known = [sf.get("r_probabilities", sf.lit(i)) for i in range(len(self._label.columns))]
        answered = [has_label(sf.col("r_class_id"), i) for i in range(len(known))]
        of_model = reduce(mul, (sf.when(has, p).otherwise(1 - p) for has, p in zip(answered, known, strict=True)))
        likeliest = reduce(mul, (sf.greatest(p, 1 - p) for p in known))
        return [
            sf.col("r_prediction").alias("prediction"),
            sf.col("r_class_id").alias("class_id"),
            *(p.alias(f"probability_{name}") for p, name in zip(known, self._label.columns, strict=True)),
            sf.when(sf.col("r_predictor_type") == "model", of_model).otherwise(likeliest).alias("confidence"),
        ]

    def conditions(self) -> list[Column]:
        """What holds of a good record."""
        return [self._is_a_set(), self._names_fit(), self._probabilities_fit()]

    def problems(self) -> list[Column]:
        """What is wrong with a record; each null where nothing is."""
        names = self._label.columns
        odd = wrong_value("class_id", f"is no set of the {len(names)} labels {', '.join(names)}")
        return [
            sf.when(~self._is_a_set(), odd),
            sf.when(self._is_a_set() & ~self._names_fit(), wrong_value("prediction", "is not what `class_id` says")),
            sf.when(~self._probabilities_fit(), wrong(f"`probabilities` are not {len(names)} numbers from 0 to 1")),
        ]

    def _is_a_set(self) -> Column:
        return sf.col("r_class_id").between(0, 2 ** len(self._label.columns) - 1)

    def _names_fit(self) -> Column:
        return sf.col("r_prediction") == set_names(self._label, sf.col("r_class_id"))


class NumberAnswers:
    """A number, and the ends of the model's interval around it."""

    record = "prediction double, lower double, upper double"
    names = ("prediction", "lower", "upper")
    required = ("prediction",)

    def __init__(self, contract: Contract) -> None:
        self._label = contract.label

    def definitions(self) -> list[str]:
        """The columns with type and comment, as SQL."""
        unit = f" in {self._label.truth.unit}" if self._label.truth.unit else ""
        return [
            f"prediction double NOT NULL COMMENT {literal(self._label.description + unit)}",
            "lower double COMMENT 'where the interval begins; null where no model was asked'",
            "upper double COMMENT 'where it ends'",
        ]

    def typed(self) -> list[Column]:
        """The columns, of a record whose fields begin with `r_`."""
        return [sf.col(f"r_{name}").alias(name) for name in self.names]

    def conditions(self) -> list[Column]:
        """What holds of a good record."""
        return [self._interval_fits()]

    def problems(self) -> list[Column]:
        """What is wrong with a record; each null where nothing is."""
        return [sf.when(~self._interval_fits(), wrong("`prediction` does not lie between `lower` and `upper`"))]

    def _interval_fits(self) -> Column:
        lower, number, upper = (sf.col(f"r_{name}") for name in ("lower", "prediction", "upper"))
        without = lower.isNull() & upper.isNull()
        return without | sf.coalesce((lower <= number) & (number <= upper), sf.lit(False))


def answer_columns(contract: Contract) -> ClassAnswers | NumberAnswers:
    """Those of a contract's answers."""
    if contract.label.several:
        return SetAnswers(contract)
    return ClassAnswers(contract) if contract.label.classes else NumberAnswers(contract)
