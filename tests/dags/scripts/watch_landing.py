"""watch_landing.py LOG FOLDER PATTERNS SECONDS: run the landing trigger; each event, with its time, goes to LOG."""

import asyncio
import json
import sys
import time
from pathlib import Path

from airflow.models.trigger import Trigger
from airflow.sdk.module_loading import import_string

from dags.landing import LandingTrigger


async def main() -> None:
    log, folder, patterns = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    path, arguments = LandingTrigger(folder, patterns, quiet_seconds=float(sys.argv[4])).serialize()
    Trigger(path, arguments)  # what the scheduler stores must be storable
    trigger = import_string(path)(**json.loads(json.dumps(arguments)))
    log.write_text("")
    async for event in trigger.run():
        with log.open("a") as stream:
            stream.write(json.dumps({"at": time.time(), **event.payload}) + "\n")


asyncio.run(main())
