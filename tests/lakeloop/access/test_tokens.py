"""Tokens: what is kept of them, who has one, and who acts by it."""

import stat
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from lakeloop.access.acting import who_acts
from lakeloop.access.generated import GENERATED, cookie_key, ensure_tokens, token_file
from lakeloop.access.roles import User
from lakeloop.access.tokens import all_tokens, create_token, revoke_token, token_hash, users_by_hash
from lakeloop.exceptions import NotAllowedError, NotFoundError, WrongUseError
from lakeloop.operational_db import engine, tokens
from lakeloop.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", auth="on")


def by(settings: Settings, token: str) -> Settings:
    return settings.model_copy(update={"token": SecretStr(token)})


def test_a_role_includes_those_before_it() -> None:
    ann = User("ann", "decide")
    assert ann.may("read") and ann.may("ask") and ann.may("decide") and not ann.may("administer")


def test_only_the_hash_of_a_token_is_kept(settings: Settings) -> None:
    token = create_token(settings, "ann", "decide", "me")
    with engine(settings.operational_db).connect() as connection:
        (row,) = connection.execute(select(tokens)).all()
    assert row.hash == token_hash(token) and not any(token in str(value) for value in row)
    assert not any(token in path.read_bytes().decode("latin-1") for path in settings.home.iterdir())


def test_a_name_has_one_good_token_and_a_revoked_one_stays_on_record(settings: Settings) -> None:
    first = create_token(settings, "ann", "ask", "me")
    with pytest.raises(WrongUseError, match="ann has a token already"):
        create_token(settings, "ann", "ask", "me")
    revoke_token(settings, "ann", "eve")
    second = create_token(settings, "ann", "decide", "me")
    assert {user.role for user in users_by_hash(settings).values()} == {"decide"} and first != second
    assert [(one.role, one.revoked_by) for one in all_tokens(settings)] == [("ask", "eve"), ("decide", "")]
    with pytest.raises(NotFoundError, match="nobody called 'bob'"):
        revoke_token(settings, "bob", "eve")


def test_a_token_whose_time_is_over_is_none_and_a_new_one_takes_its_place(settings: Settings) -> None:
    good = create_token(settings, "ann", "ask", "me", seconds=3600)
    over = create_token(settings, "bob", "ask", "me", seconds=-1)
    assert who_acts(by(settings, good), "ask") == "ann"
    with pytest.raises(NotAllowedError, match="its time is over"):
        who_acts(by(settings, over), "read")
    create_token(settings, "bob", "read", "eve")
    assert {(user.name, user.role) for user in users_by_hash(settings).values()} == {("ann", "ask"), ("bob", "read")}
    assert [(one.name, one.expired, one.revoked_by) for one in all_tokens(settings)] == [
        ("ann", False, ""), ("bob", True, "eve"), ("bob", False, ""),
    ]  # fmt: skip
    with pytest.raises(WrongUseError, match="ann has a token already"):
        create_token(settings, "ann", "ask", "me")


@pytest.mark.parametrize(
    ("name", "role", "said"), [("a:b", "read", "cannot be 'a:b'"), ("ann", "boss", "no role 'boss'")]
)
def test_a_wrong_name_or_role_is_explained(settings: Settings, name: str, role: str, said: str) -> None:
    with pytest.raises(WrongUseError, match=said):
        create_token(settings, name, role, "me")


def test_the_first_start_makes_them_once_and_anew_what_was_revoked_or_lost(settings: Settings) -> None:
    def files() -> dict[str, str]:
        return {name: token_file(settings, name).read_text().strip() for name in GENERATED}

    ensure_tokens(settings)
    first = files()
    assert {stat.S_IMODE(token_file(settings, name).stat().st_mode) for name in GENERATED} == {0o600}
    known = users_by_hash(settings)
    assert {name: known[token_hash(token)].role for name, token in first.items()} == GENERATED
    ensure_tokens(settings)
    assert files() == first
    revoke_token(settings, "prometheus", "eve")
    token_file(settings, "ask").unlink()
    ensure_tokens(settings)
    second = files()
    assert {name for name in first if first[name] != second[name]} == {"prometheus", "ask"}
    assert set(users_by_hash(settings)) == set(map(token_hash, second.values()))


def test_files_of_a_home_with_a_new_database_are_good_again(settings: Settings, tmp_path: Path) -> None:
    ensure_tokens(settings)
    moved = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}/other.db"})
    ensure_tokens(moved)
    assert users_by_hash(moved).keys() == users_by_hash(settings).keys()


def test_given_tokens_are_put_on_record_and_their_folder_is_only_read(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "token-read").write_text("lakeloop_first\n")
    given.chmod(0o500)
    told = settings.model_copy(update={"tokens": given})
    ensure_tokens(told)
    assert {hashed: user.name for hashed, user in users_by_hash(told).items()} == {token_hash("lakeloop_first"): "read"}
    with pytest.raises(WrongUseError, match=r"cookie-key is not there.*LAKELOOP_TOKENS"):
        cookie_key(told)
    given.chmod(0o700)
    (given / "token-read").write_text("lakeloop_second\n")
    ensure_tokens(told)
    ensure_tokens(told)
    assert set(users_by_hash(told)) == {token_hash("lakeloop_second")}
    (given / "token-read").write_text("lakeloop_first\n")
    ensure_tokens(told)
    assert "event=token_was_revoked" in caplog.text and "lakeloop_first" not in caplog.text
    assert [path.name for path in given.iterdir()] == ["token-read"]


def test_who_acts_is_who_says_so_where_nobody_is_asked(settings: Settings) -> None:
    off = settings.model_copy(update={"auth": "off"})
    assert who_acts(off, "administer", "ann") == "ann" and who_acts(off, "decide")


def test_who_acts_is_the_user_of_the_token_and_nobody_else(settings: Settings) -> None:
    ann, boss = (create_token(settings, name, role, "me") for name, role in (("ann", "decide"), ("boss", "administer")))
    assert who_acts(by(settings, ann), "decide") == who_acts(by(settings, ann), "decide", "ann") == "ann"
    with pytest.raises(NotAllowedError, match="it is ann who goes on record, not bob"):
        who_acts(by(settings, ann), "decide", "bob")
    assert who_acts(by(settings, boss), "decide", "bob") == "bob (through boss)"
    with pytest.raises(NotAllowedError, match="needs the role administer; the token of ann has the role decide"):
        who_acts(by(settings, ann), "administer")
    with pytest.raises(NotAllowedError, match="set LAKELOOP_TOKEN"):
        who_acts(settings, "decide")
    with pytest.raises(NotAllowedError, match="not known here"):
        who_acts(by(settings, "lakeloop_wrong"), "decide")
    scope = {"state": {"user": User("cleo", "decide")}}
    assert who_acts(settings, "decide", scope=scope) == "cleo"
    with pytest.raises(NotAllowedError, match="nobody is logged in"):
        who_acts(by(settings, boss), "read", scope={})
