"""Whether a server that the environment names answers at all: asked before work begins, not found out by a hang."""

from __future__ import annotations

import os

from tasks.runtime.errors import RefusedInput

SECONDS = 5.0
USUAL_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}


def check_reachable(variable: str) -> None:
    """Raise `RefusedInput` if the address in an environment variable gives no answer; any answer will do.

    Of a database's address only the port is tried; one that names no host is a file or a socket.
    """
    import http.client
    import socket
    import ssl
    import urllib.error
    import urllib.request

    address = os.environ.get(variable, "")
    try:
        if address.startswith(("http://", "https://")):
            urllib.request.urlopen(shown(address), timeout=SECONDS).close()  # it takes no user before the host
        elif (there := endpoint(address)) is not None:
            socket.create_connection(there, timeout=SECONDS).close()
    except (urllib.error.HTTPError, http.client.HTTPException, ssl.SSLError):
        return  # something answers; whether it lets us in is between it and its client
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLError):
            return
        raise RefusedInput(
            f"{variable}={shown(address)} (environment): no server answers there ({reason}). Start it, correct the "
            "address, or unset the variable: Textmill then uses what it keeps in the workspace."
        ) from None


def endpoint(address: str) -> tuple[str, int] | None:
    """Host and port that an address names; None for a file, a socket, or a scheme whose port is not known.

    Raises:
        ValueError: the port is no number.
    """
    from urllib.parse import urlsplit

    parts = urlsplit(address)
    port = parts.port or USUAL_PORTS.get(parts.scheme.partition("+")[0])
    return (parts.hostname, port) if parts.hostname and port else None


def shown(address: str) -> str:
    """An address without the password that may be in it, before the host or among the parameters."""
    scheme, separator, rest = address.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2].partition("?")[0]
