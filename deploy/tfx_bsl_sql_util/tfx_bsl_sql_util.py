"""Makes `tfx_bsl.arrow.sql_util` importable in every process of the platform environment.

TFDV 1.16.1 imports that module at start, tfx-bsl 1.21 dropped it with ZetaSQL. `import tfx` puts a
mock in its place, but a bare TFDV import and worker processes (joblib, Beam) never see that mock.
The `.pth` beside this file registers a finder for that one name; nothing else is touched.
"""

import importlib.abc
import importlib.machinery
import sys
from types import ModuleType

NAME = "tfx_bsl.arrow.sql_util"


class _SqlUtilFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, fullname, path=None, target=None):
        return importlib.machinery.ModuleSpec(NAME, self) if fullname == NAME else None

    def create_module(self, spec):
        return ModuleType(NAME)

    def exec_module(self, module):
        class RecordBatchSQLSliceQuery:
            def __init__(self, *args, **kwargs):
                raise RuntimeError(
                    "slicing statistics by SQL needs tfx-bsl's sql_util, which tfx-bsl 1.21 "
                    "dropped; use slice functions or slicing specs instead"
                )

        module.RecordBatchSQLSliceQuery = RecordBatchSQLSliceQuery


def register() -> None:
    """Append the finder once; a real `sql_util`, if a later tfx-bsl ships one, wins."""
    if not any(isinstance(finder, _SqlUtilFinder) for finder in sys.meta_path):
        sys.meta_path.append(_SqlUtilFinder())
