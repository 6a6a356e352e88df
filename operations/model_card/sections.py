"""What a model card says: from what is known of a run, and from the contract's texts; nothing else is made up."""

from collections.abc import Callable, Iterator, Mapping

from lakeloop.contract import Contract
from lakeloop.contract.metrics import MEAN_COST
from lakeloop.interval import wilson_interval
from operations.baselines import MEANINGS
from operations.model_card.document import HEADINGS, CardDocument, CardList, CardPart, CardSection, CardTable
from operations.model_card.facts import CardFacts
from operations.split_check import split_words
from tfx_pipeline.data_checks.statistics import FeatureStatistics
from tfx_pipeline.evaluation.gate import GateReport
from tfx_pipeline.runs.run_record import Evaluation, RunRecord

GONE = "Nothing of it can be read any more."
UNSAID = "The contract says nothing of it (`model_card.{}`): whoever answers for the use case should."


def card_document(facts: CardFacts) -> CardDocument:
    """The card of the version that a run pushed."""
    contract, run = facts.contract, facts.run
    written = (
        _details(facts), _intended_use(contract), _factors(contract), _metrics(facts), _evaluation_data(facts),
        _training_data(facts), _analyses(run), _ethics(facts), _caveats(facts),
    )  # fmt: skip
    sections = (CardSection(name, tuple(parts) or (GONE,)) for name, parts in zip(HEADINGS, written, strict=True))
    return CardDocument(f"{contract.title}: model version {run.pushed_version}", contract.description, tuple(sections))


def _details(facts: CardFacts) -> Iterator[CardPart]:
    contract, run = facts.contract, facts.run
    settings = run.trained.settings if run.trained is not None else run.parameters.model
    said = {
        "use case": contract.use_case,
        "version": run.pushed_version,
        "trained": f"{run.started[:16].replace('T', ' ')} UTC, run {run.run_id}",
        "because of": run.parameters.trigger,
        "decided": _who_decided(facts),
        "hyper-parameters": _named(settings.model_dump()) + _tuned(run),
        "balance of classes": run.trained.balance if run.trained is not None and contract.label.classes else "",
        "rows weighted by": "" if run.parameters.weighting == "none" else run.parameters.weighting,
        "features without effect": ", ".join(run.parameters.drop),
        "answers": f"{contract.label.name}: {', '.join(contract.label.class_names) or 'a number, and an interval'}",
        "threshold": _threshold(run),
        "code": run.parameters.git_commit,
        "code of the use case": ", ".join(f"{name} (sha256 {sha256[:12]}…)" for name, sha256 in run.own_code.items()),
        "contact": contract.model_card.contact or "",
    }
    yield CardTable(("", ""), tuple((name, text) for name, text in said.items() if text))
    yield "It takes, as delivered:"
    yield CardTable(
        ("feature", "what it is", "type", "possible"),
        tuple(
            (name, f"{feature.description}{f' ({feature.unit})' if feature.unit else ''}", feature.type,
             feature.allowed + (", or missing" if feature.optional else ""))
            for name, feature in contract.features.items()
        ),
    )  # fmt: skip


def _threshold(run: RunRecord) -> str:
    found = None if run.trained is None else run.trained.threshold
    if found is None:
        return ""
    return (
        f"{found.text}: {found.aim} on {found.rows:,} of the held-out rows, where it gave {found.reached}; what the "
        "gate measures of the classes answered on eval is of the others"
    )


def _who_decided(facts: CardFacts) -> str:
    decision = facts.decision
    if decision is None:
        return "by hand"
    chosen = f"; {decision.chosen_by} chose {decision.choice_details or decision.choice}" if decision.choice else ""
    return f"decision {decision.decision_id} by {decision.decided_by}{chosen}: {decision.reason}"


def _tuned(run: RunRecord) -> str:
    return f" (chosen by the tuner: {', '.join(run.tuned)})" if run.tuned else ""


def _intended_use(contract: Contract) -> Iterator[CardPart]:
    texts, fallback = contract.model_card, contract.fallback
    yield contract.description
    yield texts.intended_use or UNSAID.format("intended_use")
    yield f"Not for: {texts.not_for}" if texts.not_for else UNSAID.format("not_for")
    if fallback is not None:
        outside = [f"{name} outside {one.at_least:g} to {one.below:g}" for name, one in fallback.ranges.items()]
        unsure = [f"no class reaches {fallback.confidence_below:g}"] if fallback.confidence_below else []
        if when := [*outside, *unsure, *fallback.segments]:
            yield "In production rules answer in its place where:"
            yield CardList(tuple(when))


def _factors(contract: Contract) -> Iterator[CardPart]:
    looked_at = dict.fromkeys([*contract.slices, *contract.gate.sliced_by])
    if not looked_at:
        yield "No groups are looked at by themselves: the contract names no `slices`, and no check of its gate has any."
        return
    yield "Looked at by themselves are the rows of each value of:"
    yield CardList(tuple(f"{name}: {contract.features[name].description}" for name in looked_at))
    yield "Each by itself, not crossed with one another."


