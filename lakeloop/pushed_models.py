"""The versions of a use case's model that were pushed: which there are, where each lies, and which of them serves."""

from pathlib import Path

from lakeloop.exceptions import NotFoundError
from lakeloop.model_folders import complete_versions
from lakeloop.release_state import Release
from lakeloop.use_case import UseCase

STATUS_SECONDS = 3.0
AVAILABLE, ENDED = "AVAILABLE", "END"
"""States of a version in TensorFlow Serving's words."""


def pushed_versions(use_case: UseCase) -> list[str]:
    """The complete versions in the models folder, oldest first. Other folders in it are not versions."""
    return complete_versions(use_case.folder("models"))


def pushed_version(use_case: UseCase, version: str = "") -> str:
    """That version, by default the champion.

    Raises:
        NotFoundError: nothing was pushed, or not that version, or all are retired; the text names those that were.
    """
    known = pushed_versions(use_case)
    if not known:
        raise NotFoundError(
            f"no model of {use_case.name} was pushed yet; `lakeloop train` pushes one the gate has blessed"
        )
    if version and version not in known:
        raise NotFoundError(f"there is no pushed version {version} of {use_case.name}; pushed: {', '.join(known)}")
    wanted = version or _release(use_case).champion
    if not wanted:
        raise NotFoundError(
            f"every pushed version of {use_case.name} is retired ({', '.join(known)}); "
            f"`lakeloop models restore VERSION -u {use_case.name}` takes that back, "
            f"`lakeloop train -u {use_case.name}` pushes another one"
        )
    return wanted


def model_folder(use_case: UseCase, version: str = "") -> Path:
    """The folder of one pushed version, by default the champion's; raises as `pushed_version`."""
    return use_case.folder("models").absolute() / pushed_version(use_case, version)


def serving_version(use_case: UseCase) -> str:
    """The pushed version that the model server answers with: the champion, or the newest it has; the champion where no
    server answers.

    What a server has of another models folder does not count, nor what is retired or was not promoted.

    Raises:
        NotFoundError: nothing was pushed, or all are retired.
    """
    champion, served = pushed_version(use_case), available_versions(use_case)
    release = _release(use_case)
    passed_over = release.retired | release.held
    order = [champion, *(version for version in reversed(pushed_versions(use_case)) if version not in passed_over)]
    return next((version for version in order if version in served), champion)


def serving_version_if_any(use_case: UseCase) -> str:
    """`serving_version`; '' where nothing was pushed, or all are retired."""
    return serving_version(use_case) if _release(use_case).champion else ""


def available_versions(use_case: UseCase) -> set[str]:
    """The versions that the model server answers with; none where nobody answers."""
    states = version_states(use_case.settings.model_server, use_case.name)
    return {version for version, state in states.items() if state == AVAILABLE}


def version_states(model_server: str, name: str) -> dict[str, str]:
    """How the versions of a model are, by TensorFlow Serving's status API; nothing where nobody answers."""
    import httpx  # here, since most who look for a pushed model ask no server

    try:
        states = httpx.get(f"{model_server}/v1/models/{name}", timeout=STATUS_SECONDS, trust_env=False).json()
        return {str(state["version"]): str(state["state"]) for state in states["model_version_status"]}
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return {}


def _release(use_case: UseCase) -> Release:
    from lakeloop.releases import read_release  # SQLAlchemy: who looks for a version by its number asks no database

    return read_release(use_case.settings, use_case.name)
