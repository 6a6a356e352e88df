"""The TFDV schema says what the contract says."""

from pathlib import Path

from tensorflow_metadata.proto.v0 import schema_pb2

from lakeloop.contract import Contract
from tfx_pipeline.data_checks.schema import save_schema, schema_of


def by_name(contract: Contract) -> dict[str, schema_pb2.Feature]:
    return {feature.name: feature for feature in schema_of(contract).feature}


def test_the_schema_holds_features_and_label_but_neither_key_nor_event_time(contract: Contract) -> None:
    assert list(by_name(contract)) == [*contract.features, "group"]


def test_every_column_has_exactly_one_value_in_every_row(contract: Contract, churn: Contract) -> None:
    for feature in [*by_name(contract).values(), *by_name(churn).values()]:
        assert feature.presence.min_fraction == 1.0 and feature.presence.min_count == 1
        assert feature.HasField("shape") and not feature.shape.dim


def test_types_and_domains_are_the_contracts(contract: Contract, churn: Contract) -> None:
    age, training, group = (by_name(contract)[name] for name in ("age", "training", "group"))
    assert age.type == schema_pb2.FLOAT and (age.float_domain.min, age.float_domain.max) == (0, 150)
    assert training.type == schema_pb2.INT and (training.int_domain.min, training.int_domain.max) == (0, 1)
    assert group.type == schema_pb2.INT and (group.int_domain.min, group.int_domain.max) == (0, 2)
    plan = by_name(churn)["plan"]
    assert plan.type == schema_pb2.BYTES and list(plan.string_domain.value) == ["basic", "plus", "pro, annual"]


def test_the_same_schema_is_the_same_file_and_another_one_another(
    contract: Contract, churn: Contract, tmp_path: Path
) -> None:
    path = save_schema(contract, tmp_path)
    assert save_schema(contract, tmp_path) == path
    plan = churn.features["plan"].model_copy(update={"values": ("basic", "plus", "pro, annual", "gold")})
    wider = churn.model_copy(update={"features": {**churn.features, "plan": plan}})
    paths = {path, save_schema(churn, tmp_path), save_schema(wider, tmp_path)}
    assert paths == set(tmp_path.iterdir()) and len(paths) == 3
    assert "gold" in save_schema(wider, tmp_path).read_text(encoding="utf-8")
