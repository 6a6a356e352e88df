"""Which files of code of its own a use case has beside its contract: each is found by its name."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lakeloop.contract import Contract
from lakeloop.contract.elsewhere import FETCH_FUNCTION
from lakeloop.contract.features import FEATURES_FILE
from lakeloop.contract.model import NETWORK
from lakeloop.derived_features import try_derived
from lakeloop.exceptions import OwnCodeError
from lakeloop.frozen_model import FrozenModel
from lakeloop.own_code import code_sha256, line_of, load_function, load_module

PREPROCESSING, MODEL, CHECKS = "preprocessing.py", "model.py", "checks.py"
RUN, BUILD = "run_fn", "build_model"
FUNCTIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    PREPROCESSING: {"preprocess": ("inputs", "learn")},
    MODEL: {RUN: ("fn_args",), BUILD: ("columns", "settings")},
    CHECKS: {"checks": ("model",)},
}
"""What a file of that name has to have: one of these functions, with what each is given.

`features.py` stands beside them: its functions are called as the contract's derived features are.
"""


class OwnFile(FrozenModel):
    """One such file; `sha256` is that of it and of those it imports from its folder."""

    path: Path
    sha256: str

    @property
    def name(self) -> str:
        """What it is found by: `checks.py`."""
        return self.path.name

    def has(self, name: str) -> bool:
        """Whether it has a function of that name; raises OwnCodeError where it cannot be imported."""
        return callable(getattr(load_module(self.path), name, None))

    def function(self) -> Callable[..., Any]:
        """The first function it must have that it has.

        Raises:
            OwnCodeError: it cannot be imported, has none, or one that cannot be called with what it is given.
        """
        module, wanted = load_module(self.path), FUNCTIONS[self.name]
        for name, given in wanted.items():
            found = getattr(module, name, None)
            if not callable(found):
                continue
            try:
                inspect.signature(found).bind(*given)
            except TypeError as error:
                raise OwnCodeError(self.path, line_of(found), f"{error}; write {_heads({name: given})}") from None
            return found
        raise OwnCodeError(self.path, 0, f"it has no function `{'` or `'.join(wanted)}`; write {_heads(wanted)} in it")


def own_files(folder: Path) -> dict[str, OwnFile]:
    """Those in a use case's folder, by their names."""
    paths = (folder.absolute() / name for name in (*FUNCTIONS, FEATURES_FILE))
    return {path.name: OwnFile(path=path, sha256=code_sha256(path)) for path in paths if path.is_file()}


def code_hashes(folder: Path, contract: Contract) -> dict[str, str]:
    """SHA-256 of every own file of a use case, its rules, fetch and generator too, by their names.

    Each is that of the file and of those it imports from its folder.
    """
    found = {name: file.sha256 for name, file in own_files(folder).items()}
    paths = {name: folder.absolute() / name for name in _named(contract)}
    return found | {name: code_sha256(path) for name, path in paths.items() if path.is_file()}


def own_code_problems(folder: Path, contract: Contract) -> dict[str, str]:
    """Every own file of a use case, its rules, fetch and generator too: '' where it can be used, or why it cannot.

    All of them are imported for that.
    """
    return {name: _problem(load) for name, load in _loads(folder, contract)}


def own_code_notes(folder: Path, contract: Contract) -> list[str]:
    """What is good but should be known of a use case's own files, a sentence each.

    Raises:
        OwnCodeError: a file cannot be imported.
    """
    model = own_files(folder).get(MODEL)
    if model is None or contract.model.kind == NETWORK or model.has(RUN):
        return []
    return [
        f"{MODEL}: its `{BUILD}` makes networks, and is not called, since the contract says `model: "
        f"{{kind: {contract.model.kind}}}`. It is with `--set kind={NETWORK}`"
    ]


def _loads(folder: Path, contract: Contract) -> Iterator[tuple[str, Callable[[], object]]]:
    for name, file in own_files(folder).items():
        yield name, file.function if name in FUNCTIONS else lambda file=file: try_derived(file.path, contract)  # type: ignore[misc]
    if contract.fallback is not None:
        rules, function = contract.fallback.rules.split(":")
        yield rules, lambda: load_function(folder / rules, function)
    for command in dict.fromkeys(source.fetch.command for source in contract.sources.values() if source.fetch):
        yield command, lambda command=command: load_function(folder / command, FETCH_FUNCTION)  # type: ignore[misc]
    if contract.generator:
        generator = folder / contract.generator
        yield contract.generator, lambda: load_function(generator, "sample")


def _named(contract: Contract) -> list[str]:
    """The files that a contract names: of its rules, of what is fetched, and its generator."""
    rules = [] if contract.fallback is None else [contract.fallback.rules.partition(":")[0]]
    fetched = [source.fetch.command for source in contract.sources.values() if source.fetch]
    return list(dict.fromkeys([*rules, *fetched, *filter(None, [contract.generator])]))


def _problem(load: Callable[[], object]) -> str:
    try:
        load()
    except OwnCodeError as error:
        return str(error)
    return ""


def _heads(functions: Mapping[str, tuple[str, ...]]) -> str:
    return " or ".join(f"`def {name}({', '.join(given)}):`" for name, given in functions.items())
