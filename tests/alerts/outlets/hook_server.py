"""A real HTTP server that answers as a test wants, with faults of its own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str], bytes]
OK: Reply = (200, {}, b"{}")


@dataclass
class Hook:
    """What came, and what is answered: one reply after another, the last one for ever. ``drip_s``: s per byte."""

    replies: list[Reply] = field(default_factory=lambda: [OK])
    drip_s: float = 0.0
    cut: bool = False  # the connection ends before any answer
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=1"

    def reply(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def serving(hook: Hook) -> Iterator[Hook]:
    """Serve a hook on a free port of the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.came.append((dict(self.headers.items()), body))
            if hook.cut:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            status, headers, told = hook.reply()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            for index in range(len(told)):
                if hook.drip_s and hook.ended.wait(hook.drip_s):
                    return
                self.wfile.write(told[index : index + 1] if hook.drip_s else told)
                if not hook.drip_s:
                    return

        def log_message(self, *_arguments: Any) -> None:  # noqa: ANN401
            pass

        def do_GET(self) -> None:
            hook.came.append(({"followed": self.path}, b""))
            self.send_response(200)
            self.end_headers()

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_arguments: Any) -> None:  # noqa: ANN401 - a client that went away is what is tested
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    hook.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield hook
    hook.ended.set()
    server.shutdown()
    server.server_close()
    thread.join()
