"""Which versions of gold/training must stay readable, whatever their age."""

from lakeloop.decision_table import judged_versions
from lakeloop.settings import Settings
from tfx_pipeline.metadata.lineage.models import referred_versions
from tfx_pipeline.metadata.store import has_metadata, open_store


def versions_in_use(settings: Settings) -> set[int]:
    """Those that decisions were judged on or that ML Metadata's models were trained on."""
    judged = judged_versions(settings)
    if not has_metadata(settings):
        return judged
    with open_store(settings) as store:
        return judged | referred_versions(store, settings.use_case)
