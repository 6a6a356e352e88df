"""What a pushed version says about itself, and which version serves."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lakeloop.contract import NetworkSettings
from lakeloop.exceptions import ModelCardMissingError, NotFoundError
from lakeloop.gate_check import GateCheck
from lakeloop.model_card import CARD_FILE, ModelCard, read_model_card
from lakeloop.pushed_models import serving_version
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase, open_use_case
from tests.http_answers import answering

NOBODY = "http://127.0.0.1:9"


def settings_of(home: Path, server: str = NOBODY) -> Settings:
    return Settings(home=home, use_case="insurance", model_server_url=server)


def card(manifest: Path) -> ModelCard:
    return ModelCard(
        use_case="insurance",
        run_id="r1",
        manifest=manifest,
        manifest_sha256="a" * 64,
        model=NetworkSettings(units=7),
        drop=("miles",),
        checks=(GateCheck(name="accuracy_train", value=0.9, bound="> 0.85", passed=True),),
        provenance={"trigger": "test"},
    )


def push(use_case: UseCase, version: str, with_card: bool = True) -> Path:
    folder = use_case.folder("models") / version
    folder.mkdir(parents=True)
    if with_card:
        card(use_case.folder("export") / "0" / "manifest.json").save(folder)
    (folder / "saved_model.pb").write_bytes(b"")
    return folder


@contextmanager
def status_server(states: dict[str, str]) -> Iterator[str]:
    """Answers TensorFlow Serving's status API for any model."""
    answer = {"model_version_status": [{"version": v, "state": s, "status": {}} for v, s in states.items()]}
    with answering({"/v1/models/insurance": (200, answer)}) as url:
        yield url


def test_a_card_comes_back_as_it_was_saved_with_the_version_of_their_folder(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    push(open_use_case(settings), "5")
    written = card(open_use_case(settings).folder("export") / "0" / "manifest.json")
    assert read_model_card(open_use_case(settings)) == written.model_copy(update={"version": "5"})
    kept = json.loads((open_use_case(settings).folder("models") / "5" / CARD_FILE).read_text())
    assert "version" not in kept and kept["stamps"] == written.provenance  # by the key that older releases gave it


def test_the_newest_pushed_version_that_answers_serves(tmp_path: Path) -> None:
    for version in ("9", "10", "11", "12"):
        push(open_use_case(settings_of(tmp_path)), version)
    with status_server({"12": "LOADING", "10": "AVAILABLE", "9": "AVAILABLE", "11": "END", "77": "AVAILABLE"}) as url:
        assert serving_version(open_use_case(settings_of(tmp_path, url))) == "10"
    with status_server({"77": "AVAILABLE"}) as url:
        assert serving_version(open_use_case(settings_of(tmp_path, url))) == "12"


def test_without_a_server_the_newest_complete_push_counts(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with pytest.raises(NotFoundError, match="lakeloop train"):
        serving_version(open_use_case(settings))
    for version in ("9", "10"):
        push(open_use_case(settings), version)
    (open_use_case(settings).folder("models") / "11").mkdir()
    assert serving_version(open_use_case(settings)) == "10"
    with status_server({"10": "LOADING"}) as url:
        assert serving_version(open_use_case(settings_of(tmp_path, url))) == "10"


def test_a_version_without_a_readable_model_card_says_so(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    push(open_use_case(settings), "3", with_card=False)
    with pytest.raises(
        ModelCardMissingError, match="version 3 of insurance does not say what it was trained on; `lakeloop train`"
    ):
        read_model_card(open_use_case(settings), "3")
    broken = push(open_use_case(settings), "4")
    (broken / CARD_FILE).write_text("{")
    with pytest.raises(ModelCardMissingError, match=r"lakeloop\.json cannot be read"):
        read_model_card(open_use_case(settings), "4")
    with pytest.raises(NotFoundError, match=r"no pushed version 7 .* pushed: 3, 4"):
        read_model_card(open_use_case(settings), "7")


def test_a_moved_home_is_followed_into_its_export_area(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    elsewhere = card(Path("/nowhere/export/insurance/12-m0-3/manifest.json"))
    assert elsewhere.manifest_path(open_use_case(settings)) == elsewhere.manifest
    moved = open_use_case(settings).folder("export").absolute() / "12-m0-3" / "manifest.json"
    moved.parent.mkdir(parents=True)
    moved.write_text("{}")
    assert elsewhere.manifest_path(open_use_case(settings)) == moved
