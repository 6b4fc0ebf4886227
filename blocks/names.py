"""The names of the blocks that the flows load. Written once: flows, registration and deployments read them here."""

from __future__ import annotations

POSTGRES = "tlc-postgres"
TLC_SOURCE = "tlc-source"
MIRROR_SOURCE = "mirror-source"
GCP = "tlc-gcp"
LAKE = "tlc-lake"
WAREHOUSE = "tlc-warehouse"
EVENTS = "tlc-events"
ALERTS = "tlc-alerts"
