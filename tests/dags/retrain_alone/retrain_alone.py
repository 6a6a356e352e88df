"""The folder of an Airflow that knows one DAG: insurance's retrain."""

from dags.retrain import make_retrain
from lakeloop.contract_file import load_contract
from lakeloop.settings import load_settings

_settings = load_settings(use_case="insurance")
dag = make_retrain(load_contract(_settings.contract_path), _settings)
