"""A login for the server that Prefect starts if no API is configured, on a port of this machine.

Without one, every local user could read the blocks' secrets and save other blocks, for as long as a run takes; so could
any web page in the user's browser.
"""

from __future__ import annotations

import prefect.context
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_SERVER_API_AUTH_STRING,
    PREFECT_SERVER_CORS_ALLOWED_ORIGINS,
    Settings,
)

from blocks.login import new_login

# No origin has this name. Prefect takes an empty text for its default: all.
_NO_ORIGIN = "none"


def ask_for_login() -> None:
    """Have that server ask for a login, and this process give it; nothing if Prefect's settings name an API.

    Call it as soon as what may start that server is imported; again and again without harm. The login is in Prefect's
    settings of this process alone, of which that server has a copy, and not in the environment: a process that is
    started with another server's URL gives that server no login of ours. Whoever names a server later, by Prefect's
    ``temporary_settings``, gives ``PREFECT_API_AUTH_STRING`` too.
    """
    context = prefect.context.GLOBAL_SETTINGS_CONTEXT
    if context.settings.api.url:
        return
    login = _login(context.settings)
    settings = context.settings.copy_with_update(
        updates={PREFECT_SERVER_API_AUTH_STRING: login, PREFECT_API_AUTH_STRING: login},
        set_defaults={PREFECT_SERVER_CORS_ALLOWED_ORIGINS: _NO_ORIGIN},
    )
    prefect.context.GLOBAL_SETTINGS_CONTEXT = prefect.context.SettingsContext(
        profile=context.profile, settings=settings
    )


def _login(settings: Settings) -> str:
    """The user's own, for a server or of its client, if there is one."""
    given = settings.server.api.auth_string or settings.api.auth_string
    return given.get_secret_value() if given else new_login()
