"""Running dbt on the project in ``flows/analytics``, in a process of its own with the models' environment."""

from flows.dbt.process import DbtProcess, dbt_process, models_python
from flows.dbt.project import mart_names, project_version
from flows.dbt.wanted import Wanted

__all__ = ["DbtProcess", "Wanted", "dbt_process", "mart_names", "models_python", "project_version"]
