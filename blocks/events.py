"""The names of the events that flows emit and automations wait for, once for both."""

from __future__ import annotations

# A target has a month anew. Resource: tlc.month.<target>.<dataset>.<month>; payload: the load's report.
MONTH_LOADED = "tlc.month.loaded"
# The places do not have the same rows. Payload: dataset, months, targets, and a sentence that begins with the dataset.
RECONCILE_DIFFERS = "tlc.reconcile.differs"
# What watches runs begins to watch this one, if it does not yet: an event of a server that is killed is lost.
RUN_STILL_PENDING = "tlc.run.still-pending"
RUN_STILL_RUNNING = "tlc.run.still-running"
