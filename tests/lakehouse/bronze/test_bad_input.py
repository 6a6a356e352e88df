"""One ingest of everything that can be wrong with files and rows; each test looks at one of them."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lakehouse.bronze import parts, staging
from lakehouse.ingest import IngestReport
from tests.lakes import HEADER, OwnLake, own_lake, policy

GOOD = policy
WIDE = "x" * 10_000_000


def month_file(month: str, *changes: dict[str, str]) -> str:
    return HEADER + "".join(policy(month, number, change) for number, change in enumerate(changes))


def move_month_last(line: str) -> list[str]:
    fields = line.split(";")
    return [fields[0], *fields[2:], fields[1]]


FILES: dict[str, str | bytes] = {
    "2023-01": month_file("2023-01", {}, {}),
    "2023-02": HEADER.replace(";miles", "") + "2023-02-0000;2023-02;0;41;1;40;120\n",
    "2023-03": HEADER.replace("\n", ";Agent\n") + GOOD("2023-03", 0).replace("\n", ";Ann\n"),
    "2023-04": month_file("2023-04", {"age": "abc"}, {"training": "1.5"}, {"training": "1e3"}, {"age": "1f"},
                          {"power": "0x1p3"}, {"miles": "7d"}, {}),
    "2023-05": month_file("2023-05", {"age": "NaN"}, {"age": "nan"}, {"miles": "Infinity"}, {}),
    "2023-06": month_file("2023-06", {"age": "151"}, {"age": "-0.5"}, {"training": "2"}, {"age": "150"}, {"age": "0"}),
    "2023-07": month_file("2023-07", {}, {}, {"policy_id": "2023-07-0001"}, {"policy_id": "2023-07-0001"}),
    "2023-08": "",
    "2023-09": month_file("2023-09", {}) + GOOD("2023-09", 1).removesuffix("\n"),
    "2023-10": month_file("2023-10", {}).replace(";", ","),
    "2023-11": month_file("2023-11", {}, {}).encode().replace(b"2023-11-0001", b"2023-11-\xe9001"),
    "2023-12": month_file("2023-12", {}).encode("utf-16"),
    "2024-01": b"\xef\xbb\xbf" + month_file("2024-01", {}).replace("\n", "\r\n").encode(),
    "2024-02": month_file("2024-02", {}, {"age": WIDE}, {}),
    "2024-03": HEADER,
    "2024-04": month_file("2024-04", {}) + "1;2;3\n" + "\n" + "a;b;c;d;e;f;g;h;i\n" + GOOD("2024-04", 1),
    "2024-05": month_file("2024-05", {"miles": ""}, {"policy_id": ""}, {"month": "2024-5"}, {"month": "2024-13"},
                          {"age": "", "power": "x"}),
    "2024-06": month_file("2024-06", {"policy_id": '"quoted;key"'}, {"age": " 41.5 "}, {"policy_id": '"open'}),
    "2024-07": "miles;power;braking_distance;emergency_braking;age;training;month;policy_id\n"
               "60;120;40;1;41;0;2024-07;2024-07-0000\n",
    "2024-09": month_file("2024-09", {"policy_id": '"A\nB"'}, {"policy_id": '"A ""quoted"""', "miles": '"60"'})
               + 'x;2024-09;0;41;1;40;120;"6\n0"\n' + GOOD("2024-09", 3),
    "2024-10": month_file("2024-10", {}) + ";" * 30_000 + "\n" + GOOD("2024-10", 1) + '"' + "x" * 100_000 + '";1\n'
               + f'{"y" * 25_000}";{";" * 30_000}\n',
    "2024-11": month_file("2024-11", {}, {}).replace("\n", "\r"),
    "2024-12": "".join(";".join(move_month_last(line)) + "\r\r\n" for line in month_file("2024-12", {}).splitlines()),
    "2025-01": month_file("2025-02", {}, {}) + GOOD("2025-03", 7) + GOOD("2025-01", 0),
    "2025-02": gzip.compress(month_file("2025-02", {}).encode())[:-9],
    "2025-03": month_file("2025-03", {}).replace("\n", "".join(f";x{n}" for n in range(1990)) + "\n", 1)
               .replace(";60\n", ";60" + ";0" * 1990 + "\n"),
    "2025-04": month_file("2025-04", {"policy_id": "#1"}, {"policy_id": "a\tb"}, {"policy_id": "\u00a0"},
                          {"policy_id": "\\"}),
    "2022-12": month_file("2022-12", {}),
    "2025-05": "x" * 200_000 + "\n" + GOOD("2025-05", 0),
}  # fmt: skip
REFUSED = ("2022-12", "2023-02", "2023-08", "2023-10", "2023-12", "2025-02", "2025-05")


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> OwnLake:
    lake = own_lake(spark, tmp_path_factory.mktemp("bad-input"))
    for month, content in FILES.items():
        lake.deliver("policies", f"policies-{month}.csv", content)
    return lake


