"""Whether a server that the environment names answers at all: asked before work begins, not found out by a hang."""

from __future__ import annotations

import os

from tasks.runtime.errors import RefusedInput

SECONDS = 5.0


def check_reachable(variable: str) -> None:
    """Raise `RefusedInput` if the http address in an environment variable gives no answer; any answer will do."""
    import http.client
    import ssl
    import urllib.error
    import urllib.request

    address = os.environ.get(variable, "")
    if not address.startswith(("http://", "https://")):
        return
    try:
        urllib.request.urlopen(address, timeout=SECONDS).close()
    except (urllib.error.HTTPError, http.client.HTTPException, ssl.SSLError):
        return  # something answers; whether it lets us in is between it and its client
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLError):
            return
        raise RefusedInput(
            f"{variable}={address} (environment): no server answers there ({reason}). Start it, correct the address, "
            "or unset the variable: Textmill then uses what it keeps in the workspace."
        ) from None
