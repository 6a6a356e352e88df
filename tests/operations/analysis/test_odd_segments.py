"""`lakeloop analyse --segments` asks the pushed model and the rules, and offers a switch where that would help."""

import json
import re
import shlex
from pathlib import Path

import pytest
import tensorflow as tf

from console.report.segments_page import search_words, segments_json, write_segments
from lakeloop.contract import Contract
from lakeloop.settings import Settings
from lakeloop.switches import add_switch
from lakeloop.use_case import UseCase
from monitoring.analysis.segments import OddSegment
from operations.analysis.odd_segments import SegmentSearch, fallback_line, search_segments
from tests.command_line import Run
from tests.monitoring.conftest import push_card
from tfx_pipeline.training.raw_features import DTYPES


class RulesButForTheTrained(tf.Module):
    """The first use case's rules as a model, but whoever did a training is of the wrong group."""

    @tf.function(autograph=False)
    def serve(self, **x: tf.Tensor) -> dict[str, tf.Tensor]:
        high, medium, low = (tf.fill(tf.shape(x["age"]), class_id) for class_id in range(3))
        by_miles = tf.where(x["miles"] > 90, high, tf.where(x["miles"] > 58, medium, low))
        older = tf.where(x["age"] > 50, high, tf.where(x["emergency_braking"] == 1, low, by_miles))
        rules = tf.where(x["age"] < 30, tf.where(x["power"] > 130, high, medium), older)
        return {"probabilities": tf.one_hot(tf.where(x["training"] == 1, high, rules), 3)}

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": tf.zeros([tf.shape(examples)[0], 3])}


@pytest.fixture
def home(contract: Contract, settings: Settings) -> UseCase:
    """Version 7 was trained on month 0, and is such a model."""
    push_card(contract, settings)
    use_case, module = UseCase(settings, contract), RulesButForTheTrained()
    specs = {
        name: tf.TensorSpec([None], DTYPES[feature.carried_as], name=name)
        for name, feature in contract.features.items()
    }
    signatures = {"serving_default": module.serve.get_concrete_function(**specs), "serve_examples": module.examples}
    tf.saved_model.save(module, str(use_case.folder("models") / "7"), signatures=signatures)
    return use_case


@pytest.fixture
def found(home: UseCase) -> SegmentSearch:
    return search_segments(home, 1, "7", oracle=True)


def test_where_rules_are_better_a_switch_is_offered_that_can_be_made(home: UseCase, found: SegmentSearch) -> None:
    assert (found.rows, found.reference_rows, found.labelled_rows) == (1_500, 1_500, 1_500)
    assert found.rules_accuracy is not None and found.rules_accuracy > found.accuracy
    assert [one.segment for one in found.segments.of("rules")] == ["training == 1"], "elsewhere both say the same"
    command = shlex.split(fallback_line(found.contract, found.segments.of("rules")[0]))
    assert command[:4] == ["lakeloop", "fallback", "add", "training == 1"] and command[4] == "--why"
    assert add_switch(home, command[3], "me", command[5]).segment == "training == 1"


def test_where_rules_are_no_better_none_is_offered(contract: Contract, found: SegmentSearch) -> None:
    weak = found.segments.of("rules")[0]
    assert fallback_line(contract, weak.model_copy(update={"rules_accuracy": weak.accuracy})) == ""
    drifted = OddSegment(
        question="drifted", segment="age < 25", rows=300, share=0.2, share_before=0.1, p_value=0.001, weight=150
    )
    assert "'20.0% of the rows, 10.0% when it was trained'" in fallback_line(contract, drifted)
    assert fallback_line(contract, drifted.model_copy(update={"share_before": 0.3})) == "", "fewer come than before"
    known = {"accuracy": 0.8, "rules_accuracy": 0.6}
    assert fallback_line(contract, drifted.model_copy(update=known)) == ""
    assert fallback_line(contract.model_copy(update={"fallback": None}), weak) == ""


def test_it_is_said_how_many_of_the_rows_the_model_was_made_from(home: UseCase, found: SegmentSearch) -> None:
    assert found.seen == "", "month 1 is another one"
    own = search_segments(home, 0, "7", oracle=True)
    assert "was made from 1,500 of these 1,500 rows" in own.seen and own.seen in " ".join(search_words(own))


def test_without_the_periods_truth_the_held_out_rows_are_asked(home: UseCase) -> None:
    from deltalake import write_deltalake

    from lakeloop.drawn_rows import sample_period

    asked = sample_period(home, 1)[[home.contract.event_time.column, *home.contract.features]]
    write_deltalake(home.table("silver/predictions"), asked)
    found = search_segments(home, 1, "7")
    assert found.labelled_rows == 293 and "held out when it was trained" in found.labelled_from


def test_page_json_and_text_tell_the_same(home: UseCase, found: SegmentSearch, lakeloop: Run) -> None:
    page = write_segments(home, found, oracle=True)
    text = page.read_text(encoding="utf-8")
    assert page.name == "segments-001-7-oracle.html"
    assert not re.findall(r"""(?:src|href)=["'](?!data:)[^"']+""", text) and "training == 1" in text
    plain = json.loads(json.dumps(segments_json(found)))
    assert plain["segments"][0]["question"] in ("weak", "rules", "drifted") and plain["looked_at"] > 100
    told = lakeloop("analyse", "--period", "1", "--model", "7", "--oracle", "--segments", "--json")
    assert told.returncode == 0 and json.loads(told.stdout) == plain, told.stderr
    words = lakeloop("analyse", "--period", "1", "--model", "7", "--oracle", "--segments").stdout
    assert "The rules are right more often than the model:" in words
    assert "lakeloop fallback add 'training == 1' --why " in words and Path(page).name in words
    alone = lakeloop("analyse", "--period", "1", "--json")
    assert alone.returncode == 2 and "--json goes with --segments" in alone.stderr
