"""Which versions of gold/training must stay readable, whatever their age."""

from lakeloop.decision_table import compared_versions
from lakeloop.use_case import UseCase
from tfx_pipeline.metadata.lineage.models import referred_versions
from tfx_pipeline.metadata.store import has_metadata, open_store


def versions_in_use(use_case: UseCase) -> set[int]:
    """Those that decisions compared models on or that ML Metadata's models were trained on."""
    compared = compared_versions(use_case)
    if not has_metadata(use_case.settings):
        return compared
    with open_store(use_case.settings) as store:
        return compared | referred_versions(store, use_case.name)