def _metrics(facts: CardFacts) -> Iterator[CardPart]:
    gate = facts.contract.gate
    yield (
        f"Models are compared by {gate.decides.replace('_', ' ')}; the gate checks the metrics listed under "
        f"{HEADINGS[6]}, each named by what it measures and on which rows. Intervals are such that 95 of 100 hold "
        "the true value."
    )
    if gate.beats_naive:
        naive = "what the shares of the classes are in the training rows"
        if gate.decides == MEAN_COST:
            naive = "the same class, the one that costs least by the training rows"
        if facts.contract.label.several:
            naive = "the same set of labels, the best that the training rows give"
        elif not facts.contract.label.classes:
            naive = "the same number, the best that the training rows give"
        yield (
            f"Every model has to be better, beyond chance, than an answer that is for each row {naive} "
            "(better_than_naive)."
        )


def _evaluation_data(facts: CardFacts) -> Iterator[CardPart]:
    manifest, run = facts.manifest, facts.run
    if manifest is not None:
        yield f"{manifest.rows_of('eval'):,} rows that were not trained on, held out by {manifest.split}."
    elif run.gate is not None:
        yield f"{run.gate.rows.get('eval', 0):,} rows that were not trained on."
    if run.split_check is not None and (found := split_words(facts.contract, run.split_check)):
        yield CardList(tuple(found))
    yield from _statistics(facts.contract, facts.statistics.get("eval", {}))


def _training_data(facts: CardFacts) -> Iterator[CardPart]:
    manifest, run, contract = facts.manifest, facts.run, facts.contract
    if manifest is not None:
        periods = "" if manifest.periods is None else f", {_periods(contract, manifest.periods)}"
        yield (
            f"{manifest.rows_of('train'):,} rows of {manifest.table} version {manifest.version}{periods}, exported "
            f"{manifest.created_at[:16].replace('T', ' ')}; sha256 of the manifest {run.manifest_sha256}."
        )
    if run.trained is not None and run.trained.class_weights:
        counts = zip(contract.label.class_names, run.trained.class_weights, strict=False)
        each = "label" if contract.label.several else "class"
        yield f"Each {each} counts in training as so many rows: {', '.join(f'{n} {w:,.0f}' for n, w in counts)}."
    yield from _statistics(contract, facts.statistics.get("train", {}))
    if facts.differences:
        yield "They differ from the rows of the champion before it:"
        yield CardList(tuple(f"{one.feature}: {one.what}" for one in facts.differences))


def _periods(contract: Contract, periods: tuple[int, int]) -> str:
    first, last = (contract.period_name(number) for number in periods)
    return f"{contract.period} {first}" if first == last else f"{contract.period}s {first} to {last}"


def _statistics(contract: Contract, found: Mapping[str, FeatureStatistics]) -> Iterator[CardPart]:
    counted = {name: found[name] for name in contract.features if name in found}
    if counted:
        numbers = ("rows", "missing", "mean", "std", "min", "median", "max")
        categories = ("commonest",) if any(one.top for one in counted.values()) else ()
        header = ("feature", *numbers, *categories)
        rows = (
            (name, f"{one.rows:,}", f"{one.missing:,}", *one.shown(contract.features[name]),
             ", ".join(f"{value} ({count:,.0f})" for value, count in one.top[:3]))[: len(header)]
            for name, one in counted.items()
        )  # fmt: skip
        yield CardTable(header, tuple(rows), numbers)


def _analyses(run: RunRecord) -> Iterator[CardPart]:
    if run.gate is not None:
        yield "What the quality gate asked of it:"
        yield CardTable(
            ("check", "value", "with 95 %", "wanted", "verdict"),
            tuple(
                (check.name + (f"; {check.note}" if check.note else ""), f"{check.value:.4f}",
                 _ends(check.interval), check.bound, "pass" if check.passed else "FAIL")
                for check in run.gate.checks
            ),
            ("value", "with 95 %"),
        )  # fmt: skip
    if run.evaluation is not None:
        yield f"{run.evaluation.shown.capitalize()} on the eval rows, by group:"
        yield _by_group(run.evaluation)
    if run.baselines and run.gate is not None:
        own, of = run.gate.by_set["eval"], run.gate.shown
        yield f"Beside what a model has to beat, on the same eval rows (its own {of} is {own:.4f}):"
        yield _beside(of, run.baselines, run.gate.better_than)
    if run.baselines_decided and run.gate is not None and run.gate.decided:
        decides = run.gate.decides.replace("_", " ")
        yield f"The same by {decides}, which decides (its own is {run.gate.decided['eval']:.4f}):"
        yield _beside(decides, run.baselines_decided, run.gate.decided_better_than)
    yield from _looks_at(run)
    yield from _contributes(run)


