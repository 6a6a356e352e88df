"""Settings from the environment: what they cannot be is said in a sentence that names the variable."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lakeloop.exceptions import WrongUseError
from lakeloop.settings import listed_urls, load_settings


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


def test_what_is_no_address_of_people_is_said_without_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAKELOOP_NOTIFY", "json://host/path s3cret@example.com")
    with pytest.raises(WrongUseError, match="LAKELOOP_NOTIFY: target 1 is no URL; write each as mailtos://") as wrong:
        load_settings()
    assert "s3cret" not in str(wrong.value)
    monkeypatch.setenv("LAKELOOP_NOTIFY", "")
    with pytest.raises(WrongUseError, match="LAKELOOP_NOTIFY_FILE cannot be read"):
        _ = load_settings(notify_file=tmp_path / "none").notify_urls
    (tmp_path / "targets").write_text("s3cret\n")
    with pytest.raises(WrongUseError, match=r"LAKELOOP_NOTIFY_FILE, .*targets: target 1 is no URL") as wrong:
        _ = load_settings(notify_file=tmp_path / "targets").notify_urls
    assert "s3cret" not in str(wrong.value)


def test_addresses_are_told_apart_by_their_schemes() -> None:
    text = " mailto://a:b@h?to=x@e.com,y@e.com,\njson://h/a b\n"
    with pytest.raises(ValueError, match="target 2 is no URL"):
        listed_urls(text)
    assert listed_urls(text.replace("a b", "a%20b")) == ("mailto://a:b@h?to=x@e.com,y@e.com", "json://h/a%20b")
    assert listed_urls("") == listed_urls(" \n") == ()
