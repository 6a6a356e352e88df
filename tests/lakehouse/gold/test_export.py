import csv
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakehouse.gold import export as module
from lakehouse.gold.export import export, finished_export
from lakehouse.gold.labelled import labelled_period
from lakehouse.gold.split import with_split
from lakehouse.lake import lake_with
from lakeloop.exceptions import LakeloopError, NotFoundError
from lakeloop.exported import read_shards
from lakeloop.manifest import Manifest, file_sha256, read_manifest
from lakeloop.use_case import UseCase
from operations.delivery import generate
from tests.lakes import OwnLake, claims, own_lake


def frames(path: Path, manifest: Manifest) -> dict[str, pd.DataFrame]:
    read = {
        split: [
            pd.read_csv(path.parent / f.path, float_precision="round_trip") for f in manifest.files if f.split == split
        ]
        for split in ("train", "eval")
    }
    return {split: pd.concat(shards) for split, shards in read.items()}


def test_month_0_has_1207_train_and_293_eval_rows_split_as_the_contract_says(reference: OwnLake) -> None:
    path = export(reference, git_commit="abc")
    manifest = read_manifest(path)
    assert path == reference.settings.home / "export/insurance/1/manifest.json"
    assert (manifest.rows_of("train"), manifest.rows_of("eval"), manifest.rows) == (1207, 293, 1500)
    for split, frame in frames(path, manifest).items():
        assert {reference.contract.split.is_eval(key) for key in frame["policy_id"]} == {split == "eval"}


def test_values_come_back_bit_for_bit_in_the_contract_s_columns(reference: OwnLake) -> None:
    path = export(reference)
    manifest = read_manifest(path)
    exported = pd.concat(frames(path, manifest).values()).set_index("policy_id").sort_index()
    gold = reference.rows("gold/training").set_index("policy_id").sort_index()
    assert manifest.columns == ("policy_id", "month", *reference.contract.features, "group")
    assert ["policy_id", *exported.columns] == list(manifest.columns)
    for column in exported.columns:
        assert exported[column].tolist() == gold[column].tolist(), column


def test_the_manifest_describes_what_lies_beside_it(reference: OwnLake) -> None:
    path = export(reference)
    manifest = read_manifest(path)
    assert (manifest.table, manifest.version, manifest.periods) == ("gold/training", 1, None)
    assert manifest.schema_sha256 == reference.contract.schema_sha256
    assert manifest.split == "sha256('2:'+policy_id)[:8] % 5 == 0"
    assert manifest.query.endswith("FROM gold.training VERSION AS OF 1 ORDER BY `policy_id`")
    for file in manifest.files:
        assert file_sha256(path.parent / file.path) == file.sha256
        assert (path.parent / file.path).stat().st_size == file.bytes
        with (path.parent / file.path).open(newline="") as stream:
            keys = [row["policy_id"] for row in csv.DictReader(stream)]
        assert len(keys) == file.rows and keys == sorted(keys)
    assert sorted(p.name for p in path.parent.iterdir()) == ["eval", "manifest.json", "train"]


