"""The Dockerfile: pinned, not root's, no compiler in what is shipped, and built from files that are there."""

import fnmatch
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lakeloop import git
from lakeloop.settings import PROJECT
from tests.deploy.compose_file import TOOLS

DOCKERFILE = PROJECT / "deploy" / "images" / "Dockerfile"
SHIPPED = {"platform", "airflow", "notebooks", "s3", "model"}


def stages(text: str) -> dict[str, dict[str, Any]]:
    """Stage -> what it is from, and its instructions as (word, rest), comments left out and lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found: dict[str, dict[str, Any]] = {}
    name = ""
    for line in filter(None, joined.splitlines()):
        word, rest = line.split(" ", 1)
        if word == "FROM":
            source, name = rest.split(" AS ")
            found[name] = {"from": source, "does": []}
        else:
            found[name]["does"].append((word, rest))
    return found


@pytest.fixture(scope="module")
def made() -> dict[str, dict[str, Any]]:
    return stages(DOCKERFILE.read_text())


def last_user(stage: str, made: dict[str, dict[str, Any]]) -> str:
    users = [rest for word, rest in made[stage]["does"] if word == "USER"]
    return users[-1] if users else last_user(made[stage]["from"], made) if made[stage]["from"] in made else "root"


def ancestors(stage: str, made: dict[str, dict[str, Any]]) -> list[str]:
    source = made[stage]["from"]
    return [stage, *(ancestors(source, made) if source in made else [])]


def test_all_that_compose_builds_is_a_stage(made: dict[str, dict[str, Any]], compose: dict[str, Any]) -> None:
    targets = {s["build"]["target"] for s in compose["services"].values() if "build" in s}
    assert targets | {"model"} == SHIPPED and made.keys() >= SHIPPED
    for service in compose["services"].values():
        if "build" in service:
            assert service["image"].startswith(f"lakeloop/{service['build']['target']}:")
            assert PROJECT / service["build"]["dockerfile"] == DOCKERFILE


def test_every_image_it_starts_from_has_an_exact_tag(made: dict[str, dict[str, Any]], compose: dict[str, Any]) -> None:
    foreign = {stage["from"] for stage in made.values()} - made.keys()
    assert all(re.fullmatch(r"[a-z0-9._/-]+:\d+\.\d+[\w.-]*", image) for image in foreign), foreign
    assert compose["services"]["models"]["image"] in foreign  # the model image serves with the same program


@pytest.mark.parametrize("stage", sorted(SHIPPED))
def test_what_is_shipped_runs_as_a_numbered_user_and_has_no_compiler(
    stage: str, made: dict[str, dict[str, Any]]
) -> None:
    assert re.fullmatch(r"\$\{UID\}:\$\{GID\}|[1-9]\d*:[1-9]\d*", last_user(stage, made))
    assert "build" not in ancestors(stage, made)
    runs = " ".join(rest for name in ancestors(stage, made) for word, rest in made[name]["does"] if word == "RUN")
    assert not re.search(r"\b(g\+\+|gcc|build-essential|make)\b", runs)


def test_every_builder_can_build_it(made: dict[str, dict[str, Any]]) -> None:
    """Engines without BuildKit, as Debian's, know no mounts, and build every stage above the one that is asked for."""
    assert not [rest for stage in made.values() for _, rest in stage["does"] if "--mount" in rest]
    order = list(made)
    assert order.index("s3") < order.index("build")  # one program is not to wait for both environments


def test_the_model_images_health_is_that_of_its_model(made: dict[str, dict[str, Any]]) -> None:
    (health,) = [rest for word, rest in made["model"]["does"] if word == "HEALTHCHECK"]
    assert health.endswith(r'healthy.sh http://127.0.0.1:8501 \"${MODEL_NAME}\""]')  # a folder is no list of models


def test_no_stage_forbids_bytecode(made: dict[str, dict[str, Any]]) -> None:
    assert not [rest for stage in made.values() for _, rest in stage["does"] if "DONTWRITEBYTECODE" in rest]


def test_everything_copied_exists_and_is_let_through(made: dict[str, dict[str, Any]]) -> None:
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    passed = [line[1:] for line in ignored if line.startswith("!")]
    assert "*" in ignored
    for stage in made.values():
        for word, rest in stage["does"]:
            if word == "COPY" and not rest.startswith("--from"):
                for source in rest.split()[:-1]:
                    assert (PROJECT / source).exists(), source
                    assert any(Path(source).is_relative_to(name) for name in passed), source


def test_a_use_cases_own_code_is_in_the_images_as_its_contract_is(made: dict[str, dict[str, Any]]) -> None:
    copied = [source for word, rest in made["build"]["does"] if word == "COPY" for source in rest.split()[:-1]]
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    out = [line.removeprefix("**/") for line in ignored if line not in ("", "*") and line[0] not in "!#"]
    files = [path.relative_to(PROJECT) for path in sorted((PROJECT / "data").glob("*/*.py"))]
    assert {path.name for path in files} >= {"rules.py", "features.py", "fetch.py", "generator.py"}
    for path in files:
        assert any(path.is_relative_to(name) for name in copied), path
        assert not [name for name in out if fnmatch.fnmatch(path.name, name)], path


@pytest.mark.parametrize("path", [".env", "deploy/secrets/postgresql-password", "var/lakeloop.db", ".git/config"])
def test_state_and_secrets_never_reach_an_image(path: str) -> None:
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    passed = [line[1:] for line in ignored if line.startswith("!")]
    assert not [name for name in passed if Path(path).is_relative_to(name) or fnmatch.fnmatch(path, name)]


@pytest.mark.parametrize("path", [".env", "deploy/secrets/postgresql-password"])
def test_git_ignores_what_is_secret(path: str) -> None:
    assert subprocess.run(["git", "-C", PROJECT, "check-ignore", "--quiet", path], check=False).returncode == 0


def hadolint(path: Path) -> "subprocess.CompletedProcess[str]":
    command = [TOOLS / "hadolint", "--failure-threshold", "style", path]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_hadolint_finds_nothing_and_would(tmp_path: Path) -> None:
    if not TOOLS.is_dir():
        pytest.skip("the tools that check container files are not there (`make compose-tools`)")
    clean = hadolint(DOCKERFILE)
    assert clean.returncode == 0, clean.stdout
    worse = tmp_path / "Dockerfile"
    worse.write_text(DOCKERFILE.read_text().replace("# hadolint ignore=DL3008\n", "", 1))
    assert hadolint(worse).returncode != 0 and "DL3008" in hadolint(worse).stdout


def test_an_image_knows_the_commit_it_was_built_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: dict[str, dict[str, Any]]
) -> None:
    assert any(rest.endswith(f">{git._IN_IMAGE.name}") for _, rest in made["build"]["does"])
    monkeypatch.setattr(git, "_IN_IMAGE", tmp_path / "commit")
    (tmp_path / "commit").write_text("0123abc\n")
    assert git.git_commit.__wrapped__() == "0123abc"
