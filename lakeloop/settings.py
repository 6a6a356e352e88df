"""Where things live and how they run: read once from the environment and `[tool.lakeloop]`, then passed on."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lakeloop.exceptions import WrongUseError

NOT_IN_PATHS = "%[]\\^|#?"
"""Delta's library fails below folders with these in their name, or, as with the last two, finds no history there."""
PROJECT = Path(__file__).resolve().parent.parent
_SCHEME = "[A-Za-z][A-Za-z0-9+.-]*://"
_BROKER = r"kafka://(?P<servers>[^/,\s]+:\d+(,[^/,\s]+:\d+)*)(/(?P<prefix>[A-Za-z0-9._-]+)?)?"


class Settings(BaseSettings):
    """One process's settings. Every field can be set as `LAKELOOP_<FIELD>`; paths may be relative.

    An area (landing, lake, export, models, tfx, logs, reports) is a folder under `home` unless it is set by
    itself; `area()` gives it. Only the lake's tables may have a URL that Spark can open.
    """

    model_config = SettingsConfigDict(env_prefix="LAKELOOP_", frozen=True, extra="ignore")

    home: Path = Path("var")
    use_case: str = Field(default_factory=lambda: project_default("use_case"))
    use_cases: Path = PROJECT / "data"
    served_use_cases: str = ""
    database_url: str = ""
    spark_master: str = "local[*]"
    spark_memory: str = "2g"
    spark_keep_seconds: float = Field(180.0, ge=0)  # a retrain trains for two minutes between its Spark tasks
    delta_jar: Path | None = None
    model_server_port: int = 8501
    model_server_grpc_port: int = 8500
    model_server_url: str = ""
    gateway_port: int = 8000
    gateway_url: str = ""
    monitor_port: int = 8085
    monitor_url: str = ""
    monitor_posts: bool = True
    prometheus_port: int = 9090
    prometheus_url: str = ""
    alertmanager_port: int = 9093
    alertmanager_url: str = ""
    tensorboard_port: int = 6006
    tensorboard_url: str = ""
    broker: str = ""
    airflow_port: int = 8080
    airflow_url: str = ""
    airflow_user: str = "admin"
    airflow_password: SecretStr = SecretStr("")
    airflow_password_file: Path | None = None

    # Whom people's notifications go to: apprise's URLs, which hold secrets; or a file of them. And how soon again.
    notify: SecretStr = SecretStr("")
    notify_file: Path | None = None
    notify_window_seconds: float = Field(300.0, ge=0)

    # Whether services and commands ask who acts, and the token of whoever runs this command.
    auth: Literal["on", "off"] = "off"
    token: SecretStr = SecretStr("")
    token_file: Path | None = None
    tokens: Path | None = None

    # A use case of the wall clock is played with a simulated one; the moment that it is, where it is not the real one.
    clock: str = ""
    now: AwareDatetime | None = None

    # Set by a task for the command it runs: where the result is wanted, and who runs it.
    result_file: Path | None = None
    airflow_run_id: str = ""
    airflow_dag_id: str = ""
    airflow_task_id: str = ""

    # How long a person may take to decide, and what is tried on drift without new truth.
    decision_hours: float = Field(24.0, gt=0)
    strategy_on_drift: str = "auto"

    landing: str = ""
    lake: str = ""
    export: str = ""
    models: str = ""
    tfx: str = ""
    logs: str = ""
    reports: str = ""

    @field_validator("landing", "export", "models", "tfx", "logs", "reports")
    @classmethod
    def _is_a_folder(cls, area: str) -> str:
        if "://" in area:
            raise ValueError("this area has to be a folder, it cannot be in an object store; give a path")
        return area

    @field_validator("broker")
    @classmethod
    def _is_a_broker(cls, broker: str) -> str:
        if broker and not re.fullmatch(_BROKER, broker):
            raise ValueError("it has to be kafka://HOST:PORT, more of HOST:PORT behind commas, and /PREFIX if wanted")
        return broker

    @field_validator("notify")
    @classmethod
    def _are_addresses(cls, notify: SecretStr) -> SecretStr:
        listed_urls(notify.get_secret_value())
        return notify

    @field_validator("clock")
    @classmethod
    def _clock_is_simulated(cls, clock: str) -> str:
        if clock not in ("", "simulated"):
            raise ValueError("it may be `simulated`, or left out: then the contract's `clock` counts")
        return clock

    def area(self, name: str) -> str:
        """The folder of one area, the lake's perhaps a URL, e.g. `area("lake")` -> `/…/var/lake`."""
        return getattr(self, name) or str(self.home.absolute() / name)

    @property
    def served(self) -> tuple[str, ...]:
        """The use cases that services are narrowed to, by `LAKELOOP_SERVED_USE_CASES=a,b`; none: all of the folder."""
        return tuple(name for part in self.served_use_cases.split(",") if (name := part.strip()))

    @property
    def metadata_db(self) -> Path:
        """ML Metadata's SQLite file, shared by all use cases."""
        return Path(self.area("tfx")) / "metadata.db"

    @property
    def operational_db(self) -> str:
        """SQLAlchemy URL of the small operational state: clock, events, switches, drift reports, retrains."""
        return self.database_url or f"sqlite:///{self.home.absolute() / 'lakeloop.db'}"

    @property
    def model_server(self) -> str:
        """Base URL of the model server's REST API."""
        return self.model_server_url or f"http://127.0.0.1:{self.model_server_port}"

    @property
    def gateway(self) -> str:
        """Base URL of the gateway."""
        return self.gateway_url or f"http://127.0.0.1:{self.gateway_port}"

    @property
    def monitor(self) -> str:
        """Base URL of the monitor's pages, as whoever reads a link to them finds it."""
        return self.monitor_url.rstrip("/") or f"http://127.0.0.1:{self.monitor_port}"

    def pages(self, use_case: str) -> str:
        """Where the monitor has the pages of a use case, without a slash at the end; '': of what is no use case's."""
        return f"{self.monitor}/{use_case}" if use_case else self.monitor

    @property
    def notify_urls(self) -> tuple[str, ...]:
        """The URLs that notifications go to, secrets included: of the file where one is set, else of the setting.

        Raises WrongUseError if the file cannot be read, or something in it is no URL; no part of one is in the text.
        """
        if self.notify_file is None:
            return listed_urls(self.notify.get_secret_value())
        try:
            lines = self.notify_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise WrongUseError(f"LAKELOOP_NOTIFY_FILE cannot be read: {error}") from error
        try:
            return listed_urls("\n".join(line for line in lines if not line.lstrip().startswith("#")))
        except ValueError as error:
            raise WrongUseError(f"LAKELOOP_NOTIFY_FILE, {self.notify_file}: {error}") from None

    @property
    def own_token(self) -> str:
        """The token of whoever runs this: the setting, or what stands in the file; '' where there is neither.

        Raises WrongUseError if the file cannot be read.
        """
        given = self.token.get_secret_value().strip()
        if given or self.token_file is None:
            return given
        try:
            return self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise WrongUseError(f"LAKELOOP_TOKEN_FILE cannot be read: {error}") from error

    @property
    def asks_who(self) -> bool:
        """Whether services and commands ask who acts."""
        return self.auth == "on"

    @property
    def airflow_secret(self) -> str:
        """The password of `airflow_user`: the setting, or what stands in the file.

        A file may be Airflow's own (`{"user": "password"}`, as its simple auth manager writes it) or hold the
        password alone. Raises WrongUseError if it cannot be read.
        """
        if self.airflow_password_file is None:
            return self.airflow_password.get_secret_value()
        try:
            text = self.airflow_password_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise WrongUseError(f"LAKELOOP_AIRFLOW_PASSWORD_FILE cannot be read: {error}") from error
        if not text.startswith("{"):
            return text
        try:
            return str(json.loads(text)[self.airflow_user])
        except (ValueError, KeyError):
            raise WrongUseError(
                f"{self.airflow_password_file} holds no password of user {self.airflow_user!r}"
            ) from None


