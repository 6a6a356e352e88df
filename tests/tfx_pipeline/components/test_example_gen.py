"""An export's CSV as tf.Examples: every column has the contract's type, whatever its values look like."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from lakeloop.contract import Contract
from lakeloop.exceptions import LakeloopError
from lakeloop.exported import column_types, read_shards
from tfx_pipeline.components.example_gen import write_examples

TYPES = {"id": "string", "region": "string", "n": "int", "x": "float"}


def written(folder: Path, text: str, types: Mapping[str, str] = TYPES) -> list[dict[str, list[object]]]:
    """What stands in the examples of a CSV text, a dict a row, in the order of the examples."""
    shard, target = folder / "0.csv", folder / "examples.gz"
    shard.write_text(text, encoding="utf-8")
    write_examples(shard, target, types)
    records = tf.data.TFRecordDataset([str(target)], compression_type="GZIP").as_numpy_iterator()
    return [values_of(tf.train.Example.FromString(record)) for record in records]


def values_of(example: tf.train.Example) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        values = list(getattr(feature, kind).value) if kind else []
        found[name] = [value.decode() if isinstance(value, bytes) else value for value in values]
    return found


TEXTS = [
    "000123",
    "2023_00",
    "01",
    "1e5",
    "NA",
    "null",
    "true",
    "2024-01-01",
    " 7 ",
    'ä,"b"',
    "two\nlines",
    "0x1F",
    "٣",
]


def test_texts_that_look_like_something_else_stay_the_texts_they_are(tmp_path: Path) -> None:
    rows = "".join('"{0}","{0}",1,2\n'.format(text.replace('"', '""')) for text in TEXTS)
    found = written(tmp_path, "id,region,n,x\n" + rows)
    assert sorted(map(str, (row["id"][0] for row in found))) == sorted(TEXTS)
    assert all(row["id"] == row["region"] for row in found)


def test_numbers_have_the_contract_s_type_even_if_all_of_them_look_whole(tmp_path: Path) -> None:
    (row,) = written(tmp_path, "id,region,n,x\nk,01,9223372036854775807,3\n")
    assert row == {"id": ["k"], "region": ["01"], "n": [9223372036854775807], "x": [3.0]}
    assert isinstance(row["x"][0], float)


def test_an_empty_field_is_no_value_and_what_the_contract_does_not_name_is_left_out(tmp_path: Path) -> None:
    found = written(tmp_path, 'id,other,region,x\na,z,,1\nb,z,"",\n')
    by_key = {row["id"][0]: row for row in found}
    assert by_key["a"] == {"id": ["a"], "region": [], "x": [1.0]}
    assert by_key["b"] == {"id": ["b"], "region": [""], "x": []}


def test_a_value_that_is_not_of_its_type_is_named_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(LakeloopError, match=r"0\.csv .*'many'.*export again"):
        written(tmp_path, "id,region,n,x\na,01,1,1\nb,01,many,1\n")


def test_rows_leave_the_order_of_their_keys_the_same_way_each_time(tmp_path: Path) -> None:
    text = "id,region,n,x\n" + "".join(f"{i:04d},01,{i},1\n" for i in range(200))
    once, again = (written(tmp_path, text) for _ in range(2))
    assert once == again
    keys = [str(row["id"][0]) for row in once]
    assert keys != sorted(keys) and len(set(keys)) == 200


def test_every_reader_of_an_export_takes_the_contract_s_types(churn: Contract, tmp_path: Path) -> None:
    assert column_types(churn) == {
        "customer": "string", "period": "string", "plan": "string", "usage": "float", "churned": "int",
    }  # fmt: skip
    shard = tmp_path / "part.csv"
    shard.write_text("customer,period,plan,usage,churned\n000123,2024-01,01,5,1\n")
    frame = read_shards(churn, [shard])
    assert frame.to_dict("records") == [
        {"customer": "000123", "period": "2024-01", "plan": "01", "usage": 5.0, "churned": 1}
    ]
    assert frame["usage"].dtype == np.float64
    assert list(read_shards(churn, [shard], ["usage", "plan"])) == ["usage", "plan"]
