"""Running dbt on the project in ``flows/analytics``, in a process of its own with the models' environment."""

from flows.dbt.process import DbtProcess, dbt_process, models_python
from flows.dbt.project import mart_names, project_version, selectable_names

__all__ = ["DbtProcess", "dbt_process", "mart_names", "models_python", "project_version", "selectable_names"]
