"""Commands end with a sentence and an exit code that means something, never with a traceback."""

from pathlib import Path

import pandas as pd
import pytest

from lakehouse.storage.lock import only_one
from lakeloop.settings import Settings
from lakeloop.use_case import open_use_case
from tests.command_line import Run


def test_contract_check_says_good_or_every_mistake(lakeloop: Run, tmp_path: Path, settings: Settings) -> None:
    good = lakeloop("contract", "check")
    assert good.returncode == 0 and "good. 2 sources, 6 features, 3 classes" in good.stdout
    wrong = tmp_path / "contract.yaml"
    wrong.write_text(open_use_case(settings).contract_path.read_text().replace("layers: 3", "layrs: 3"))
    bad = lakeloop("contract", "check", wrong)
    assert bad.returncode == 2 and "did you mean `layers`?" in bad.stderr and "Traceback" not in bad.stderr


def test_contract_show_is_the_catalogue(lakeloop: Run) -> None:
    shown = lakeloop("contract", "show", "--plain")
    assert shown.returncode == 0 and "| braking_distance | float | numeric | m | 1 to 200 |" in shown.stdout


def test_data_reference_writes_the_nine_columns(lakeloop: Run, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "reference.csv"
    done = lakeloop("data", "reference", "--period", 12, "--out", out)
    assert done.returncode == 0, done.stderr
    frame = pd.read_csv(out, sep=";")
    assert list(frame) == [
        "training", "age", "emergency_braking", "braking_distance", "power", "miles", "risk", "group", "group_name",
    ]  # fmt: skip
    assert frame["miles"].sum() == pytest.approx(112933.35538477816, abs=1e-8)
    assert frame["group_name"].value_counts().to_dict() == {"medium": 561, "low": 561, "high": 378}


def test_data_generate_says_what_is_held_back(lakeloop: Run) -> None:
    done = lakeloop("data", "generate", "--periods", "0-2")
    assert done.returncode == 0, done.stderr
    assert "policies: 3 files, 4,500 rows" in done.stdout
    assert "claims: 2 files held back, delivered at clocks 25 to 26" in done.stdout
    moved = lakeloop("clock", "set", 25)
    assert moved.returncode == 0 and "1 file delivered" in moved.stdout
    assert "month 25" in lakeloop("clock", "show").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("data", "generate", "--periods", "3-1"), "runs backwards; write 1-3"),
        (("data", "generate", "--periods", "x"), "write the number of a month or a range"),
        (("data", "generate", "--periods", "0", "--use-case", "nothing"), "use cases there: crime_de, "),
        (("data", "reference", "--period", "-1"), "--period"),
        (("data", "generate", "--periods", "36-37"), "cannot draw month 37: the model tells of months 0 to 36"),
        (("simulate", "--periods", "99", "--mock-predictions"), "cannot draw month 99"),
        (("train", "--set", "units"), "write NAME=VALUE"),
        (("train", "--set", "unit=50"), "of `kind=network`; did you mean `units`? allowed: kind, layers"),
        (("train", "--set", "units=many"), "`units` is 'many': a whole number is needed"),
        (("train", "--drop", "colour"), "features are training, age"),
        (("nonsense",), "No such command"),
    ],
)
def test_wrong_use_is_explained_and_exits_2(lakeloop: Run, arguments: tuple[str, ...], sentence: str) -> None:
    wrong = lakeloop(*arguments)
    assert wrong.returncode == 2, wrong.stderr
    assert sentence in wrong.stderr and "Traceback" not in wrong.stderr