@pytest.fixture(scope="module")
def report(lake: OwnLake) -> IngestReport:
    return lake.ingest()


@pytest.fixture(scope="module")
def silver(lake: OwnLake, report: IngestReport) -> pd.DataFrame:
    return lake.rows("silver/policies").set_index("policy_id")


@pytest.fixture(scope="module")
def rejects(lake: OwnLake, report: IngestReport) -> dict[str, list[tuple[int, str]]]:
    """month -> (line, reason: value) of its rejected rows."""
    rows = lake.rows("silver/rejects").sort_values(["file", "line"])
    found: dict[str, list[tuple[int, str]]] = {}
    for file, line, reason, value in rows[["file", "line", "reason", "value"]].itertuples(index=False):
        text = f"{reason}: {value}" if value else reason
        found.setdefault(file.removeprefix("policies-").removesuffix(".csv"), []).append((line, text))
    return found


def refusal(report: IngestReport, month: str) -> str:
    return next(text for text in report.refused if f"policies-{month}.csv: " in text)


def kept(silver: pd.DataFrame, month: str) -> list[str]:
    return sorted(silver[silver["_source_file"] == f"policies-{month}.csv"].index)


def test_good_files_are_taken_beside_the_bad_ones(silver: pd.DataFrame) -> None:
    assert kept(silver, "2023-01") == ["2023-01-0000", "2023-01-0001"]


def test_a_missing_column_refuses_the_file(report: IngestReport, silver: pd.DataFrame) -> None:
    assert "lacks column `miles`" in refusal(report, "2023-02")
    assert kept(silver, "2023-02") == []


def test_an_extra_column_is_kept_in_bronze_only(lake: OwnLake, report: IngestReport, silver: pd.DataFrame) -> None:
    assert kept(silver, "2023-03") == ["2023-03-0000"]
    bronze = lake.rows("bronze/policies")
    extra = bronze[bronze["_source_file"] == "policies-2023-03.csv"]["_extra"]
    assert [json.loads(text) for text in extra] == [{"Agent": "Ann"}]
    assert any("column `Agent` not in the contract" in notice for notice in report.sources[0].notices)


def test_a_wrong_type_rejects_the_row(rejects: dict[str, list[tuple[int, str]]], silver: pd.DataFrame) -> None:
    assert rejects["2023-04"] == [
        (2, "`age` is not a float: age = 'abc'"),
        (3, "`training` is not an int: training = '1.5'"),
        (4, "`training` is not one of 0, 1: training = '1e3'"),
        (5, "`age` is not a float: age = '1f'"),
        (6, "`power` is not a float: power = '0x1p3'"),
        (7, "`miles` is not a float: miles = '7d'"),
    ]
    assert kept(silver, "2023-04") == ["2023-04-0006"]


def test_nan_rejects_the_row(rejects: dict[str, list[tuple[int, str]]], silver: pd.DataFrame) -> None:
    assert rejects["2023-05"] == [
        (2, "`age` is NaN"),
        (3, "`age` is NaN"),
        (4, "`miles` is outside 0 to 500 thousand miles per year: miles = 'Infinity'"),
    ]
    assert kept(silver, "2023-05") == ["2023-05-0003"]


def test_out_of_range_rejects_the_row_and_the_bounds_belong_to_it(
    rejects: dict[str, list[tuple[int, str]]], silver: pd.DataFrame
) -> None:
    assert rejects["2023-06"] == [
        (2, "`age` is outside 0 to 150 years: age = '151'"),
        (3, "`age` is outside 0 to 150 years: age = '-0.5'"),
        (4, "`training` is not one of 0, 1: training = '2'"),
    ]
    assert kept(silver, "2023-06") == ["2023-06-0003", "2023-06-0004"]


def test_of_a_duplicate_key_the_first_row_is_kept(
    rejects: dict[str, list[tuple[int, str]]], silver: pd.DataFrame
) -> None:
    text = (
        "`policy_id` stands earlier in the same file; the first row is kept: "
        "policy_id = '2023-07-0001', first in line 3"
    )
    assert rejects["2023-07"] == [(4, text), (5, text)]
    assert kept(silver, "2023-07") == ["2023-07-0000", "2023-07-0001"]


def test_an_empty_file_is_refused(report: IngestReport) -> None:
    assert "is empty; a file of this source starts with the header policy_id;month" in refusal(report, "2023-08")


def test_a_truncated_last_line_is_rejected_even_with_all_fields(
    rejects: dict[str, list[tuple[int, str]]], silver: pd.DataFrame
) -> None:
    assert rejects["2023-09"] == [(3, "the line has no line end, it may be cut off")]
    assert kept(silver, "2023-09") == ["2023-09-0000"]


