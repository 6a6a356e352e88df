"""The catalogue of features: from an empty home on, from real tables, and from a real ML Metadata store."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from lakehouse.requests.stream import open_stream
from lakeloop.clock import set_clock
from lakeloop.exceptions import WrongUseError
from lakeloop.settings import load_settings
from lakeloop.use_case import UseCase, open_use_case
from operations.features.catalogue import describe_column, describe_features
from tests.lakehouse.request_log import log_file, record
from tests.lakes import HEADER, OwnLake, policy
from tfx_pipeline.metadata.store import connection_config


def test_before_anything_was_delivered_the_contract_speaks_and_the_rest_is_said_to_be_unknown(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, use_case="insurance")
    contract = open_use_case(settings).contract
    found = describe_features(UseCase(settings, contract))
    assert [one.name for one in found] == list(contract.features)
    age = found[1]
    assert (age.type, age.unit, age.allowed, age.meaning) == ("float", "years", "0 to 150", "Age of the driver")
    assert (age.rows, age.share_missing, age.first, age.models, age.serves) == (0, None, None, (), "")
    assert age.freshness is not None and age.freshness.periods_behind is None
    assert "no model was trained yet" in age.gaps[0] and "no policies-YYYY-MM.csv was taken in" in age.gaps[1]


def test_a_feature_knows_its_files_rows_and_rejects(small: OwnLake) -> None:
    rows = policy("2023-03", 0) + policy("2023-03", 1, {"age": ""}) + policy("2023-03", 2, {"age": "151"})
    small.deliver("policies", "policies-2023-03.csv", HEADER + rows)
    small.ingest()
    set_clock(small, 5)
    age, power = (describe_column(small, name) for name in ("age", "power"))
    (origin,) = age.origins
    assert (origin.table, origin.column, origin.rows) == ("silver/policies", "age", 41)
    assert (origin.missing, origin.refused, origin.rejected) == (1, 1, 2)
    assert age.share_missing == pytest.approx(1 / 43) and power.share_missing == 0
    assert age.first is not None and age.last is not None
    assert (age.first.period, age.first.file) == ("2023-01", "policies-2023-01.csv")
    assert (age.last.period, age.last.file) == ("2023-03", "policies-2023-03.csv") and age.last.at > age.first.at
    fresh = age.freshness
    assert fresh is not None and (fresh.due_period, fresh.newest_period, fresh.periods_behind) == (
        "2023-06",
        "2023-03",
        3,
    )
    assert fresh.seconds is not None and 0 <= fresh.seconds < 600


def test_key_label_and_truth_are_told_if_asked_by_name_and_the_truth_is_due_late(small: OwnLake) -> None:
    set_clock(small, 26)
    kinds = {"policy_id": "key", "month": "event time", "risk": "truth", "group": "label"}
    found = {name: describe_column(small, name) for name in kinds}
    assert {name: one.kind for name, one in found.items()} == kinds
    label, key = found["group"], found["policy_id"]
    assert (label.type, label.allowed, label.derived_from) == (
        "int", "one of 0 high, 1 medium, 2 low", "silver/claims.risk",
    )  # fmt: skip
    assert (
        label.freshness is not None and label.freshness.due_period == "2023-03" and label.freshness.periods_behind == 2
    )
    assert [origin.table for origin in key.origins] == ["silver/policies", "silver/claims"]


def test_an_unknown_name_is_refused_with_the_nearest_ones(small: OwnLake) -> None:
    with pytest.raises(WrongUseError, match=r"no feature `mile`; did you mean miles\? known: training, age,"):
        describe_column(small, "mile")


def test_requests_make_features_fresh_too(small: OwnLake) -> None:
    lines = [
        record("r1", key="k1", at="2023-02-05T10:00:00+00:00", answered_at="2026-01-03T10:00:00+00:00"),
        record("r2", at="2023-05-05T10:00:00+00:00", answered_at="2026-01-02T10:00:00+00:00"),
    ]
    log_file(small, "a", lines)
    with open_stream(small, lambda line: None) as take:
        take()
    set_clock(small, 4)
    age = describe_column(small, "age")
    assert [origin.table for origin in age.origins] == ["silver/policies", "silver/predictions"]
    asked = age.origins[1]
    assert asked.rows == 2 and asked.first is not None and asked.first.period == "2023-02"
    assert asked.newest_at is not None and f"{asked.newest_at:%Y-%m-%d}" == "2026-01-03"
    assert age.last is not None and (age.last.period, age.last.file) == ("2023-05", "a.jsonl")
    assert age.freshness is not None and age.freshness.periods_behind == 0


def test_models_are_named_by_the_columns_of_their_export_and_what_they_dropped(small: OwnLake) -> None:
    export = small.settings.home / "export-of-the-run"
    manifest = {
        "use_case": "insurance", "table": "gold/training", "version": 1, "query": "", "label": "group", "rows": 30,
        "columns": ["policy_id", "month", "training", "age", "group"], "schema_sha256": "", "split": "", "files": [],
        "created_at": "",
    }  # fmt: skip
    export.mkdir()
    (export / "manifest.json").write_text(json.dumps(manifest))
    store = metadata_store.MetadataStore(connection_config(small.settings))
    _model(store, "5", str(export), "a" * 64, dropped=["age"])
    _model(store, "", str(export), "a" * 64, dropped=[])
    _model(store, "7", "/nowhere", "b" * 64, dropped=[])
    age, power = (describe_column(small, name) for name in ("age", "power"))
    assert [(model.version, model.dropped) for model in age.models] == [("5", True), ("", False)]
    assert [model.version for model in age.used_by] == [""] and age.serves == "" and power.models == ()
    assert "what 1 of 3 models were trained on is not known" in age.gaps[0]
    assert describe_column(small, "policy_id").models == ()
    assert len(describe_column(small, "risk").models) == 2, "it is looked at as the label"


def test_the_catalogue_needs_neither_spark_nor_tensorflow(small: OwnLake) -> None:
    code = (
        "import sys; from lakeloop.settings import load_settings; from lakeloop.use_case import open_use_case; "
        "from operations.features.catalogue import describe_features; "
        "assert describe_features(open_use_case(load_settings()))[0].rows == 40; "
        "print(sorted({'pyspark', 'tensorflow', 'tfx', 'apache_beam'} & set(sys.modules)))"
    )
    environment = {"LAKELOOP_HOME": str(small.settings.home), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.stdout == "[]\n", done.stderr


def _model(store: metadata_store.MetadataStore, version: str, export: str, sha256: str, dropped: list[str]) -> None:
    """What a run of the pipeline leaves of a model: export, model, its Trainer and, if it was pushed, the push."""

    def type_id(name: str) -> int:
        return int(store.put_artifact_type(pb.ArtifactType(name=name)))

    def artifact(name: str, uri: str, **texts: str) -> pb.Artifact:
        made = pb.Artifact(type_id=type_id(name), uri=uri, state=pb.Artifact.LIVE)
        for key, text in texts.items():
            made.custom_properties[key].string_value = text
        return made

    pipeline = store.put_context_type(pb.ContextType(name="pipeline"))
    known = store.get_context_by_type_and_name("pipeline", "insurance")
    context = known or pb.Context(type_id=pipeline, name="insurance")
    trainer = pb.Execution(type_id=store.put_execution_type(pb.ExecutionType(name="Trainer")))
    trainer.custom_properties["drop"].string_value = json.dumps(dropped)
    event = pb.Event(type=pb.Event.OUTPUT)
    exported = artifact("GoldExport", export, manifest_sha256=sha256)
    model = artifact("Model", "/model", manifest_sha256=sha256, delta_version="1")
    _, ids, _ = store.put_execution(trainer, [(exported, pb.Event(type=pb.Event.INPUT)), (model, event)], [context])
    if version:
        push = artifact("PushedModel", "/push", pushed_version=version)
        push.custom_properties["model_id"].int_value = ids[1]
        pusher = pb.Execution(type_id=store.put_execution_type(pb.ExecutionType(name="Pusher")))
        context = store.get_context_by_type_and_name("pipeline", "insurance")
        store.put_execution(pusher, [(push, event)], [context])