@pytest.mark.parametrize("arguments", [("validate", "--period", "0", "--oracle"), ("serve", "models")])
def test_without_a_pushed_model_a_sentence_names_the_remedy(lakeloop: Run, arguments: tuple[str, ...]) -> None:
    answer = lakeloop(*arguments)
    assert answer.returncode == 1
    assert "lakeloop train" in answer.stderr and "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("name", "found"),
    [("my [home] 100%", "% or [ or ]"), ("home #1", "#"), ("home?", "?"), ("a|b^c\\d", "\\ or ^ or |")],
)
def test_a_home_that_delta_cannot_write_to_is_refused_before_anything_starts(
    lakeloop: Run, tmp_path: Path, name: str, found: str
) -> None:
    answer = lakeloop("lake", "ingest", LAKELOOP_HOME=str(tmp_path / name))
    assert answer.returncode == 2
    text = " ".join(answer.stderr.split())
    assert f"cannot be kept below a folder with {found} in its name; set LAKELOOP_HOME" in text
    assert not (tmp_path / name).exists()


def test_a_home_that_is_a_file_is_refused(lakeloop: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("a file")
    answer = lakeloop("lake", "tables", LAKELOOP_HOME=str(home))
    assert answer.returncode == 2
    assert f"LAKELOOP_HOME is {home}, which is not a folder" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("lake", "export"), "gold/training of use case insurance does not exist yet"),
        (("train",), "gold/training of use case insurance does not exist yet"),
        (("score", "nosuch"), "there is no table `nosuch`"),  # whatever else is missing as well
        (("features", "read", "--out", "read.csv"), "nothing of insurance was delivered yet"),
    ],
)
def test_what_an_empty_home_cannot_give_is_told_before_a_spark_starts(
    lakeloop: Run, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    answer = lakeloop(*arguments, JAVA_HOME=str(tmp_path))
    assert answer.returncode == 1 and sentence in answer.stderr


@pytest.mark.parametrize(("command", "at_work"), [("ingest", "ingest"), ("gold", "ingest"), ("stream", "stream")])
def test_who_would_be_refused_in_the_end_does_not_wait_for_a_spark(
    lakeloop: Run, settings: Settings, tmp_path: Path, command: str, at_work: str
) -> None:
    with only_one(open_use_case(settings).work_folder / f"{at_work}.lock", at_work):
        answer = lakeloop("lake", command, JAVA_HOME=str(tmp_path))
    assert answer.returncode == 1 and f"another {at_work} is running on this home" in answer.stderr


def test_a_missing_java_is_named_with_its_remedy(lakeloop: Run, settings: Settings, tmp_path: Path) -> None:
    delivered = settings.home / "landing" / "insurance" / "policies" / "policies-2023-01.csv"
    delivered.parent.mkdir(parents=True)  # where nothing lies no Spark is started, and so no Java is missing
    columns = ["policy_id", "month", "training", "age", "emergency_braking", "braking_distance", "power", "miles"]
    delivered.write_text(";".join(columns) + "\n2023-01-0001;2023-01;1;30;1;40;100;10\n")
    answer = lakeloop("lake", "ingest", JAVA_HOME=str(tmp_path))
    assert answer.returncode == 1
    assert "apt-get install openjdk-17-jre-headless" in answer.stderr and "Traceback" not in answer.stderr


def test_a_database_that_is_none_is_named_with_what_is_wrong(lakeloop: Run, settings: Settings) -> None:
    settings.home.mkdir(parents=True)
    (settings.home / "lakeloop.db").write_text("this is no database, it is a text of some length " * 30)
    answer = lakeloop("clock", "show")
    assert answer.returncode == 1 and "Traceback" not in answer.stderr
    assert "lakeloop.db cannot be opened (file is not a database)" in answer.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--use-case", "nothing", "lake", "tables"), ("lake", "-u", "nothing", "tables"), ("-u", "nothing", "drift")],
)
def test_the_use_case_may_stand_before_the_command(lakeloop: Run, arguments: tuple[str, ...]) -> None:
    answer = lakeloop(*arguments)
    assert answer.returncode == 2 and "there is no use case 'nothing'" in answer.stderr
    assert "use cases there: crime_de, crime_uk, insurance" in answer.stderr


def test_the_command_s_own_use_case_counts(lakeloop: Run) -> None:
    answer = lakeloop("--use-case", "nothing", "lake", "tables", "--use-case", "insurance")
    assert answer.returncode == 0 and "there are no tables yet" in answer.stdout
