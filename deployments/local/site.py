"""The stand-in for the TLC site under its first name: see ``deployments.tlc_site.site``."""

from deployments.tlc_site.site import TripSite

__all__ = ["TripSite"]
