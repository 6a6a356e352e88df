"""Files that a use case's own code fetched, as part of an answer: which code that was."""

from lakeloop.contract import Contract
from lakeloop.own_code import code_sha256
from lakeloop.use_case import UseCase
from operations.fetching.fetched_history import fetched_folder
from operations.fetching.landed import code_of_files
from operations.lineage.graph import LineageDraft


def add_fetching_code(draft: LineageDraft, use_case: UseCase) -> None:
    """Say of every file in an answer that was fetched by which code, and whether that is still the same."""
    commands, landing = _commands(use_case.contract), use_case.folder("landing")
    known = {
        source: code_of_files(fetched_folder(use_case), source) | code_of_files(landing, source) for source in commands
    }
    for item in draft.of_kind("file"):
        title = item.rpartition(" batch ")[0]
        source, _, file = title.partition("/")
        sha256 = known.get(source, {}).get(file)
        if sha256:
            path = use_case.own_folder / commands[source]
            same = path.is_file() and code_sha256(path) == sha256
            said = f"{commands[source]}, sha256 {sha256} ({'as it is now' if same else 'it has changed since'})"
            draft.add("file", item, title, {"fetched by": said})


def _commands(contract: Contract) -> dict[str, str]:
    return {name: source.fetch.command for name, source in contract.sources.items() if source.fetch is not None}
