"""A served row is told from a skewed one by the delivered texts, read as the source's files are written."""

from pathlib import Path

import numpy as np
import pandas as pd
from deltalake import write_deltalake

from lakeloop.contract import Contract
from lakeloop.contract.read import Read
from lakeloop.drawn_rows import sample_period
from lakeloop.settings import Settings
from lakeloop.use_case import UseCase
from operations.features.corrected import corrected_since_served


def test_a_correction_is_recognised_however_numbers_and_gaps_are_written(contract: Contract, tmp_path: Path) -> None:
    source = contract.feature_source
    written = contract.sources[source].model_copy(update={"read": Read(separator=";", decimal=",", missing=("NA",))})
    own = contract.model_copy(update={"sources": {**contract.sources, source: written}})
    use_case = UseCase(Settings(home=tmp_path, use_case=contract.use_case), own)
    served = sample_period(use_case, 0).head(4).assign(age=[41.5, 42.25, 43.0, 44.0])
    numbers = [name for name, feature in own.features.items() if feature.type in ("int", "float")]
    texts = served.astype(dict.fromkeys(numbers, float)).astype(str)
    texts[numbers] = texts[numbers].apply(lambda column: column.str.replace(".", ",", regex=False))
    first = texts.assign(age=["41,5", "42,25", "43,0", "NA"])
    second = texts.assign(age=["50,5", "42,25", "1.000", "44,0"])
    deliveries = [part.assign(_delivery=number, _line=range(2, 6)) for number, part in enumerate((first, second), 1)]
    write_deltalake(use_case.table(f"bronze/{source}"), pd.concat(deliveries, ignore_index=True))
    found = corrected_since_served(use_case, served)
    assert np.array_equal(found, [True, False, False, False]), "only the first has two sets of values"
