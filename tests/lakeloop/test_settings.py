"""Settings from the environment: what they cannot be is said in a sentence that names the variable."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lakeloop.exceptions import WrongUseError
from lakeloop.settings import load_settings


@pytest.mark.parametrize("area", ["landing", "export", "models", "tfx", "logs", "reports"])
@pytest.mark.parametrize("address", ["s3://bucket/area", "gs://bucket", "file:///area"])
def test_an_area_is_a_folder_and_no_address(monkeypatch: pytest.MonkeyPatch, area: str, address: str) -> None:
    monkeypatch.setenv(f"LAKELOOP_{area.upper()}", address)
    with pytest.raises(WrongUseError, match=f"LAKELOOP_{area.upper()} is '{address}': this area has to be a folder"):
        load_settings()


def test_every_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKELOOP_GATEWAY_PORT", "abc")
    monkeypatch.setenv("LAKELOOP_DECISION_HOURS", "-1")
    with pytest.raises(WrongUseError) as wrong:
        load_settings()
    assert [line.partition(":")[0].strip() for line in str(wrong.value).splitlines()[1:]] == [
        "LAKELOOP_GATEWAY_PORT is 'abc'",
        "LAKELOOP_DECISION_HOURS is '-1'",
    ]


def test_a_wrong_setting_ends_a_command_with_a_sentence(lakeloop: Callable[..., object]) -> None:
    ended = lakeloop("clock", "show", LAKELOOP_MODELS="s3://bucket/models")
    assert ended.returncode == 2 and "LAKELOOP_MODELS is 's3://bucket/models': this area" in ended.stderr  # type: ignore[attr-defined]
    assert "Traceback" not in ended.stderr  # type: ignore[attr-defined]


def test_the_only_use_case_there_is_is_meant_where_nobody_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LAKELOOP_USE_CASE", raising=False)
    default = load_settings(use_cases=tmp_path).use_case
    for name in ("taxi", "bikes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "contract.yaml").touch()
        assert load_settings(use_cases=tmp_path).use_case == ("taxi" if name == "taxi" else default)
        assert load_settings(use_cases=tmp_path, use_case="other").use_case == "other"
