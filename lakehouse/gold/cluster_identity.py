"""Which cluster is which: ids that stay with a cluster when it is made anew, and names that say what is special."""

from collections.abc import Mapping, Sequence
from itertools import count

import numpy as np
from scipy.optimize import linear_sum_assignment

HIGH, VERY_HIGH = 0.5, 1.5
"""Standard deviations from the mean of all things from which a centre is called high, and very high."""
IN_A_NAME, MOST_IN_A_NAME = 2, 4
"""Columns that a name says, and as many as it may say where two clusters would have the same one."""


def stable_ids(
    things: Sequence[str],
    labels: np.ndarray,
    number: int,
    former: Mapping[str, int],
    distances: np.ndarray | None = None,
    former_ids: Sequence[int] = (),
) -> list[int]:
    """The ids of the labels 0 to `number`: of the former cluster that it goes on with, else the smallest free one.

    Clusters are matched one to one so that as many things as possible stay in theirs; `former`: their ids by thing.
    The fewer of the things were there before, the more it counts how near the centres are: `distances` (labels,
    former_ids), None where they cannot be compared. The first ones ever are numbered by size, the largest 0.
    """
    sizes = np.bincount(labels, minlength=number)
    by_size = sorted(range(number), key=lambda label: (-sizes[label], label))
    olds = sorted({*former.values(), *former_ids})
    if not olds:
        return [by_size.index(label) for label in range(number)]
    stay = np.zeros((number, len(olds)))
    for thing, label in zip(things, labels, strict=True):
        if thing in former:
            stay[label, olds.index(former[thing])] += 1
    cost = -stay / len(things)
    if distances is not None and distances.size and distances.max() > 0:
        ordered = distances[:, [list(former_ids).index(old) for old in olds]]
        cost = cost + (1 - stay.sum() / len(things) + 1e-6) * ordered / distances.max()
    ids = {int(label): olds[place] for label, place in zip(*linear_sum_assignment(cost), strict=True)}
    free = (new for new in count() if new not in olds)
    for label in by_size:
        if label not in ids:
            ids[label] = next(free)
    return [ids[label] for label in range(number)]


def cluster_names(centres: np.ndarray, columns: Sequence[str]) -> list[str]:
    """What is special of each centre (clusters, columns), in standard deviations from the mean of all things.

    >>> cluster_names(np.array([[1.8, -0.7], [0.1, 0.2]]), ["rate", "income"])
    ['very high rate, low income', 'average']
    """
    names = [_name(centre, columns, IN_A_NAME) for centre in centres]
    for more in range(IN_A_NAME + 1, MOST_IN_A_NAME + 1):
        twice = [place for place, name in enumerate(names) if names.count(name) > 1]
        for place in twice:
            names[place] = _name(centres[place], columns, more)
    return names


def _name(centre: np.ndarray, columns: Sequence[str], most: int) -> str:
    furthest = sorted(range(len(columns)), key=lambda place: -abs(centre[place]))[:most]
    words = [f"{_how(centre[place])} {columns[place].replace('_', ' ')}" for place in furthest
             if abs(centre[place]) >= HIGH]  # fmt: skip
    return ", ".join(words) or "average"


def _how(deviation: float) -> str:
    return ("very " if abs(deviation) >= VERY_HIGH else "") + ("high" if deviation > 0 else "low")
