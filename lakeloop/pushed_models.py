"""The versions of a use case's model that were pushed: which there are, where each lies, and which of them serves."""

from pathlib import Path

from lakeloop.exceptions import NotFoundError
from lakeloop.use_case import UseCase

SAVED_MODEL = "saved_model.pb"
STATUS_SECONDS = 3.0


def pushed_versions(use_case: UseCase) -> list[str]:
    """The complete versions in the models folder, oldest first. Other folders in it are not versions."""
    return complete_versions(use_case.folder("models"))


def complete_versions(folder: Path) -> list[str]:
    """The same of a model's folder, for who has no contract of it; none where it is not there."""
    if not folder.is_dir():
        return []
    complete = [p.name for p in folder.iterdir() if p.name.isdigit() and (p / SAVED_MODEL).is_file()]
    return sorted(complete, key=int)


def pushed_version(use_case: UseCase, version: str = "") -> str:
    """That version, by default the newest.

    Raises:
        NotFoundError: nothing was pushed, or not that version; the text names those that were.
    """
    known = pushed_versions(use_case)
    if not known:
        raise NotFoundError(
            f"no model of {use_case.name} was pushed yet; `lakeloop train` pushes one the gate has blessed"
        )
    if version and version not in known:
        raise NotFoundError(f"there is no pushed version {version} of {use_case.name}; pushed: {', '.join(known)}")
    return version or known[-1]


def model_folder(use_case: UseCase, version: str = "") -> Path:
    """The folder of one pushed version, by default the newest; raises as `pushed_version`."""
    return use_case.folder("models").absolute() / pushed_version(use_case, version)


def serving_version(use_case: UseCase) -> str:
    """The newest pushed version the model server answers with; the newest pushed one where no server answers.

    What a server has of another models folder does not count.

    Raises:
        NotFoundError: nothing was pushed.
    """
    newest, served = pushed_version(use_case), available_versions(use_case)
    return next((version for version in reversed(pushed_versions(use_case)) if version in served), newest)


def serving_version_if_any(use_case: UseCase) -> str:
    """`serving_version`; '' where nothing was pushed."""
    return serving_version(use_case) if pushed_versions(use_case) else ""


def available_versions(use_case: UseCase) -> set[str]:
    """The versions that the model server answers with (TensorFlow Serving's status API); none where nobody answers."""
    import httpx  # here, since most who look for a pushed model ask no server

    try:
        address = f"{use_case.settings.model_server}/v1/models/{use_case.name}"
        states = httpx.get(address, timeout=STATUS_SECONDS, trust_env=False).json()["model_version_status"]
        return {str(state["version"]) for state in states if state["state"] == "AVAILABLE"}
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return set()
