"""A container's health check: `python -m console.platform.container_health URL [COMPONENT | --token FILE]`; exit code
0 if it works.

COMPONENT is for Airflow's parts without a port of their own, which report through the api-server: `scheduler`,
`dag_processor`, `triggerer`. FILE holds the token that the service asks for. Standard library only, because every
container runs it twice a minute.
"""

import http.client
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

SECONDS = 10.0


def problem(url: str, component: str = "", token_file: str = "") -> str:
    """What is wrong with the service at `url`, in one sentence; '' if it works."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        shown = (
            {"Authorization": f"Bearer {Path(token_file).read_text(encoding='utf-8').strip()}"} if token_file else {}
        )
    except OSError as error:
        return f"its token cannot be read: {error}"
    try:
        with opener.open(urllib.request.Request(url, headers=shown), timeout=SECONDS) as answer:
            content = answer.read()
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code}"
    except (OSError, http.client.HTTPException) as error:
        return f"{url} does not answer ({error})"
    return component_problem(url, content, component) if component else ""


def component_problem(url: str, content: bytes, component: str) -> str:
    """The same for one component of Airflow's health report: `{"scheduler": {"status": "healthy", …}, …}`."""
    try:
        status = json.loads(content)[component]["status"]
    except (ValueError, LookupError, TypeError):
        return f"{url} says nothing about {component}"
    return "" if status == "healthy" else f"{component} is {status or 'not running'}"


def main(arguments: list[str]) -> int:
    """Exit code 0: it works, 1: it does not (standard error says why), 2: wrong use."""
    url, *more = arguments or [""]
    if not url or len(more) > 2 or (len(more) == 2 and more[0] != "--token") or more == ["--token"]:
        sys.stderr.write("usage: python -m console.platform.container_health URL [COMPONENT | --token FILE]\n")
        return 2
    found = problem(url, token_file=more[1]) if len(more) == 2 else problem(url, *more)
    if found:
        sys.stderr.write(f"{found}\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
