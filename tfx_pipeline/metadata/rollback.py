"""ML Metadata's note that a pushed version was taken back: it is no champion any more, and says why."""

from lakeloop.use_case import UseCase
from tfx_pipeline.metadata.store import PUSHED_PROPERTY, VERSION_PROPERTY, artifacts_of, has_metadata, open_store

ROLLED_BACK_PROPERTY = "rolled_back"


def annotate_rollback(use_case: UseCase, version: str, why: str) -> bool:
    """Mark the version's PushedModel as not pushed; whether ML Metadata knows the version."""
    if not has_metadata(use_case.settings):
        return False
    with open_store(use_case.settings) as store:
        for push in artifacts_of(store, use_case.name, "PushedModel"):
            if push.custom_properties[VERSION_PROPERTY].string_value != version:
                continue
            push.custom_properties[PUSHED_PROPERTY].int_value = 0
            push.custom_properties[ROLLED_BACK_PROPERTY].string_value = why
            store.put_artifacts([push])
            return True
    return False
