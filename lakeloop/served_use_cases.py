"""Which use cases services serve: those of the folder, or those of them that the settings name. No contract is read
but where a function says so.
"""

from pathlib import Path

from lakeloop.exceptions import ContractError, LakeloopError, WrongUseError
from lakeloop.settings import Settings
from lakeloop.use_case import CONTRACT_FILE, UseCase, open_use_case


def use_case_folders(settings: Settings) -> dict[str, Path]:
    """The folders with a contract, by the names of their use cases, sorted."""
    return {path.parent.name: path.parent for path in sorted(settings.use_cases.glob(f"*/{CONTRACT_FILE}"))}


def served_names(settings: Settings) -> list[str]:
    """The use cases that are served, sorted."""
    there = use_case_folders(settings).keys()
    return sorted(there & set(settings.served) if settings.served else there)


def default_use_case(settings: Settings) -> str:
    """The settings' own use case where it is served, else the first that is; '' where there is none."""
    served = served_names(settings)
    return settings.use_case if settings.use_case in served else next(iter(served), "")


def check_served(settings: Settings) -> None:
    """Raises WrongUseError where the settings name a use case that is not there, or there is none at all."""
    there = use_case_folders(settings)
    named = {settings.use_case} if "use_case" in settings.model_fields_set else set()
    for name in sorted({*settings.served, *named} - there.keys()):
        raise WrongUseError(
            f"there is no use case {name!r} in {settings.use_cases}; use cases there: {', '.join(there) or 'none'}"
        )
    if not there:
        raise WrongUseError(
            f"there is no use case in {settings.use_cases}: no folder there has a {CONTRACT_FILE}; "
            "`lakeloop new` drafts one, or set LAKELOOP_USE_CASES"
        )


def open_served(settings: Settings) -> tuple[list[UseCase], dict[str, LakeloopError]]:
    """The served use cases whose contract is good, and by name why the others' is not."""
    good, problems = [], {}
    for name in served_names(settings):
        try:
            good.append(open_use_case(settings, name))
        except LakeloopError as problem:
            problems[name] = problem
    return good, problems


def in_brief(name: str, problem: LakeloopError) -> str:
    """Why a use case is refused, in one line: of a contract the first mistake, how many more there are, and the command
    that tells them all.
    """
    if not isinstance(problem, ContractError):
        return str(problem).partition("\n")[0]
    first, *more = problem.problems
    others = f"and {len(more)} more: " if more else ""
    line = first.partition("\n")[0]
    return f"{line} ({others}`lakeloop contract check -u {name}`)"
