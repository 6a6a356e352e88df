"""What a comparison means, in sentences; every one is a template filled by its numbers."""

from collections.abc import Iterator

from monitoring.analysis.comparison import Comparison, TargetDrift
from monitoring.analysis.pace import SURE, Pace


def headline(found: Comparison) -> str:
    """One sentence: does the period still look like what the model was trained on?"""
    report, contract = found.report, found.contract
    name, period = contract.period_name(found.period), contract.period
    if not report.features:
        return f"{period.capitalize()} {found.period} ({name}) cannot be measured: {report.reason or report.state}."
    drifted, count = report.drifted, len(report.features)
    which = f": {_listed(drifted)}" if drifted else ""
    bound = contract.monitoring.dataset_drift_share
    so = "dataset drift" if report.dataset_drift else "no dataset drift"
    return (
        f"In {period} {found.period} ({name}) {len(drifted)} of {count} features "
        f"{'has' if len(drifted) == 1 else 'have'} drifted{which}; a share of "
        f"{report.share:.2f} where {bound:.2f} is dataset drift, so there is {so}."
    )


def sentences(found: Comparison) -> list[str]:
    """The meaning, most important first; each sentence stands alone."""
    moving = sorted((p for p in found.paces if p.speed != "still"), key=lambda p: -abs(p.a_period))
    said = [_move(found, pace) for pace in moving]
    still = [pace.feature for pace in found.paces if pace.speed == "still"]
    if still:
        said.append(f"{_listed(still)}: no move beyond what chance explains.")
    said += _target(found)
    said += list(_concept(found))
    said.append(_meaning(found, bool(moving)))
    return said


def _move(found: Comparison, pace: Pace) -> str:
    feature = found.contract.features[pace.feature]
    rises = "rises" if pace.now > pace.before else "falls"
    if pace.value:
        what = f"the share of {pace.feature} = {pace.value} {rises} from {pace.before:.0%} to {pace.now:.0%}"
    else:
        unit = f" {feature.unit}" if feature.unit else ""
        what = f"its mean {rises} from {pace.before:.1f} to {pace.now:.1f}{unit}"
    return (
        f"{pace.feature} moves {'fast' if pace.speed == 'fast' else 'slowly'}: {what}, {pace.shift:+.2f} standard "
        f"deviations of the reference, {pace.a_period:+.3f} {found.contract.a_period}. {_crossing(found, pace)}"
    )


def _crossing(found: Comparison, pace: Pace) -> str:
    threshold = found.contract.features[pace.feature].drift.threshold
    if pace.first is None:
        column = next((c for c in found.report.features if c.column == pace.feature), None)
        score = f" ({column.score:.3f} now)" if column and column.score is not None else ""
        return f"Its score has not reached the threshold of {threshold:g} yet{score}."
    good = "" if pace.lasting == pace.first else f", for good in {found.contract.period} {pace.lasting}"
    if pace.lasting is None:
        good = ", and came back below it since"
    return f"Its score reached the threshold of {threshold:g} first in {found.contract.period} {pace.first}{good}."


def _target(found: Comparison) -> list[str]:
    said = []
    if found.target is not None:
        said.append(f"The target {_moved(found, found.target)}.")
    elif found.labelled_rows == 0:
        delay, period = found.contract.truth_delay if found.period else 0, found.contract.period
        due = f" (by the contract it comes {delay} {period}s after the {period})" if delay else ""
        said.append(
            f"No truth of this {period} is in gold yet{due}: whether the target or the concept moved cannot be said."
        )
    else:
        said.append(
            f"Only {found.labelled_rows} rows of this {found.contract.period} have their truth: too few to compare "
            "the target by."
        )
    if found.predicted is not None:
        said.append(f"What the model answers {_moved(found, found.predicted)}.")
    return said


def _moved(found: Comparison, drift: TargetDrift) -> str:
    word = "has drifted" if drift.drifted else "has not drifted"
    if not found.contract.label.classes:
        unit = f" {found.contract.label.truth.unit}" if found.contract.label.truth.unit else ""
        numbers = ", ".join(f"{name} {drift.before[name]:.4g} → {drift.now[name]:.4g}" for name in drift.before)
        return (
            f"{word} ({numbers}{unit}; Wasserstein distance in standard deviations {drift.score:.3f}, threshold "
            f"{drift.threshold:g})"
        )
    shares = ", ".join(f"{name} {drift.before[name]:.0%} → {drift.now[name]:.0%}" for name in drift.before)
    return f"{word} ({shares}; Jensen–Shannon distance {drift.score:.3f}, threshold {drift.threshold:g})"


def _concept(found: Comparison) -> Iterator[str]:
    """Where what a feature, or a group of them, says about the target has changed."""
    target = found.contract.label.truth_column
    for name, (before, error_before) in found.weights_before.items():
        now, error_now = found.weights_after.get(name, (before, error_before))
        if _beyond_chance(before, error_before, now, error_now):
            yield (
                f"The weight of the {name} {'falls' if now < before else 'rises'}: of what the features explain of "
                f"{target}, its own make up {now:.0%} now, {before:.0%} in the reference."
            )
    for before_one, now_one in zip(found.before, found.after, strict=False):
        if before_one.correlation is None or now_one.correlation is None:
            continue
        explains = _beyond_chance(before_one.explained, before_one.error, now_one.explained, now_one.error)
        correlates = _beyond_chance(
            before_one.correlation, before_one.correlation_error, now_one.correlation, now_one.correlation_error
        )
        if explains or correlates:
            yield (
                f"{before_one.feature} explains {now_one.explained:.0%} of the variance of {target} after "
                f"{before_one.explained:.0%}; its correlation went from {before_one.correlation:+.2f} to "
                f"{now_one.correlation:+.2f}."
            )


def concept_moved(found: Comparison) -> bool:
    """Whether a feature or a group of features says something else about the target than it did."""
    return any(True for _ in _concept(found))


def _beyond_chance(before: float, error_before: float, now: float, error_now: float) -> bool:
    return abs(now - before) > SURE * (error_before**2 + error_now**2) ** 0.5


def _meaning(found: Comparison, inputs_move: bool) -> str:
    concept = bool(found.after) and concept_moved(found)
    if concept and inputs_move:
        return (
            "So two things move: the inputs, and what they mean. Weighting old rows towards today's inputs helps with "
            "the first alone; only rows with new truth teach the second, and an estimate without truth cannot see it."
        )
    if concept:
        return "So the inputs are the same and mean something else: only rows with new truth can teach a model that."
    if inputs_move and found.after:
        return (
            "So the inputs move and mean what they meant: rows from today's inputs, or old rows weighted towards them, "
            "are what a new model needs."
        )
    if inputs_move:
        return "So the inputs move; whether they still mean the same cannot be known before truth arrives."
    if not found.report.features:
        return "So nothing moved, as far as so few rows can tell."
    return f"So the {found.contract.period} looks like the reference: nothing calls for a new model."


def _listed(names: "tuple[str, ...] | list[str]") -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
