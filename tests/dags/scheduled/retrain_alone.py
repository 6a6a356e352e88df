"""The one DAG of the project that this folder's Airflow knows: insurance's retrain."""

from dags.retrain import make_retrain
from lakeloop.settings import load_settings
from lakeloop.use_case import open_use_case

_settings = load_settings(use_case="insurance")
dag = make_retrain(open_use_case(_settings))
