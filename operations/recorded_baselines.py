"""What a model has to beat, on its run's record: on all eval rows, and what the rows have now in each slice of them."""

from pathlib import Path

from lakeloop.use_case import UseCase
from operations.baselines import SplitBaselines, persistence_score, split_baselines
from operations.evaluation import exported_rows
from tfx_pipeline.runs.run_record import Evaluation, RunRecord, save_run


def run_baselines(use_case: UseCase, run: RunRecord, known: RunRecord | None = None) -> RunRecord:
    """The run with its model's baselines, which go on its record; as it is before the gate has checked it.

    `known`: another run on the same export, which may have them.
    """
    if run.gate is None or run.baselines:
        return run
    manifest = Path(run.parameters.manifest)
    if known is not None and known.baselines:
        found = SplitBaselines(known.baselines, known.baselines_decided)
    else:
        found = split_baselines(use_case, manifest)
    of_run = {
        "baselines": dict(found.shown),
        "baselines_decided": dict(found.decided),
        "evaluation": None if run.evaluation is None else beside_slices(use_case, manifest, run.evaluation),
    }
    return save_run(use_case, run.model_copy(update=of_run))


def beside_slices(use_case: UseCase, manifest: Path, evaluation: Evaluation) -> Evaluation:
    """An evaluation with the score of what the rows have now beside each slice's; as it is where no feature says that,
    or the slices are told by another metric than the gate's first.

    A slice whose rows the export does not have, such as one of a feature the pipeline makes, stays without.
    """
    contract = use_case.contract
    if contract.persistence is None or evaluation.metric != contract.gate.shown:
        return evaluation
    train, held_out = (exported_rows(contract, manifest, split) for split in ("train", "eval"))
    slices = []
    for one in evaluation.slices:
        rows = held_out
        if one.feature:
            rows = held_out[held_out[one.feature].astype(str) == one.value] if one.feature in held_out else held_out[:0]
        same = rows.reset_index(drop=True)
        score = persistence_score(use_case, train, same) if len(same) == one.rows > 0 else None
        slices.append(one.model_copy(update={"persistence_score": score}))
    return evaluation.model_copy(update={"slices": tuple(slices)})
