"""``/healthz``, ``/readyz`` and ``/metrics`` in a thread of their own."""

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from config.service import HttpKnobs
from curbwatch.telemetry import Telemetry
from schemas.errors import SetupError

Checks = Mapping[str, Callable[[], bool]]


def application(telemetry: Telemetry, checks: Checks) -> Starlette:
    """Build the three pages.

    ``/healthz`` is 200 while the process answers. ``/readyz`` is 200 when every check is True, else 503, and names
    each. ``/metrics`` is Prometheus' text format.
    """

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        found = {name: await asyncio.to_thread(check) for name, check in checks.items()}
        return JSONResponse(found, status_code=200 if all(found.values()) else 503)

    async def metrics(_request: Request) -> Response:
        return Response(telemetry.exposition(), media_type="text/plain; version=0.0.4")

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)])


class HealthServer:
    """Serves the application until stopped."""

    def __init__(self, knobs: HttpKnobs, telemetry: Telemetry, checks: Checks) -> None:
        self._socket = _listen(knobs)
        config = uvicorn.Config(
            application(telemetry, checks), log_config=None, access_log=False, lifespan="off", ws="none"
        )
        self._server = uvicorn.Server(config)
        # uvicorn takes the process's signals only in the main thread: here they stay ours.
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="http", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._socket.getsockname()[:2]
        return f"http://{host}:{port}"

    def start(self) -> None:
        """Start serving in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and wait for the thread."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        self._socket.close()


def _listen(knobs: HttpKnobs) -> socket.socket:
    try:
        return socket.create_server((knobs.host, knobs.port))
    except OSError as error:
        message = (
            f"cannot listen on http.host {knobs.host}, http.port {knobs.port}: {error.strerror}; choose another port"
        )
        raise SetupError(message) from error