def test_a_wrong_separator_is_named(report: IngestReport) -> None:
    assert "seems to use ',' between its columns; the contract wants ';'" in refusal(report, "2023-10")


def test_a_latin_1_byte_rejects_its_row_only(
    lake: OwnLake, rejects: dict[str, list[tuple[int, str]]], silver: pd.DataFrame
) -> None:
    assert rejects["2023-11"] == [(3, "the line is not valid UTF-8")]
    assert kept(silver, "2023-11") == ["2023-11-0000"]
    assert lake.rejects("policies-2023-11.csv")["raw"][0].startswith("2023-11-\ufffd001;2023-11;")


def test_utf_16_is_refused(report: IngestReport) -> None:
    assert "is UTF-16 text; deliver it as UTF-8" in refusal(report, "2023-12")


def test_byte_order_mark_and_windows_line_ends_are_accepted(
    rejects: dict[str, list[tuple[int, str]]], silver: pd.DataFrame
) -> None:
    assert "2024-01" not in rejects
    assert silver.loc["2024-01-0000", "miles"] == 60.0


def test_a_line_of_ten_megabytes_is_a_reject_like_any_other(
    rejects: dict[str, list[tuple[int, str]]], silver: pd.DataFrame
) -> None:
    assert rejects["2024-02"] == [(3, f"`age` is not a float: age = '{'x' * 80}'")]
    assert kept(silver, "2024-02") == ["2024-02-0000", "2024-02-0002"]


def test_a_header_alone_is_taken_with_a_notice(report: IngestReport) -> None:
    assert "policies-2024-03.csv" in report.sources[0].taken
    assert "policies-2024-03.csv: has a header and no rows" in report.sources[0].notices


def test_a_wrong_number_of_fields_names_line_and_numbers_and_blank_lines_count(
    lake: OwnLake, rejects: dict[str, list[tuple[int, str]]], silver: pd.DataFrame
) -> None:
    assert rejects["2024-04"] == [(3, "the line has 3 fields, 8 expected"), (5, "the line has 9 fields, 8 expected")]
    assert list(lake.rejects("policies-2024-04.csv")["raw"]) == ["1;2;3", "a;b;c;d;e;f;g;h;i"]
    assert kept(silver, "2024-04") == ["2024-04-0000", "2024-04-0001"]


def test_missing_values_keys_and_wrong_months_are_named(
    lake: OwnLake, rejects: dict[str, list[tuple[int, str]]]
) -> None:
    assert rejects["2024-05"] == [
        (2, "`miles` is missing"),
        (3, "`policy_id` is missing"),
        (4, "`month` is not YYYY-MM: month = '2024-5'"),
        (5, "`month` is not YYYY-MM: month = '2024-13'"),
        (6, "`age` is missing; `power` is not a float: power = 'x'"),
    ]
    delivered = json.loads(lake.rejects("policies-2024-05.csv")["raw"][2])
    assert delivered["month"] == "2024-5" and delivered["power"] == "120"


def test_quoted_values_may_hold_the_separator(rejects: dict[str, list[tuple[int, str]]], silver: pd.DataFrame) -> None:
    assert kept(silver, "2024-06") == ["2024-06-0001", "quoted;key"]
    assert silver.loc["2024-06-0001", "age"] == 41.5
    assert [line for line, _ in rejects["2024-06"]] == [4]


def test_another_order_of_columns_is_accepted(silver: pd.DataFrame) -> None:
    assert (silver.loc["2024-07-0000", "miles"], silver.loc["2024-07-0000", "power"]) == (60.0, 120.0)


def test_a_line_break_inside_quotes_is_part_of_the_value(
    rejects: dict[str, list[tuple[int, str]]], silver: pd.DataFrame, lake: OwnLake
) -> None:
    assert kept(silver, "2024-09") == ["2024-09-0003", "A\nB", 'A "quoted"']
    assert rejects["2024-09"] == [(5, "`miles` is not a float: miles = '6\n0'")]
    theirs = pd.read_csv(lake.folder("landing") / "policies" / "policies-2024-09.csv", sep=";", dtype=str)
    bronze = lake.rows("bronze/policies")
    bronze = bronze[bronze["_source_file"] == "policies-2024-09.csv"].sort_values("_line")
    assert bronze["policy_id"].tolist() == theirs["policy_id"].tolist()
    assert bronze["miles"].tolist() == theirs["miles"].tolist()
    assert bronze["_line"].tolist() == [2, 4, 5, 7]


