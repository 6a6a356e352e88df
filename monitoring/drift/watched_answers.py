"""What of a model's answers is watched: the class or labels it answers and how sure it was of them, or the number."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lakeloop.contract import Contract
from lakeloop.fallback import NUMBER_OUTPUTS
from lakeloop.label_sets import set_confidences, set_ids
from lakeloop.request_record import RequestRecord
from lakeloop.threshold import Threshold, class_ids_at

PREDICTION, CONFIDENCE = "prediction", "confidence"
Answers = tuple[pd.Series, pd.Series | None]
"""What was predicted, and of classes how likely each was held; None of numbers, and of what an earlier release kept."""


class WatchedClasses:
    """Probabilities (rows, classes) are what a model gives; compared are the names of the classes it answers by them,
    and how likely it held these.
    """

    numeric = False

    def __init__(self, contract: Contract, threshold: Threshold | None) -> None:
        self._names = contract.label.class_names
        self._threshold = threshold if threshold is not None and threshold.of in self._names else None
        self.columns: tuple[str, ...] = tuple(f"probability_{name}" for name in self._names)

    def of_record(self, record: RequestRecord) -> Sequence[float] | None:
        """What the model gave by a line of the request log; None where it was not asked."""
        return record.probabilities

    def predictions(self, given: ArrayLike) -> np.ndarray:
        """Probabilities -> class names (rows,); None where a row's are not all numbers."""
        probabilities = np.asarray(given, float).reshape(-1, len(self._names))
        whole = np.isfinite(probabilities).all(axis=1)
        names = np.array(self._names, dtype=object)[self._ids(np.where(whole[:, None], probabilities, 0))]
        names[~whole] = None
        return names

    def _ids(self, probabilities: np.ndarray) -> np.ndarray:
        """The class ids (rows,) that the model answers."""
        if self._threshold is None:
            return np.asarray(probabilities.argmax(axis=1))
        return class_ids_at(self._threshold.at, self._names.index(self._threshold.of), probabilities)

    def _confidences(self, given: np.ndarray) -> np.ndarray:
        """The probabilities (rows,) of the classes that the model answers; NaN where a row's are not all numbers."""
        known = given.reshape(-1, len(self._names))
        of_answered = known[np.arange(len(known)), self._ids(np.nan_to_num(known))]
        return np.where(np.isfinite(known).all(axis=1), of_answered, np.nan)

    def watched(self, given: np.ndarray) -> dict[str, Any]:
        """The columns of a window: `prediction` and `confidence`; None and NaN where the model was not asked."""
        return {PREDICTION: self.predictions(given), CONFIDENCE: self._confidences(given)}

    def answers(self, given: ArrayLike) -> Answers:
        """Of the rows that were answered the class names, and the probabilities of these."""
        names = pd.Series(self.predictions(given), dtype=object)
        whole = names.notna().to_numpy()
        confidences = pd.Series(self._confidences(np.asarray(given, float))[whole].round(4))
        return names[whole].reset_index(drop=True), confidences

    def kept(self, predictions: pd.Series, confidences: pd.Series | None) -> dict[str, Any]:
        """Answers as they are kept."""
        ids = {name: i for i, name in enumerate(self._names)}
        sure = {} if confidences is None else {"confidences": confidences.tolist()}
        return {"classes": list(self._names), "class_ids": [ids[name] for name in predictions], **sure}

    def from_kept(self, kept: Mapping[str, Any]) -> Answers | None:
        """What was kept; None where it is of other answers."""
        if kept.get("classes") != list(self._names):
            return None
        confidences = kept.get("confidences")
        return (
            pd.Series([self._names[i] for i in kept["class_ids"]], dtype=object),
            None if confidences is None else pd.Series(confidences, dtype=float),
        )

    def whole(self, predictions: pd.Series | None, confidences: pd.Series | None) -> bool:
        """Whether all that is watched is known."""
        return predictions is not None and confidences is not None