def listed_urls(text: str) -> tuple[str, ...]:
    """The URLs in a text, with spaces, commas or line ends between them. Raises ValueError where something is none."""
    urls = tuple(filter(None, re.split(rf"[\s,]+(?={_SCHEME})|[\s,]+$|^[\s,]+", text)))
    for number, url in enumerate(urls, 1):
        if not re.match(_SCHEME, url) or re.search(r"\s", url):
            raise ValueError(
                f"target {number} is no URL; write each as mailtos://…, slack://…, json://… or another of apprise's, "
                "with a space between two, and %20 for a space in one"
            )
    return urls


def project_default(key: str) -> str:
    """A value of `[tool.lakeloop]` in the project's pyproject.toml; '' where there is none."""
    pyproject = PROJECT / "pyproject.toml"
    if not pyproject.is_file():
        return ""
    return tomllib.loads(pyproject.read_text(encoding="utf-8")).get("tool", {}).get("lakeloop", {}).get(key, "")


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment with the given fields replaced; empty overrides are ignored.

    Where nobody names a use case and the project's own is not among those there are, the only one there is meant.

    Raises:
        WrongUseError: the environment holds a value of the wrong kind; the text names each.
    """
    given = {key: value for key, value in overrides.items() if value not in (None, "")}
    try:
        settings = Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        raise WrongUseError(
            "\n  ".join(["settings that cannot be used:", *(_wrong(dict(mistake)) for mistake in error.errors())])
        ) from None
    there = {path.parent.name for path in settings.use_cases.glob("*/contract.yaml")}
    if "use_case" in settings.model_fields_set or settings.use_case in there or len(there) != 1:
        return settings
    return settings.model_copy(update={"use_case": there.pop()})


def _wrong(mistake: dict[str, Any]) -> str:
    """What is wrong with one setting; the value of one that may hold secrets is not told."""
    name = str(mistake["loc"][0])
    secret = name in Settings.model_fields and Settings.model_fields[name].annotation is SecretStr
    value = "" if secret else f" is {mistake['input']!r}"
    return (
        f"LAKELOOP_{'_'.join(map(str, mistake['loc'])).upper()}{value}: {mistake['msg'].removeprefix('Value error, ')}"
    )


def check_home(settings: Settings) -> None:
    """Raises WrongUseError if the home is no folder, or the lake would lie where Delta's library fails."""
    if settings.home.exists() and not settings.home.is_dir():
        raise WrongUseError(f"LAKELOOP_HOME is {settings.home}, which is not a folder; set it to one, existing or new")
    path = settings.area("lake")
    found = sorted({character for character in path if character in NOT_IN_PATHS})
    if found and "://" not in path:
        raise WrongUseError(
            f"the lake would be at {path}, and Delta tables cannot be kept below a folder with {' or '.join(found)} "
            "in its name; set LAKELOOP_HOME (or LAKELOOP_LAKE) to another one"
        )
