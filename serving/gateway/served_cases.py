"""All use cases of the gateway, by their paths: made, exchanged when their folder changes, and stopped."""

import asyncio
import logging

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.registry import Collector

from lakeloop.exceptions import LakeloopError
from lakeloop.live_use_cases import LiveUseCases
from lakeloop.served_use_cases import in_brief
from serving.gateway.answer_model import GatewayHealth, Health, UseCaseHealth
from serving.gateway.answer_routes import Route
from serving.gateway.metrics import PREFIX
from serving.gateway.openapi import Described
from serving.gateway.refusal import refusal
from serving.gateway.served_case import ServedCase

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
"""How long what is under way has after its use case was exchanged or is gone."""


class ServedCases:
    """The use cases that are served. `routes` are the answer path's, and change in place.

    Raises:
        LakeloopError: there is none that can be served.
    """

    def __init__(self, live: LiveUseCases) -> None:
        self._live = live
        self._registry = CollectorRegistry()
        self._problem = Gauge(
            f"{PREFIX}_contract_problem", "1 while the newest contract of a use case is not in force.", ("use_case",),
            registry=self._registry,
        )  # fmt: skip
        self._following: asyncio.Task[None] | None = None
        self._leaving: dict[ServedCase, asyncio.Task[None]] = {}
        self.routes: dict[str, Route] = {}
        self._cases = live.made(live.look().new, ServedCase)
        if not self._cases:
            problems = list(live.problems.values())
            raise problems[0] if len(problems) == 1 else LakeloopError("\n".join(map(str, problems)))
        self._wire()

    @property
    def default(self) -> ServedCase:
        """The use case that is asked where a path names none: the settings' own, or the first there is."""
        wanted = self._live.settings.use_case
        return self._cases.get(wanted) or self._cases[min(self._cases)]

    def named(self, name: str) -> ServedCase:
        """A use case by its name. Raises RefusedRequestError: 404 names those there are."""
        case = self._cases.get(name)
        if case is None:
            refused = self._live.problems.get(name)
            why = f"use case {name} is not served: {refused}" if refused else f"there is no use case {name!r} here"
            raise refusal(404, f"{why}; there are {', '.join(sorted(self._cases))}")
        return case

    def described(self) -> list[Described]:
        """What all take and give, the default first."""
        others = [case for name, case in sorted(self._cases.items()) if case is not self.default]
        return [self.default.described(""), *(case.described(f"/{case.name}") for case in others)]

    def health(self) -> GatewayHealth:
        """The default's, and in short that of all, those that cannot be served among them."""
        found = {name: self.health_of(case) for name, case in self._cases.items()}
        briefly = {name: in_brief(name, problem) for name, problem in self._live.problems.items()}
        listed = [
            *(
                UseCaseHealth(
                    name=name,
                    status=one.status,
                    model_version=one.model_version,
                    problem=briefly.get(name) or one.problem,
                )
                for name, one in found.items()
            ),
            *(
                UseCaseHealth(name=name, status="refused", model_version=None, problem=why)
                for name, why in briefly.items()
                if name not in found
            ),
        ]
        own = found[self.default.name].model_dump()
        return GatewayHealth(**own, use_cases=sorted(listed, key=lambda one: one.name))

    def health_of(self, case: ServedCase) -> Health:
        """What the answers of one stand on."""
        return case.health(str(self._live.problems.get(case.name, "")))

    def page(self, case: ServedCase, path: str) -> str:
        """The client page of one that stands at `path`, with a way to the others."""
        return case.page(path, {name: other.contract.title for name, other in sorted(self._cases.items())})

    def collectors(self) -> list[Collector]:
        """Everything that is counted."""
        self._problem.clear()
        for name in {*self._cases, *self._live.problems}:
            self._problem.labels(name).set(name in self._live.problems)
        return [*(case.parts.metrics for case in self._cases.values()), self._registry]

    async def start(self) -> None:
        """Start all, and follow the folder."""
        await asyncio.gather(*(case.parts.start() for case in self._cases.values()))
        self._following = asyncio.create_task(self._live.follow(self._look))

    async def stop(self) -> None:
        """Stop following, then all that answers."""
        if self._following is not None:
            self._following.cancel()
        for leaving in self._leaving.values():
            leaving.cancel()
        await asyncio.gather(*(case.parts.stop() for case in (*self._cases.values(), *self._leaving)))

    async def _look(self) -> None:
        changes = await asyncio.to_thread(self._live.look)
        made = await asyncio.to_thread(self._live.made, changes.new, ServedCase)
        leaving = [self._cases[name] for name in {*changes.gone, *made} & self._cases.keys()]
        for name, case in made.items():
            before = self._cases.get(name)
            await case.parts.start(before.parts if before is not None else None)
            log.info("event=use_case_served use_case=%s schema=%s", name, case.contract.schema_sha256[:12])
        kept = {name: case for name, case in self._cases.items() if name not in changes.gone}
        if kept or made:  # the last one is kept: a gateway without any could say nothing
            self._cases = kept | made
            self._wire()
            for case in leaving:
                self._leaving[case] = asyncio.create_task(self._leave(case))

    async def _leave(self, case: ServedCase) -> None:
        await asyncio.sleep(DRAIN_SECONDS)
        await case.parts.stop()
        del self._leaving[case]

    def _wire(self) -> None:
        """The answer path's routes: exchanged at once, between two requests."""
        routes: dict[str, Route] = {}
        for case in self._cases.values():
            below = ["", f"/{case.name}"] if case is self.default else [f"/{case.name}"]
            for path, answerer in case.answerers().items():
                routes.update({f"{start}{path}": Route(answerer, case.refused) for start in below})
        self.routes.clear()
        self.routes.update(routes)
