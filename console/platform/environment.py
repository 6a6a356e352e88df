"""The environment all services of a home start with."""

import os

from console.platform.airflow_environment import PREFERENCES, airflow_environment, with_airflow
from console.platform.marked_processes import MARK
from console.platform.paths import home_of
from console.platform.services import prometheus_url
from lakeloop.access.generated import PLATFORM, token_file
from lakeloop.served_use_cases import default_use_case
from lakeloop.settings import Settings

_NOT_PASSED_ON = ("PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "PYTHONHOME", "NOTIFY_SOCKET", "LAKELOOP_TOKEN")


def service_environment(settings: Settings) -> dict[str, str]:
    """This process's environment, with what ties Airflow and every `lakeloop` command to this home and its ports."""
    own = with_airflow(settings)
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    asking = {"LAKELOOP_AUTH": "on", "LAKELOOP_TOKEN_FILE": str(token_file(settings, PLATFORM))}
    return {
        **PREFERENCES,
        **inherited,
        **airflow_environment(settings),
        "LAKELOOP_USE_CASE": default_use_case(settings),
        "LAKELOOP_SERVED_USE_CASES": ",".join(sorted(set(settings.served))),
        "LAKELOOP_USE_CASES": str(settings.use_cases.absolute()),
        "LAKELOOP_AIRFLOW_URL": own.airflow_url,
        "LAKELOOP_AIRFLOW_USER": own.airflow_user,
        "LAKELOOP_AIRFLOW_PASSWORD_FILE": str(own.airflow_password_file),
        "LAKELOOP_PROMETHEUS_URL": settings.prometheus_url or prometheus_url(settings),
        "PYTHONUNBUFFERED": "1",  # what a service prints is in its log at once
        **(asking if settings.asks_who else {}),
        MARK: str(home_of(settings)),
    }