def test_a_line_of_thirty_thousand_fields_is_a_reject_like_any_other(
    rejects: dict[str, list[tuple[int, str]]], silver: pd.DataFrame
) -> None:
    assert kept(silver, "2024-10") == ["2024-10-0000", "2024-10-0001"]
    assert rejects["2024-10"] == [
        (3, "the line has 30001 fields, 8 expected"),
        (5, "the line has 2 fields, 8 expected"),
        (6, "the line has 30002 fields, 8 expected"),
    ]


def test_old_macintosh_line_ends_are_accepted(silver: pd.DataFrame) -> None:
    assert kept(silver, "2024-11") == ["2024-11-0000", "2024-11-0001"]


def test_no_carriage_return_is_left_in_a_value(lake: OwnLake, silver: pd.DataFrame) -> None:
    assert kept(silver, "2024-12") == ["2024-12-0000"]
    assert silver.loc["2024-12-0000", "month"] == "2024-12"
    assert not silver["month"].str.contains("\r").any()


def test_rows_of_other_months_than_the_file_s_name_says_are_told(report: IngestReport) -> None:
    told = [notice for notice in report.sources[0].notices if "another month" in notice]
    assert told == [
        "policies-2025-01.csv: 3 of its rows are of another month than its name says (2025-02: 2, 2025-03: 1); the "
        "month in the row counts"
    ]


def test_a_file_of_another_format_is_called_by_its_name(report: IngestReport) -> None:
    assert "is compressed with gzip and breaks off or is damaged" in refusal(report, "2025-02")


def test_thousands_of_columns_too_many_are_kept_as_json(lake: OwnLake, silver: pd.DataFrame) -> None:
    assert kept(silver, "2025-03") == ["2025-03-0000"]
    bronze = lake.rows("bronze/policies")
    (extra,) = bronze[bronze["_source_file"] == "policies-2025-03.csv"]["_extra"]
    assert json.loads(extra) == {f"x{n}": "0" for n in range(1990)}


def test_keys_keep_every_character(silver: pd.DataFrame) -> None:
    assert kept(silver, "2025-04") == sorted(["#1", "a\tb", "\u00a0", "\\"])


def test_a_month_before_the_start_and_a_first_line_without_end_refuse_the_file(report: IngestReport) -> None:
    assert "is before the use case's start, 2023-01" in refusal(report, "2022-12")
    assert "has a first line of more than 131,072 bytes" in refusal(report, "2025-05")


def test_every_delivered_row_is_in_bronze_and_in_silver_or_rejects(lake: OwnLake, report: IngestReport) -> None:
    ledger = lake.rows("bronze/deliveries")
    ledger = ledger[(ledger["state"] == "taken") & (ledger["rows"] > 0)].set_index("file")["rows"]
    assert lake.rows("bronze/policies").groupby("_source_file").size().to_dict() == ledger.to_dict()
    bronze, silver, rejects = (lake.rows(t) for t in ("bronze/policies", "silver/policies", "silver/rejects"))
    assert len(bronze) == len(silver) + len(rejects) == report.sources[0].bronze_rows
    assert report.sources[0].rejected == len(rejects)
    assert sum(count for _, count in report.sources[0].reasons) <= len(rejects)


def test_every_file_is_in_the_ledger(lake: OwnLake, report: IngestReport) -> None:
    ledger = lake.rows("bronze/deliveries")
    assert sorted(ledger["file"]) == sorted(f"policies-{m}.csv" for m in FILES)
    refused = ledger[ledger["state"] == "refused"]
    assert sorted(refused["file"]) == [f"policies-{month}.csv" for month in REFUSED]
    assert len(report.refused) == len(REFUSED)
    assert refused["reason"].str.len().min() > 10


def test_ingesting_again_reports_nothing_new(lake: OwnLake, report: IngestReport) -> None:
    versions = lake.versions()
    again = lake.ingest()
    assert not again.changed and not again.refused
    assert again.sources[0].known == len(FILES)
    assert lake.versions() == versions


def test_parts_of_a_long_file_keep_their_line_numbers(lake: OwnLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "CHUNK_BYTES", 300)
    monkeypatch.setattr(parts, "PART_BYTES", 1000)
    rows = [{"age": "200"} if n % 50 == 7 else {} for n in range(200)]
    lake.deliver("policies", "policies-2024-08.csv", month_file("2024-08", *rows))
    lake.ingest()
    rejected = lake.rejects("policies-2024-08.csv")
    assert list(rejected["line"]) == [9, 59, 109, 159]
    assert list(rejected["key"]) == ["2024-08-0007", "2024-08-0057", "2024-08-0107", "2024-08-0157"]


def test_nothing_is_left_in_the_staging_folder(lake: OwnLake, report: IngestReport) -> None:
    work = lake.settings.home / "lake" / "_work" / "insurance"
    assert list(Path(work).rglob("*.csv")) == []
    assert not (work / "policies" / "staging").exists()
