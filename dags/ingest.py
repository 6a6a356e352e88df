"""Landing files to gold, woken by the files."""

from airflow.sdk import DAG

from dags.announce import AnnounceOperator, FailIfAnyOperator
from dags.assets import asset, landing_asset
from dags.commands import lakeloop_task
from dags.options import dag_options
from lakeloop.use_case import UseCase

TEXT = """
Takes every new file of the landing folder through bronze (as delivered) and silver (typed, validated) to gold (features
joined with ground truth). It starts by itself when a file is complete: renamed from `.part`, or unchanged for 5 s.
Repeating it changes nothing.

Files go to `{folder}/<source>/`: {files}.
"""
BRONZE = "New files as they were delivered, each once. XCom names those taken and those refused."
SILVER = "Rows that break the contract go to `silver/rejects` with file, line and reason; the others are merged by key."
GOLD = "Features joined with ground truth. Emits `{use_case}/gold` with the table's version and rows."
TRUTH = """Emits `{use_case}/ground_truth` when rows with ground truth came, which starts a retraining. The ledger has
the same event under the same number (`lakeloop events list`). Skipped: no new truth came."""
REFUSED = "Red when a file was refused, with the reason; everything else was taken. Deliver a corrected file."


def make_ingest(use_case: UseCase) -> DAG:
    """The DAG `<use case>_ingest`."""
    contract = use_case.contract
    case = use_case.name
    folder = use_case.folder("landing")
    files = ", ".join(f"`{name}/{source.files_in_words}`" for name, source in contract.sources.items())
    text = TEXT.format(folder=folder, files=files)
    with DAG(schedule=[landing_asset(use_case)], **dag_options(contract, "ingest", text)) as dag:
        bronze = lakeloop_task("bronze", "lake", "bronze", "--go-on", use_case=case, doc_md=BRONZE)
        silver = lakeloop_task("silver", "lake", "silver", use_case=case, doc_md=SILVER)
        gold = lakeloop_task(
            "gold", "lake", "gold", use_case=case, outlets=[asset(case, "gold")], doc_md=GOLD.format(use_case=case)
        )
        truth = AnnounceOperator(
            task_id="ground_truth",
            about=asset(case, "ground_truth"),
            result=gold.output,
            part="new_truth",
            otherwise="no new ground truth came",
            doc_md=TRUTH.format(use_case=case),
        )
        refused = FailIfAnyOperator(
            task_id="refused_files",
            result=bronze.output,
            part="refused",
            what="refused; everything else was taken",
            doc_md=REFUSED,
        )
        bronze >> silver >> gold >> truth
        bronze >> refused
    return dag
