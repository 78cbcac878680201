import socket

import httpx
import pytest

from config.service import HttpKnobs
from curbwatch.api.health import HealthServer
from curbwatch.telemetry import Telemetry
from schemas.errors import SetupError


def test_pages_tell_health_readiness_and_counts() -> None:
    telemetry = Telemetry()
    telemetry.add("frames_received", 5)
    ready = {"database": True}
    server = HealthServer(HttpKnobs(port=0), telemetry, {"database": lambda: ready["database"]})
    server.start()
    try:
        with httpx.Client(base_url=server.url, trust_env=False) as client:
            assert client.get("/healthz").text == "ok\n"
            assert client.get("/readyz").json() == {"database": True}
            ready["database"] = False
            assert client.get("/readyz").status_code == 503
            assert "curbwatch_frames_received_total 5.0" in client.get("/metrics").text
    finally:
        server.stop()


def test_a_taken_port_is_named_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"http.port {port}.*another port"):
            HealthServer(HttpKnobs(port=port), Telemetry(), {})
