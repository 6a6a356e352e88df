"""One decision as a page that opens without a network."""

from pathlib import Path

import jinja2
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from lakeloop.contract import Contract
from lakeloop.decision import OUTCOMES, Decision
from lakeloop.report.figures import BLUE, GREEN, GREY, ORANGE

CHAMPION = "champion"


def write_decision(decision: Decision, contract: Contract, path: Path) -> Path:
    """Write the page; readers see the old or the new one, never half of it."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lakeloop.report", ""), autoescape=True, undefined=jinja2.StrictUndefined
    )
    picture = scores(decision)
    page = environment.get_template("decision.html").render(
        decision=decision,
        contract=contract,
        outcome=OUTCOMES[decision.outcome],
        names=check_names(decision),
        picture=picture.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False})
        if picture.data
        else "",
        plotly=get_plotlyjs() if picture.data else "",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(page, encoding="utf-8")
    return part.rename(path)


def check_names(decision: Decision) -> list[str]:
    """Every check any candidate was judged by, in the gate's order."""
    names = [check.name for candidate in decision.candidates for check in candidate.checks]
    return list(dict.fromkeys(names))


def scores(decision: Decision) -> go.Figure:
    """Champion and candidates on the same rows; who failed the gate is hatched and grey."""
    bars = [(c.name, c.score, (BLUE if c.name == decision.winner else ORANGE) if c.passed else GREY, c.passed)
            for c in decision.candidates if c.score is not None]  # fmt: skip
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
    figure.update_layout(
        template="plotly_white",
        height=80 + 44 * len(bars),
        margin={"l": 20, "r": 20, "t": 10, "b": 40},
        font={"family": "system-ui, sans-serif", "size": 13},
    )
    figure.update_xaxes(title="accuracy on the rows compared on", range=[0, 1], tickformat=".0%")
    figure.update_yaxes(autorange="reversed", automargin=True)
    return figure
