"""Made-up months under their first name: see ``deployments.tlc_site.synthetic.months``."""

from deployments.tlc_site.synthetic.months import *  # noqa: F403