def test_exporting_again_returns_what_is_there_and_mends_what_is_broken(
    reference: OwnLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = export(reference, periods=(0, 0))
    before = read_manifest(path)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_write_shards", lambda *_: pytest.fail("it was written again"))
        assert export(reference, periods=(0, 0)) == path
    (path.parent / before.files[0].path).write_text("broken")
    export(reference, periods=(0, 0))
    assert read_manifest(path).files == before.files


def test_large_exports_have_several_shards_with_every_row_once(
    reference: OwnLake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "ROWS_A_SHARD", 300)
    settings = reference.settings.model_copy(update={"export": str(tmp_path)})
    path = export(lake_with(UseCase(settings, reference.contract), reference.spark))
    manifest = read_manifest(path)
    assert [f.split for f in manifest.files].count("train") == 4
    keys = pd.concat(frames(path, manifest).values())["policy_id"]
    assert sorted(keys) == sorted(reference.rows("gold/training")["policy_id"])


def test_months_without_truth_name_when_it_arrives_and_which_months_have_some(reference: OwnLake) -> None:
    with pytest.raises(NotFoundError) as error:
        export(reference, periods=(0, 1))
    with pytest.raises(NotFoundError) as without_spark:
        finished_export(reference, periods=(0, 1))
    assert str(error.value) == str(without_spark.value)
    assert str(error.value) == (
        "month 1 (2023-02) has no labelled rows in gold; its ground truth (claims) was not taken in yet, by the "
        "contract it comes 24 months after the month (simulated: at clock 25). Labelled months: 0"
    )
    with pytest.raises(NotFoundError, match=r"month 12 \(2024-01\).* at clock 36\). Labelled months: 0"):
        labelled_period(reference, 12)


def test_an_unknown_version_names_those_there_are(reference: OwnLake) -> None:
    with pytest.raises(NotFoundError, match="gold/training has no version 7; it has 0 to 1"):
        export(reference, version=7)


def test_an_older_version_is_exported_as_it_was(small: OwnLake) -> None:
    small.deliver("claims", "claims-2023-01.v2.csv", claims("2023-01", *[0.5] * 40))
    small.ingest()
    counts = [read_manifest(export(small, version=v)).rows for v in (1, 2)]
    assert counts == [30, 40]


def test_before_any_truth_there_is_one_clear_error(lake: OwnLake) -> None:
    with pytest.raises(NotFoundError, match="does not exist yet: deliver files and run `lakeloop lake ingest`"):
        export(lake)
    with pytest.raises(NotFoundError, match=r"month 0 .*Labelled months: none yet"):
        labelled_period(lake, 0)


def test_an_empty_split_is_an_error(small: OwnLake) -> None:
    split = small.contract.split.model_copy(update={"every": 10**9})
    contract = small.contract.model_copy(update={"split": split})
    with pytest.raises(LakeloopError, match=r"all 30 rows would go to one split, eval would be empty"):
        export(lake_with(UseCase(small.settings, contract), small.spark))
    assert list((small.settings.home / "export").rglob("*.csv")) == []


def test_text_with_commas_survives_the_csv(spark: SparkSession, tmp_path: Path) -> None:
    lake = own_lake(spark, tmp_path, "churn")
    generate(lake, [0])
    lake.ingest()
    path = export(lake)
    plans = pd.concat(frames(path, read_manifest(path)).values())["plan"].value_counts()
    assert plans.to_dict() == lake.rows("gold/training")["plan"].value_counts().to_dict()


def test_a_labelled_month_is_gold_s_rows_sorted_by_key(reference: OwnLake) -> None:
    month = labelled_period(reference, 0)
    gold = reference.rows("gold/training").sort_values("policy_id", ignore_index=True)
    pd.testing.assert_frame_equal(month, gold, check_dtype=False)


def test_texts_cross_the_cut_as_they_are_and_one_with_a_line_break_is_one_row(
    reference: OwnLake, tmp_path: Path
) -> None:
    texts = ["000123", "2023_00", "1e5", "NA", " 7 ", 'a,"b"', "two\nlines", "back\\slash", "ä€", "0123"]
    some = reference.spark.table(f"delta.`{reference.settings.area('lake')}/gold/insurance/training`").limit(1)
    rows = reference.spark.createDataFrame([(text,) for text in texts], "policy_id string").crossJoin(
        some.drop("policy_id")
    )
    split = {text: "eval" if reference.contract.split.is_eval(text) else "train" for text in texts}
    counts = {name: list(split.values()).count(name) for name in ("train", "eval")}
    files = module._write_shards(with_split(rows, reference.contract), reference.contract, counts, tmp_path)
    assert {name: sum(f.rows for f in files if f.split == name) for name in counts} == counts
    found = read_shards(reference.contract, [tmp_path / file.path for file in files])
    assert sorted(found["policy_id"]) == sorted(texts)
    assert set(found["month"]) == {"2023-01"}