def _by_group(evaluation: Evaluation) -> CardTable:
    """The slices; beside them what the rows have now, where a feature says it, and the champion."""
    of, beaten = evaluation.shown, any(one.persistence_score is not None for one in evaluation.slices)
    header = ("group", "rows", of, "with 95 %", *(["what they have now"] if beaten else []), "champion before it")
    rows = (
        (f"{one.feature} = {one.value}" if one.feature else "all rows", f"{one.rows:,}", f"{one.score:.4f}",
         _ends(wilson_interval(one.score, one.rows) if one.rows and of == "accuracy" else None),
         *([_score(one.persistence_score)] if beaten else []), _score(one.champion_score))
        for one in evaluation.slices
    )  # fmt: skip
    return CardTable(header, tuple(rows), header[1:])


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _beside(of: str, found: Mapping[str, float], better_than: Callable[[float], float]) -> CardTable:
    """What a model has to beat, by one metric."""
    rows = (
        (f"{name}: {MEANINGS.get(name, name)}", f"{score:.4f}", f"{better_than(score):+.4f}")
        for name, score in found.items()
    )
    return CardTable(("what answers", of, "the model is better by"), tuple(rows), (of, "the model is better by"))


def _looks_at(run: RunRecord) -> Iterator[CardPart]:
    found = run.importance
    if found is None:
        return
    yield (
        f"What it looks at: how much worse {found.metric.replace('_', ' ')} is when a feature's values are shuffled, "
        f"on {found.rows:,} of the {found.of_rows:,} eval rows, over {found.repeats} shuffles (permutation importance):"
    )
    rows = ((one.feature, f"{one.mean:+.4f}", f"{one.spread:.4f}") for one in found.features)
    yield CardTable(("feature", "worse by", "spread"), tuple(rows), ("worse by", "spread"))


def _contributes(run: RunRecord) -> Iterator[CardPart]:
    found = run.contributions
    if found is None:
        return
    yield (
        f"What moves its answers: how far a feature's value moves {found.what} away from its mean, on average over "
        f"{found.rows:,} eval rows (Shapley values, against {found.background_rows:,} training rows):"
    )
    rows = ((one.feature, *(f"{size:.4f}" for size in one.by_output)) for one in found.features)
    yield CardTable(("feature", *found.outputs), tuple(rows), found.outputs)


def _ends(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _ethics(facts: CardFacts) -> Iterator[CardPart]:
    yield facts.contract.model_card.ethics or UNSAID.format("ethics")
    gaps = [check.title for check in facts.contract.gate.checks if check.gap_below is not None]
    if gaps:
        yield "The gate bounds how far groups are apart:"
        yield CardList(tuple(gaps))
    else:
        yield "No check of the gate bounds how far groups are apart (`gap_below`)."


def _caveats(facts: CardFacts) -> Iterator[CardPart]:
    contract = facts.contract
    yield contract.model_card.limits or UNSAID.format("limits")
    found = list(_found(facts))
    if found:
        yield CardList(tuple(found))
    if delay := contract.truth_delay:
        periods = f"{delay} {contract.period}{'' if delay == 1 else 's'}"
        yield (
            f"The truth of {contract.a_period} takes {periods} to arrive: until then "
            "how good it is in production is estimated, and drift is what there is to see."
        )


def _found(facts: CardFacts) -> Iterator[str]:
    """What the records themselves warn of."""
    run, decision = facts.run, facts.decision
    if run.blessed is False:
        why = f" ({decision.chosen_by}: {decision.choice_details})" if decision is not None and decision.choice else ""
        yield f"The quality gate refused it, and a person had it pushed all the same{why}."
    if decision is not None and not decision.with_truth:
        yield "It was compared with the champion without any truth that the champion did not know."
    for name in run.trained.unseen(facts.contract.label.class_names) if run.trained is not None else ():
        of = "with label" if facts.contract.label.several else "of class"
        yield f"No row {of} {name} was trained on: it was never shown one, and cannot know any."
    for one in run.evaluation.slices if run.evaluation is not None else ():
        if one.failed:
            where = f"where {one.feature} is {one.value}" if one.feature else "on all rows"
            of = run.evaluation.shown if run.evaluation is not None else ""
            yield f"Its {of} {where} is {one.score:.3f} of {one.rows:,} rows: {_out_of(one.failed)}."
    for name, value in run.baselines.items():
        if run.gate is not None and run.gate.better_than(value) < 0:
            yield _beaten(MEANINGS.get(name, name).capitalize(), run.gate, value)
    for name, value in run.baselines_decided.items():
        if run.gate is not None and run.gate.decided and run.gate.decided_better_than(value) < 0:
            decides = run.gate.decides.replace("_", " ")
            what = MEANINGS.get(name, name).capitalize()
            yield f"{what} would be better by what decides: {decides} {value:.3f} on the eval rows."
    yield from (f"Not known: {gap}." for gap in facts.gaps)


def _beaten(what: str, gate: GateReport, value: float) -> str:
    if gate.metric == "accuracy":
        return f"{what} would be right more often: {value:.3f} of the eval rows."
    return f"{what} would be better: {gate.shown} {value:.3f} on the eval rows."


def _out_of(failed: tuple[str, ...]) -> str:
    words = {"bounds": "out of the gate's bounds", "champion": "behind the champion before it"}
    return " and ".join(words[one] for one in failed)


def _named(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