class WatchedSets(WatchedClasses):
    """Probabilities (rows, labels) are what a model gives; compared are the sets of labels it answers by them, by their
    names, and how likely it held exactly these.
    """

    def __init__(self, contract: Contract) -> None:
        super().__init__(contract, None)
        self._label = contract.label

    def predictions(self, given: ArrayLike) -> np.ndarray:
        """Probabilities -> names of sets (rows,); None where a row's are not all numbers."""
        probabilities = np.asarray(given, float).reshape(-1, len(self._names))
        whole = np.isfinite(probabilities).all(axis=1)
        ids = set_ids(np.where(whole[:, None], probabilities, 0))
        names = np.array([self._label.name_of(int(one)) for one in ids], dtype=object)
        names[~whole] = None
        return names

    def _confidences(self, given: np.ndarray) -> np.ndarray:
        known = given.reshape(-1, len(self._names))
        filled = np.nan_to_num(known)
        return np.where(np.isfinite(known).all(axis=1), set_confidences(set_ids(filled), filled), np.nan)

    def kept(self, predictions: pd.Series, confidences: pd.Series | None) -> dict[str, Any]:
        """Answers as they are kept."""
        ids = [int(np.dot(has, 2 ** np.arange(len(self._names)))) for has in self._has(predictions)]
        sure = {} if confidences is None else {"confidences": confidences.tolist()}
        return {"labels": list(self._names), "set_ids": ids, **sure}

    def from_kept(self, kept: Mapping[str, Any]) -> Answers | None:
        """What was kept; None where it is of other answers."""
        if kept.get("labels") != list(self._names):
            return None
        confidences = kept.get("confidences")
        names = pd.Series([self._label.name_of(one) for one in kept["set_ids"]], dtype=object)
        return names, None if confidences is None else pd.Series(confidences, dtype=float)

    def _has(self, predictions: pd.Series) -> np.ndarray:
        return np.column_stack([has_label(predictions, name) for name in self._names]).astype(int)


def has_label(names: pd.Series, label: str) -> np.ndarray:
    """Whether a label is among those of each set, by the sets' names (rows,)."""
    return np.array([label in name.split(", ") for name in names], bool)


class WatchedNumbers:
    """The number and the ends of its interval (rows, 3) are what a model gives; compared are numbers."""

    numeric = True
    columns: tuple[str, ...] = NUMBER_OUTPUTS

    def of_record(self, record: RequestRecord) -> Sequence[float] | None:
        """What the model gave by a line of the request log; None where it was not asked."""
        if isinstance(record.prediction, str) or record.lower is None or record.upper is None:
            return None
        return record.prediction, record.lower, record.upper

    def predictions(self, given: ArrayLike) -> np.ndarray:
        """The numbers (rows,); None where a row's and its interval's are not all numbers."""
        numbers = np.asarray(given, float).reshape(-1, len(NUMBER_OUTPUTS))
        found = numbers[:, 0].astype(object)
        found[~np.isfinite(numbers).all(axis=1)] = None
        return found

    def watched(self, given: np.ndarray) -> dict[str, Any]:
        """The columns of a window: `prediction`, None where the model was not asked."""
        return {PREDICTION: self.predictions(given)}

    def answers(self, given: ArrayLike) -> Answers:
        """Of the rows that were answered the numbers."""
        return pd.Series(self.predictions(given), dtype=object).dropna().reset_index(drop=True), None

    def kept(self, predictions: pd.Series, confidences: pd.Series | None) -> dict[str, Any]:
        """Answers as they are kept."""
        return {"numbers": [float(number) for number in predictions]}

    def from_kept(self, kept: Mapping[str, Any]) -> Answers | None:
        """What was kept; None where it is of other answers."""
        return (pd.Series(kept["numbers"], dtype=object), None) if "numbers" in kept else None

    def whole(self, predictions: pd.Series | None, confidences: pd.Series | None) -> bool:
        """Whether all that is watched is known."""
        return predictions is not None


def watched_answers(contract: Contract, threshold: Threshold | None = None) -> WatchedClasses | WatchedNumbers:
    """Those of a contract's models; of one with a `threshold` the classes that it answers by that."""
    if contract.label.several:
        return WatchedSets(contract)
    return WatchedClasses(contract, threshold) if contract.label.classes else WatchedNumbers()
