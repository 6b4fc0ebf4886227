"""What a run may tell dbt to build."""

from __future__ import annotations

import pytest

from flows.dbt.wanted import Wanted
from flows.tlc.errors import ParameterError


@pytest.mark.parametrize("option", ["--project-dir", "--project-dir=/tmp/other", "--log-path", "-t", "--vars"])
def test_no_option_of_dbt_is_a_model(option: str) -> None:
    """dbt would take what follows, such as another project, for its own; ``select`` is a run's parameter."""
    for select in ((option, "/tmp/other"), ("daily_trips", option, "/tmp/other")):
        with pytest.raises(ParameterError, match=f"^{option} selects no model: it is an option of dbt.$"):
            Wanted("postgres", None, None, select, everything=False)


def test_models_and_dbts_ways_to_select_are_left_to_dbt() -> None:
    select = ("+daily_trips", "tag:nightly", "path:models/marts")
    assert Wanted("postgres", None, None, select, everything=False).select == select
