"""A use case's own Python files beside its contract: loaded each by itself, hashed, and what fails in them in words.

The process that a fetch runs in imports this module too: it needs the standard library alone.
"""

import ast
import hashlib
import inspect
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from lakeloop.exceptions import LakeloopError, OwnCodeError

_LOADED: dict[tuple[Path, str], ModuleType] = {}
_ONE_AT_A_TIME = threading.RLock()


class Known(NamedTuple):
    """What is known of a function that nobody has called: where it begins, its parameters that have a default, and the
    hash of the code it was loaded from.
    """

    line: int
    optional: frozenset[str]
    sha256: str


@dataclass(frozen=True)
class Foreign:
    """What stands for a value that cannot leave the process it was made in: its type, and how it shows itself."""

    kind: str
    shown: str

    def __repr__(self) -> str:
        return self.shown


def load_module(path: Path) -> ModuleType:
    """A use case's own Python file as a module of a name of its own; loaded once, and again when it has changed.

    What it imports from its own folder is its own too: two use cases may each have a `helpers.py`.

    Raises:
        OwnCodeError: it is not there, or cannot be imported.
    """
    path = path.absolute()
    if not path.is_file():
        raise OwnCodeError(path, 0, "there is no such file")
    sha256 = code_sha256(path)
    with _ONE_AT_A_TIME:
        if (path, sha256) not in _LOADED:
            _LOADED[path, sha256] = _loaded(path, f"use_case_{path.parent.name}_{path.stem}_{sha256[:8]}")
        return _LOADED[path, sha256]


def load_function(path: Path, name: str) -> Callable[..., Any]:
    """A function of that file.

    Raises:
        OwnCodeError: it cannot be imported, or has no such function.
    """
    module = load_module(path)
    found = getattr(module, name, None)
    if not callable(found):
        raise OwnCodeError(path, 0, f"it has no function `{name}`; write `def {name}(…):` in it")
    return found


def load_derived(path: Path, name: str, inputs: Sequence[str]) -> tuple[Callable[..., Any], Known]:
    """The function of a derived feature in that file.

    Raises:
        OwnCodeError: as `load_function`, or it cannot be called with what the feature is made of.
    """
    function = load_function(path, name)
    signature = inspect.signature(function)
    try:
        signature.bind(**dict.fromkeys(inputs))
    except TypeError as error:
        of = ", ".join(inputs)
        problem = f"`{name}` is derived from {of} by the contract: {error}; write `def {name}({of}):`"
        raise OwnCodeError(path, line_of(function), problem) from None
    optional = frozenset(one.name for one in signature.parameters.values() if one.default is not one.empty)
    return function, Known(line_of(function), optional, code_sha256(path))


def derived_by(function: Callable[..., Any], path: Path, given: Mapping[str, Any]) -> Any:
    """What a function makes of these values: None where arithmetic has no result, an OwnCodeError where it fails."""
    try:
        return function(**given)
    except ArithmeticError:
        return None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever others' code raises is told as theirs
        return failure_of(error, path)


def line_of(function: Callable[..., Any]) -> int:
    """Where a function begins; 0 where nobody knows."""
    code = getattr(function, "__code__", None)
    return 0 if code is None else code.co_firstlineno


@contextmanager
def own_errors(path: Path) -> Iterator[None]:
    """Around a call of what `path` holds: whatever is raised in it becomes an OwnCodeError with file and line."""
    try:
        yield
    except LakeloopError:
        raise
    except (Exception, SystemExit) as error:
        raise failure_of(error, path) from error


def failure_of(error: BaseException, path: Path) -> OwnCodeError:
    """What was raised, at the innermost line of the use case's own folder that it came from."""
    if isinstance(error, OwnCodeError):
        return error
    file, line = path, 0
    if isinstance(error, SyntaxError) and error.filename:
        file, line = Path(error.filename), error.lineno or 0
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(path.parent):
            file, line = Path(frame.filename), frame.lineno or 0
    said = "ended itself" if isinstance(error, SystemExit) else type(error).__name__
    text = str(error.msg if isinstance(error, SyntaxError) else error).strip()
    problem = f"{said}: {text.splitlines()[0]}" if text else said
    return OwnCodeError(file, line, problem + _remedy(error, path.parent))


def code_sha256(path: Path) -> str:
    """SHA-256 of a file and of those beside it that it imports, directly or by way of one another."""
    files = sorted(_with_imported(path.absolute(), set()))
    return hashlib.sha256(b"\0".join(file.name.encode() + b"\0" + file.read_bytes() for file in files)).hexdigest()


def function_problem(path: Path, name: str) -> str:
    """What keeps a file from having a function, found by reading it, not by running it; '' where nothing does.

    What is no Python is told by whoever runs it: it keeps nobody else from working.
    """
    if not path.is_file():
        return f"{path} does not exist"
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError):
        return ""
    return "" if name in _names(tree) else f"{path} has no function `{name}`"


def _loaded(path: Path, name: str) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = str(path)
    beside = {file.stem for file in path.parent.glob("*.py")}
    hidden = {one: sys.modules.pop(one) for one in beside & set(sys.modules)}  # what lies beside it comes first
    there = set(sys.modules)
    sys.modules[name] = module  # dataclasses and pickle look their module up by its name
    sys.path.insert(0, str(path.parent))
    try:
        with own_errors(path):
            # the very bytes that were hashed: Python's own cache takes a file of the same second and size for the same
            exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except OwnCodeError:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(path.parent))
        for imported in set(sys.modules) - there - {name}:
            if Path(getattr(sys.modules[imported], "__file__", None) or "/").is_relative_to(path.parent):
                del sys.modules[imported]
        sys.modules |= hidden
    return module


def _remedy(error: BaseException, folder: Path) -> str:
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    if _beside(folder, error.name):
        return "; import what lies beside it at the top of the file, not in a function"
    return f"; install what it needs into Lakeloop's environment, or do without `{error.name}`"


def _with_imported(path: Path, found: set[Path]) -> set[Path]:
    found.add(path)
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return found
    for name in _imported(tree):
        for file in _beside(path.parent, name):
            if file not in found:
                _with_imported(file, found)
    return found


def _imported(tree: ast.AST) -> Iterator[str]:
    """The first names of what is imported anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _beside(folder: Path, name: str) -> list[Path]:
    """The files of a module, or of a package, in a use case's folder; none where there is no such."""
    file = folder / f"{name}.py"
    return [file] if file.is_file() else sorted((folder / name).rglob("*.py"))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield node.asname or node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
