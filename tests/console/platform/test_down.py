"""What `lakeloop down` ends besides the platform's own processes."""

import json
from pathlib import Path

from console.platform.down import stop_all
from lakeloop.local_server import END, sole_server
from lakeloop.settings import load_settings


def test_a_warm_spark_that_a_command_left_behind_is_told_to_end(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home", lake=str(tmp_path / "lake"))
    with (
        sole_server(tmp_path / "lake" / "_work" / "insurance", "java") as elsewhere,
        sole_server(tmp_path / "home" / "lake" / "_work" / "insurance", "java") as at_home,
    ):
        assert elsewhere is not None and at_home is not None
        stop_all(settings)
        for server in (elsewhere, at_home):
            server.settimeout(60)
            connection, _ = server.accept()
            with connection, connection.makefile() as lines:
                assert json.loads(lines.readline()) == END
