"""The panels as a Grafana dashboard, built with Grafana's own library; `lakeloop dashboards` writes the files."""

import json
from typing import TypeVar

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models

from monitoring.dashboard.panels import PANELS, Panel, Series

DATASOURCE_UID = "lakeloop-prometheus"
DASHBOARD_UID = "lakeloop-monitoring"
DATASOURCE = models.DataSourceRef(type_val="prometheus", uid=DATASOURCE_UID)
UNITS = {"none": "none", "share": "percentunit", "seconds": "s", "rows": "short", "score": "none"}
BOUND_COLOUR = "dark-red"
Built = TypeVar("Built", stat.Panel, timeseries.Panel)


def dashboard_json() -> str:
    """The dashboard as Grafana provisions it; the same text every time."""
    built = (
        dashboards.Dashboard("Lakeloop: drift and performance")
        .uid(DASHBOARD_UID)
        .description("What production looks like against what the serving model was trained on.")
        .tags(["lakeloop"])
        .refresh("10s")
        .time("now-1h", "now")
        .timezone("browser")
        .readonly()
        .with_variable(
            dashboards.QueryVariable("use_case")
            .label("use case")
            .datasource(DATASOURCE)
            .query("label_values(number_of_columns, use_case)")
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.ALPHABETICAL_ASC)
        )
    )
    for panel in PANELS:
        built.with_panel(_stat(panel) if panel.kind != "lines" else _lines(panel))
    return json.dumps(built.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _stat(panel: Panel) -> stat.Panel:
    """A big value; states in words and colour."""
    made = (
        stat.Panel()
        .title(panel.title)
        .description(panel.description)
        .datasource(DATASOURCE)
        .unit(UNITS[panel.unit])
        .no_value("no data")
        .height(4)
        .span(4)
        .graph_mode(common.BigValueGraphMode.NONE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_mode(common.BigValueColorMode.VALUE)
    )
    if panel.kind == "text":
        made.text_mode(common.BigValueTextMode.NAME)
    elif len(panel.series) > 1:
        made.text_mode(common.BigValueTextMode.VALUE_AND_NAME)
    else:
        made.text_mode(common.BigValueTextMode.VALUE)
    if panel.kind == "state":
        results = {
            str(value): models.ValueMappingResult(text=text, color="green" if good else "red", index=value)
            for value, (text, good) in enumerate(panel.states)
        }
        made.mappings([models.ValueMap(options=results)])
    return _with_targets(made, panel)


def _lines(panel: Panel) -> timeseries.Panel:
    """Lines over time; limits dashed."""
    made = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.description)
        .datasource(DATASOURCE)
        .unit(UNITS[panel.unit])
        .height(9)
        .span(12)
        .min(0)
        .line_width(2)
        .fill_opacity(0)
        .show_points(common.VisibilityMode.NEVER)
        .no_value("no data")
        .legend(
            common_builders.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    )
    for series in panel.series:
        if series.bound:
            made.override_by_regexp(
                f"^{series.name}.*",
                [
                    models.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [6, 6]}),
                    models.DynamicConfigValue("custom.lineWidth", 1),
                    models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": BOUND_COLOUR}),
                ],
            )
    if panel.unit == "share":
        made.max(1)
    return _with_targets(made, panel)


def _with_targets(panel: Built, of: Panel) -> Built:
    for position, series in enumerate(of.series):
        panel.with_target(_query(series, position, instant=of.kind != "lines"))
    return panel


def _query(series: Series, position: int, instant: bool) -> prometheus.Dataquery:
    query = prometheus.Dataquery().expr(series.expression()).legend_format(series.legend or "value")
    query.ref_id(chr(ord("A") + position)).datasource(DATASOURCE)
    return query.instant() if instant else query.range()
