"""Every command: the module it is in and what it does in one line, so that a list of them imports none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MODEL_SERVER_FLAGS = (
    "TensorFlow Serving's flags are understood too, by their own names (--rest_api_timeout_in_ms=5000); "
    "`python -m serving.model_server --help` lists them."
)


@dataclass(frozen=True)
class Command:
    """A function `<name>_command` in a module of `console.cli`; `summary` is the first line of its docstring.

    `options` is what else Typer is to know: `hidden`, `epilog`, `context_settings`.
    """

    module: str
    summary: str
    options: Mapping[str, Any] = field(default_factory=dict)


GROUPS = {
    "contract": "The data contract: check it, show it as the data catalogue, exchange it as an open data contract.",
    "data": "Deliver a use case's data: from the generator or history beside its contract, or fetched from elsewhere.",
    "clock": "What time it is, in periods: the wall clock, or a simulated one. What is known depends on it.",
    "lake": "The lakehouse: bronze, silver, gold in Delta Lake on Spark.",
    "pipeline": "The TFX pipeline's definition.",
    "serve": "Start what answers clients. Everything listens on loopback by default.",
    "models": "The pushed versions of a model: which serves, and a hand on it: promote, pin, roll back, retire.",
    "fallback": (
        "Switch the model off for a segment or wholly: the rules answer. Running gateways follow within a second."
    ),
    "events": "The event ledger: drift and new ground truth, each once, until a run has handled it.",
    "notify": "Telling people: by mail, Slack, webhooks, each thing once. Where to is LAKELOOP_NOTIFY.",
    "token": "Who may act: tokens with roles (read, ask, decide, administer), asked for where LAKELOOP_AUTH is on.",
    "decisions": "The record of every retrain: candidates, checks, winner, who decided.",
    "lineage": (
        "Where something came from and what came of it: delivered files, tables, runs, models, decisions, requests."
    ),
    "window": "A closer look at one measured period of answered requests.",
    "features": "The features: what each means, where it comes from, how fresh it is, and which models use it.",
}
COMMANDS = {
    "new": Command(
        "new", "Write the first draft of a use case from a sample of its data: a contract, and the history to replay."
    ),
    "train": Command(
        "train", "Export gold, train, evaluate, gate and push a model. A model the gate refuses is not pushed (exit 3)."
    ),
    "validate": Command(
        "validate",
        "Evaluate a pushed model on one period's labelled data with the gate's own checks (exit 3 if it fails).",
    ),
    "reproduce": Command(
        "reproduce",
        "Make a pushed model once more: the lake as it was, the same settings; compare rows, statistics and gate.",
    ),
    "retrain": Command(
        "retrain",
        "Train candidates, check each by the gate, compare them with the champion, push the best and record it all.",
    ),
    "decide": Command(
        "decide",
        "Answer a decision that waits: promote anyway, change the requirement, keep the champion, or fall back.",
    ),
    "deploy": Command(
        "deploy",
        "Wait until the model server has a pushed version, ask it, watch the gateway, and take it back if it fails.",
    ),
    "simulate": Command(
        "simulate",
        "Ask each period's rows through the gateway, move a simulated clock, deliver ground truth when it is due.",
    ),
    "monitor": Command(
        "monitor", "Watch the answered requests for drift: metrics, alerts and events, beside the request path."
    ),
    "score": Command(
        "score", "Score a table's rows into gold/scores, with the same model, rules and switches as the gateway."
    ),
    "drift": Command("drift", "Measure the answered requests by period of event time and write gold/drift."),
    "performance": Command(
        "performance",
        "Estimate accuracy from calibrated confidence, and show it beside what was realised, period by period.",
    ),
    "analyse": Command(
        "analyse", "Compare a period with what a model was made from, and write an HTML report that opens offline."
    ),
    "dashboards": Command(
        "dashboards",
        "Write Grafana's dashboard from the panels of monitoring/dashboard, and its alert rules from Prometheus'.",
    ),
    "tensorboard": Command(
        "tensorboard",
        "Open TensorBoard over all runs, each by use case and pushed version or id; new ones appear while it is open.",
    ),
    "up": Command(
        "platform",
        "Start the whole platform: Airflow, model server, gateway, monitor, and Prometheus where it is installed.",
    ),
    "prepare": Command(
        "platform",
        "Migrate Airflow's database, compile the pipelines where due, list the models; then the services may start.",
    ),
    "down": Command(
        "platform", "Stop everything that `lakeloop up` started on this home, running tasks included, and nothing else."
    ),
    "status": Command(
        "platform",
        "Show every service: state, since when, process, URL; and every use case: state, model that serves, problem.",
    ),
    "logs": Command("platform", "Show what the services wrote last. Task logs are in Airflow's UI."),
    "demo": Command(
        "demo",
        "Close the loop once, through Airflow: data, model, a year of requests, drift, a retrain, new truth, another.",
    ),
    "exercise": Command(
        "exercise",
        "Train a model of half the contract's size and one of all of it on the same rows; push what passes the gate.",
    ),
    "report": Command(
        "report",
        "Write an HTML report about a pushed model: data, statistics, training, gate, answers, quality by period.",
    ),
    "contract check": Command(
        "contract", "Name every mistake in a contract at once, each with its line (exit 2), or say that it is good."
    ),
    "contract show": Command(
        "contract", "Render the data catalogue: what every column means, its unit, and what is allowed."
    ),
    "contract export": Command(
        "contract", "Write the contract in the Open Data Contract Standard (ODCS v3), for catalogues and other tools."
    ),
    "contract import": Command(
        "contract", "Make a use case's contract of one in the Open Data Contract Standard (ODCS v3)."
    ),
    "data generate": Command("data", "Write periods of data as delivery files, one a source and period."),
    "data fetch": Command(
        "data_fetch",
        "Fetch what is new of sources that come from elsewhere into the landing folder.",
    ),
    "data reference": Command(
        "data", "Write one period of reference data, features and truth, with `;` between the columns."
    ),
    "clock show": Command(
        "clock",
        "Say which period it is and why, to which one ground truth is due, and which periods have some in gold.",
    ),
    "clock set": Command(
        "clock", "Move a simulated clock forward and deliver the files that were held back until then."
    ),
    "lake keep-spark": Command(
        "spark",
        "Keep a warm Spark for the next commands that need it; ends when nobody asks any more.",
        {"hidden": True},
    ),
    "lake ingest": Command(
        "lake_ingest", "Take everything new in the landing folder through bronze and silver to gold."
    ),
    "lake bronze": Command(
        "lake_ingest", "Step 1 of an ingest alone: new landing files into bronze, as delivered, each once."
    ),
    "lake silver": Command(
        "lake_ingest",
        "Step 2 of an ingest alone: bronze into silver, typed and validated by the contract, one row a key.",
    ),
    "lake gold": Command(
        "lake_ingest",
        "Step 3 of an ingest alone: gold as silver is now; new ground truth becomes an event in the ledger.",
    ),
    "lake stream": Command(
        "lake_stream", "Take the request log into bronze/requests and silver/predictions, each request exactly once."
    ),
    "lake tables": Command("lake_tables", "List the tables with their rows, version and size."),
    "lake show": Command("lake_tables", "Print a table's first rows, as it is or as it was at a version."),
    "lake history": Command("lake_tables", "List a table's versions: when, by which operation, how many rows."),
    "lake clusters": Command("lake_clusters", "Print which things are alike: the clusters with names and centres."),
    "lake export": Command("export", "Write one version of gold/training as CSV shards (train, eval) with a manifest."),
    "lake optimize": Command(
        "lake_upkeep",
        "Compact small files into larger ones; readers notice nothing. It waits for whoever writes tables.",
    ),
    "lake vacuum": Command("lake_upkeep", "Remove files that no kept version needs."),
    "pipeline compile": Command(
        "pipeline", "Compile the pipeline to its intermediate representation (ir.pb) and its task graph (graph.json)."
    ),
    "pipeline node": Command(
        "pipeline",
        "Run one node of an open run in this process; again after a failure: what ran before is taken as it is.",
    ),
    "serve models": Command(
        "serve_models",
        "Serve the champions of all use cases over TensorFlow Serving's APIs; new ones go live at once.",
        {"context_settings": {"allow_extra_args": True, "ignore_unknown_options": True}, "epilog": MODEL_SERVER_FLAGS},
    ),
    "serve gateway": Command(
        "serve_gateway", "Answer requests: check them by the contract, ask the model or the rules, log every answer."
    ),
    "models list": Command(
        "models", "List the pushed versions, the newest first: which serves, which did before, which are retired."
    ),
    "models show": Command("models", "Say what serves, since when, by whom and why; and what was decided before."),
    "models promote": Command(
        "models",
        "Have a pushed version serve; the one that serves now is the one before. The next push takes over again.",
    ),
    "models pin": Command(
        "models", "Have a version serve until it is unpinned: neither a push nor a retrain replaces it."
    ),
    "models unpin": Command("models", "Let pushes replace the version that serves again, from the next one on."),
    "models rollback": Command(
        "models", "Have the version serve that did before; it is still loaded, so it takes a moment."
    ),
    "models challenge": Command(
        "models", "Try a pushed version beside the champion by the contract's `release`, as if it were pushed now."
    ),
    "models abort": Command("models", "End the challenge that is under way: the champion stays."),
    "models retire": Command("models", "Take a version out of service for good; its folder, records and lineage stay."),
    "models restore": Command("models", "Take back that a version was retired: it may be promoted again."),
    "fallback add": Command("fallback", "Switch the model off; it stays on record who did and why."),
    "fallback list": Command("fallback", "Say what is switched off."),
    "fallback remove": Command("fallback", "Switch the model on again."),
    "events list": Command("events", "Say what is open."),
    "events show": Command("events", "Print one event with its payload, as JSON."),
    "notify test": Command(
        "notify", "Send one message to each target, and say what came of it (exit 1 if one failed)."
    ),
    "notify list": Command("notify", "Say what people were told, of all use cases, and what waits for a target."),
    "token create": Command("token", "Make somebody's token and show it, this once."),
    "token list": Command("token", "Say who has a token, with which role; never the tokens."),
    "token revoke": Command(
        "token", "End somebody's token: services refuse it within a second, and Airflow lets nobody in by that name."
    ),
    "decisions list": Command(
        "decisions", "List the decisions, and the retrains that came to none or have not yet, the oldest first."
    ),
    "decisions show": Command("decisions", "Show one decision with every check of every candidate."),
    "decisions begin": Command(
        "decision_stages",
        "Open a decision: say why it is made and take every open event of the ledger, whatever woke this run.",
    ),
    "decisions plan": Command(
        "decision_stages",
        "Look at truth, drift and requests, choose candidates, export their rows, open their runs, check the champion.",
    ),
    "decisions score": Command(
        "decision_stages",
        "Score one candidate by its run: the gate's verdict and its accuracy on the rows all are compared on.",
    ),
    "decisions compare": Command(
        "decision_stages",
        "Compare candidates with the champion and say what follows; a decision that waits for a person is recorded.",
    ),
    "decisions record": Command(
        "decision_stages",
        "Put a decision in gold/decisions, on its page and in ML Metadata, with the version that was pushed.",
    ),
    "decisions open": Command(
        "decision_stages",
        "Name the events of the ledger that came while a retrain was at work: the next one takes them.",
    ),
    "decisions finish": Command(
        "decision_stages",
        "End a retrain in steps: let the next one begin, and open the events of one that came to no decision again.",
    ),
    "lineage prediction": Command("lineage", "From an answered request back to the files its model was made from."),
    "lineage model": Command(
        "lineage", "From a model back to its files, its decision and its event; and on to what it answered."
    ),
    "lineage table": Command(
        "lineage", "From a table's version back to the files in it, and on to the models trained on it."
    ),
    "lineage file": Command("lineage", "From a delivered file on to the tables and models that were made of it."),
    "lineage run": Command("lineage", "From a run back to its data and its event, and on to what it made."),
    "lineage affected-by": Command(
        "lineage", "Name the clusters, models and predictions that a bad delivery has touched."
    ),
    "window list": Command("window", "List the periods that `lakeloop drift` has measured."),
    "window statistics": Command(
        "window",
        "Count a period's requests with TFDV, beside the training rows, and check them against the model's schema.",
    ),
    "window report": Command(
        "window",
        "Write Evidently's own report of a period against what it was measured against, as a rule its training rows.",
    ),
    "features list": Command("features", "List every feature of the contract with its source, freshness and models."),
    "features show": Command("features", "Tell all there is to know of one column."),
    "features read": Command(
        "features_read",
        "Write feature values as they were known at a point in time, with the label where it was known by then.",
    ),
    "features skew": Command(
        "features_skew",
        "Compare what the gateway served with what training saw of the same rows (exit 1 where they differ).",
    ),
}
