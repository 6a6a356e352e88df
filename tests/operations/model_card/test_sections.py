"""A model card says what the records know, under the field's headings, and says what nobody said."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakeloop.contract import CardTexts, Contract
from lakeloop.decision import Decision, ScoredCandidate
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case
from operations.model_card.document import HEADINGS, CardDocument, CardList, CardTable
from operations.model_card.facts import CardFacts, card_facts
from operations.model_card.sections import card_document
from tests.console.report.test_report import record
from tests.exports import month_export, settings_in
from tfx_pipeline.runs.run_record import Evaluation, RunRecord, SliceScore, Trained


def words(card: CardDocument, heading: str = "") -> str:
    """All that is said under a heading, or on the whole card."""
    said = []
    for section in card.sections:
        for part in section.parts if heading in ("", section.heading) else ():
            if isinstance(part, CardTable):
                said += [" | ".join(row) for row in (part.header, *part.rows)]
            else:
                said += list(part.sentences) if isinstance(part, CardList) else [part]
    return "\n".join(said)


def sliced(contract: Contract) -> RunRecord:
    whole = SliceScore(feature="", value="", rows=293, score=0.88)
    failed = {"accuracy": 0.8, "champion_accuracy": 0.9, "failed": ("bounds", "champion")}
    part = SliceScore.model_validate({"feature": "training", "value": "1", "rows": 51, **failed})
    evaluation = Evaluation(above=0.85, below=0.95, slices=(whole, part))
    return record(contract, 100, "17").model_copy(update={"evaluation": evaluation})


def test_it_has_the_fields_headings_and_the_contracts_own_words(contract: Contract) -> None:
    own = {"own_code": {"model.py": "ab" * 32}}
    card = card_document(CardFacts(contract, sliced(contract).model_copy(update=own)))
    assert "model.py (sha256 abababababab…)" in words(card, "Model details")
    assert tuple(section.heading for section in card.sections) == HEADINGS
    assert all(section.parts for section in card.sections)
    texts = contract.model_card
    for heading, text in (
        ("Intended use", texts.intended_use),
        ("Ethical considerations", texts.ethics),
        ("Caveats and recommendations", texts.limits),
    ):
        assert text is not None and text in words(card, heading)
    assert "power outside 50 to 250" in words(card, "Intended use"), "where rules answer"
    assert "emergency_braking: The car has an emergency braking assistant" in words(card, "Factors")
    assert "units 100" in words(card, "Model details") and "high, medium, low" in words(card, "Model details")


def test_groups_are_told_beside_what_their_rows_have_now_where_a_feature_says_it(contract: Contract) -> None:
    run = sliced(contract)
    assert run.evaluation is not None and "what they have now" not in words(card_document(CardFacts(contract, run)))
    whole, part = run.evaluation.slices
    told = (whole.model_copy(update={"persistence_score": 0.75}), part)
    beaten = run.model_copy(update={"evaluation": run.evaluation.model_copy(update={"slices": told})})
    said = words(card_document(CardFacts(contract, beaten)))
    assert "| with 95 % | what they have now | champion before it" in said
    assert "all rows | 293 | 0.8800 | 0.838 to 0.912 | 0.7500 | \ntraining = 1 | 51 | 0.8000 | " in said


def test_what_the_contract_does_not_say_is_said_to_be_unsaid(churn: Contract) -> None:
    card = card_document(CardFacts(churn, record(churn, 16, "5")))
    for key in ("intended_use", "not_for", "ethics", "limits"):
        assert f"`model_card.{key}`" in words(card)
    assert "No groups are looked at by themselves" in words(card, "Factors")
    assert "insurance" not in words(card).lower()


def test_it_shows_the_gate_the_groups_and_the_baselines(contract: Contract) -> None:
    found = words(card_document(CardFacts(contract, sliced(contract))), "Quantitative analyses")
    assert "accuracy_eval | 0.9000 | 0.861 to 0.929 | > 0.85 | pass" in found
    assert "training = 1 | 51 | 0.8000 | 0.671 to 0.887 | 0.9000" in found
    assert "the commonest class, always | 0.3870 | +0.5130" in found


def test_where_another_metric_decides_the_baselines_are_told_by_it_too(contract: Contract) -> None:
    run = sliced(contract)
    assert run.gate is not None
    gate = run.gate.model_copy(update={"decides": "log_loss", "decided": {"train": 0.3, "eval": 0.32}})
    by_loss = {"shares": 1.09, "trees": 0.3}
    card = card_document(CardFacts(contract, run.model_copy(update={"gate": gate, "baselines_decided": by_loss})))
    found = words(card, "Quantitative analyses")
    assert "The same by log loss, which decides (its own is 0.3200):" in found
    assert "the shares of the classes, whatever the row | 1.0900 | +0.7700" in found
    caveats = words(card, "Caveats and recommendations")
    assert "would be better by what decides: log loss 0.300" in caveats and "log loss 1.090" not in caveats


def test_the_records_own_warnings_are_caveats(contract: Contract) -> None:
    run = sliced(contract).model_copy(update={"blessed": False, "baselines": {"trees": 0.95}})
    decision = Decision(
        decision_id="d1", use_case="insurance", at=datetime(2026, 1, 1, tzinfo=UTC), clock=11, strategy="auto",
        trigger="drift", with_truth=False, outcome="promoted", reason="ann said so", decided_by="airflow",
        choice="promote", choice_details="reweight: nothing better", chosen_by="ann",
        candidates=(ScoredCandidate(name="reweight", what="weighed", run_id=run.run_id),),
    )  # fmt: skip
    found = words(card_document(CardFacts(contract, run, decision=decision)), "Caveats and recommendations")
    assert "refused it, and a person had it pushed all the same (ann: reweight: nothing better)" in found
    assert "without any truth that the champion did not know" in found
    assert "where training is 1 is 0.800 of 51 rows: out of the gate's bounds and behind the champion" in found
    assert "would be right more often: 0.950" in found
    alone = words(card_document(CardFacts(contract, record(contract, 100, "17"))), "Caveats and recommendations")
    assert "all the same" not in alone and "right more often" not in alone


def test_a_class_that_was_never_trained_on_is_a_caveat(contract: Contract) -> None:
    run = sliced(contract)
    trained = Trained(settings=contract.model, balance="none", rows=1207, class_weights=(600.0, 0.0, 607.0))
    card = card_document(CardFacts(contract, run.model_copy(update={"trained": trained})))
    middle = contract.label.class_names[1]
    assert f"No row of class {middle} was trained on" in words(card, HEADINGS[-1])
    whole = trained.model_copy(update={"class_weights": (600.0, 1.0, 606.0)})
    card = card_document(CardFacts(contract, run.model_copy(update={"trained": whole})))
    assert "No row of class" not in words(card, HEADINGS[-1])


def test_its_facts_come_from_what_lies_beside_the_run(contract: Contract, settings: Settings, tmp_path: Path) -> None:
    manifest = month_export(contract, settings, tmp_path / "export")
    run = record(contract, 100, "17")
    run = run.model_copy(update={"parameters": run.parameters.model_copy(update={"manifest": manifest})})
    facts = card_facts(UseCase(settings, contract), run)
    card = card_document(facts)
    assert "293 rows that were not trained on, held out by" in words(card, "Evaluation data")
    assert "1,207 rows of gold/training version" in words(card, "Training data")
    assert facts.decision is None and "decided | by hand" in words(card, "Model details")
    manifest.unlink()
    gone = card_document(card_facts(UseCase(settings, contract), run))
    assert "Not known: the export it was trained on: there is no manifest at" in words(gone, HEADINGS[-1])
    assert "300 rows that were not trained on" in words(gone, "Evaluation data"), "the gate's own count"


@pytest.mark.parametrize("name", ["rides", "noise"])
def test_every_use_case_gets_one(name: str, tmp_path: Path) -> None:
    use_case = open_use_case(settings_in(tmp_path, name))
    card = card_document(CardFacts(use_case.contract, record(use_case.contract, 8, "3")))
    assert all(feature in words(card, "Model details") for feature in use_case.contract.features)


def test_an_empty_text_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least 1 character"):
        CardTexts(ethics="")
