"""One decision as a page that opens without a network."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.report.figure_style import BLUE, GREEN, GREY, ORANGE, finish
from console.report.html_file import write_page
from lakeloop.contract import Contract
from lakeloop.contract.metrics import METRICS
from lakeloop.decision import OUTCOMES, Decision
from lakeloop.settings import Settings

if TYPE_CHECKING:
    import plotly.graph_objects as go

CHAMPION = "champion"


def decision_page(settings: Settings, decision_id: str) -> Path:
    """Where a decision's page lies."""
    return Path(settings.area("reports")) / "decisions" / f"{decision_id}.html"


def write_decision(decision: Decision, contract: Contract, path: Path) -> Path:
    """Write the page; readers see the old or the new one, never half of it."""
    created = decision.at.strftime("%Y-%m-%d %H:%M UTC")
    return write_page("decision.html", path, contract=contract, created=created, **decision_values(decision))


def decision_values(decision: Decision) -> dict[str, Any]:
    """What the page's template needs."""
    picture = scores(decision)
    return {
        "decision": decision,
        "outcome": OUTCOMES[decision.outcome],
        "bounds": common_bounds(decision),
        "by_name": [{check.name: check for check in candidate.checks} for candidate in decision.candidates],
        "picture": picture if picture.data else None,
    }


def common_bounds(decision: Decision) -> dict[str, str]:
    """Every check any candidate was held to, in the gate's order, with its bound; '' where that differs by rows."""
    bounds: dict[str, str] = {}
    for check in (check for candidate in decision.candidates for check in candidate.checks):
        bounds[check.name] = check.bound if bounds.get(check.name, check.bound) == check.bound else ""
    return bounds


def scores(decision: Decision) -> "go.Figure":
    """Champion and candidates on the same rows; who failed the gate is grey and hatched."""
    import plotly.graph_objects as go

    bars = [
        (c.name, c.score, (BLUE if c.name == decision.winner else ORANGE) if c.passed else GREY, c.passed)
        for c in decision.candidates
        if c.score is not None
    ]
    if decision.champion_score is not None:
        bars.insert(0, (CHAMPION, decision.champion_score, GREEN, True))
    figure = go.Figure()
    if not bars:
        return figure
    names, values, colours, passed = zip(*bars, strict=True)
    figure.add_trace(
        go.Bar(
            x=list(values),
            y=list(names),
            orientation="h",
            marker={"color": list(colours), "pattern": {"shape": ["" if good else "/" for good in passed]}},
            text=[f"{v:.3f}{'' if good else ' · failed the gate'}" for v, good in zip(values, passed, strict=True)],
            textposition="auto",
        )
    )
    shares = {"range": [0, 1], "tickformat": ".0%"} if METRICS[decision.decides].highest == 1 else {}
    figure.update_xaxes(title=f"{decision.decides} on the rows compared on", **shares)
    figure.update_yaxes(autorange="reversed", automargin=True)
    return finish(figure, 80 + 44 * len(bars), top=10)
