"""What a gateway has counted so far, read from its `/metrics`."""

from collections import Counter
from dataclasses import dataclass, field

import httpx
from prometheus_client.parser import text_string_to_metric_families

from lakeloop.access.acting import authorization
from lakeloop.use_case import UseCase

SECONDS = 5.0
_PREFIX = "lakeloop_gateway_"


@dataclass(frozen=True)
class GatewayCounts:
    """Counts of one gateway since it started, or between two looks; `within`: requests by upper bound in seconds."""

    version: str
    answers: int
    model_errors: int
    within: Counter[float] = field(default_factory=Counter)

    def since(self, before: "GatewayCounts") -> "GatewayCounts":
        """What was added since another look; all of it where the gateway was started anew."""
        if self.answers < before.answers:
            return self
        within = Counter({bound: count - before.within[bound] for bound, count in self.within.items()})
        return GatewayCounts(
            self.version, self.answers - before.answers, self.model_errors - before.model_errors, within
        )

    def quantile_ms(self, share: float) -> float | None:
        """The time within which that share of requests was answered, in ms; None where none was.

        Linear within a bucket, as Prometheus' histogram_quantile does it; what is beyond the last bound counts as it.
        """
        total = self.within[float("inf")]
        if not total:
            return None
        wanted, low, below = share * total, 0.0, 0
        for bound in sorted(self.within):
            count = self.within[bound]
            if count >= wanted:
                if bound == float("inf"):
                    break
                return 1000 * (low + (bound - low) * (wanted - below) / max(1, count - below))
            low, below = bound, count
        return 1000 * low


def read_counts(use_case: UseCase) -> GatewayCounts | None:
    """The counts of this home's gateway for the use case; None where none answers."""
    try:
        answer = httpx.get(
            f"{use_case.settings.gateway}/metrics", timeout=SECONDS, trust_env=False,
            headers=authorization(use_case.settings.own_token),
        ).raise_for_status()  # fmt: skip
    except httpx.HTTPError:
        return None
    answers = errors = 0.0
    within: Counter[float] = Counter()
    version = ""
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            if sample.labels.get("use_case") != use_case.name:
                continue
            if sample.name == f"{_PREFIX}answers_total":
                answers += sample.value
            elif sample.name == f"{_PREFIX}model_unavailable_total":
                errors += sample.value
            elif sample.name == f"{_PREFIX}seconds_bucket":
                within[float(sample.labels["le"])] += int(sample.value)
            elif sample.name == f"{_PREFIX}model_version_info" and sample.value == 1:
                version = sample.labels["version"]
    return GatewayCounts(version, int(answers), int(errors), within)
