"""One message to one webhook, against a real server with faults."""

import hashlib
import hmac
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.outlets.webhook import Answer, Reach, post, sign
from tests.alerts.outlets.hook_server import Hook, serving

REACH = Reach(20.0, 1024, allow_hosts=("127.0.0.1",), allow_http=True)
QUICK = Reach(0.3, 1024, allow_hosts=("127.0.0.1",), allow_http=True)
BODY = '{"地点": "桥头"}'.encode()


@pytest.fixture
def hook() -> Iterator[Hook]:
    with serving(Hook()) as served:
        yield served


def test_a_message_arrives_with_its_name_and_its_signature(hook: Hook) -> None:
    assert post(hook.url, BODY, "i/7", REACH, secret=b"key") == Answer(200)
    ((headers, body),) = hook.came
    assert (body, headers["Curbwatch-Delivery"], headers["Content-Type"]) == (BODY, "i/7", "application/json")
    at_s, given = (part.partition("=")[2] for part in headers["Curbwatch-Signature"].split(","))
    assert given == hmac.new(b"key", f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()


def test_nothing_is_signed_without_a_secret(hook: Hook) -> None:
    post(hook.url, BODY, "i/7", REACH)
    assert "Curbwatch-Signature" not in hook.came[0][0]


def test_a_signature_equals_one_made_by_hand() -> None:
    """By ``printf '1760000000.{}' | openssl dgst -sha256 -hmac key``."""
    expected = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", "key"], input=b"1760000000.{}", capture_output=True, check=True
    ).stdout.decode()
    assert sign(b"key", 1_760_000_000, b"{}") == f"t=1760000000,v1={expected.split()[-1]}"


@pytest.mark.parametrize(
    ("headers", "body", "receipt"),
    [
        ({"Receipt-Id": "110-7"}, b"{}", "110-7"),
        ({"X-Receipt-Id": "110-8"}, b"", "110-8"),
        ({}, b'{"receipt": "r-1"}', "r-1"),
        ({}, b'{"receipt_id": 42}', "42"),
        ({}, b'{"receipt": ""}', ""),
        ({}, b'{"receipt": ["x"]}', ""),
        ({}, b'["r-1"]', ""),
        ({}, b"thanks", ""),
        ({}, b"[" * 1000, ""),
        ({}, ('{"receipt": "a\\u0000b\\u202e' + "x" * 500 + '"}').encode(), "ab" + "x" * 198),
    ],
)
def test_the_other_sides_number_is_found_and_kept_short(
    hook: Hook, headers: dict[str, str], body: bytes, receipt: str
) -> None:
    hook.replies = [(201, headers, body)]
    assert post(hook.url, BODY, "i/7", REACH) == Answer(201, receipt)
    told = post(hook.url, BODY, "i/7", REACH, receipt=True)
    assert told == (Answer(201, receipt) if receipt else Answer(201, "", "answered without a receipt"))


@pytest.mark.parametrize("status", [199, 300, 301, 307, 400, 404, 429, 500, 503])
def test_anything_but_success_is_a_failure_and_no_redirect_is_followed(hook: Hook, status: int) -> None:
    hook.replies = [(status, {"Location": hook.url}, b"{}")]
    if status == 199:
        hook.replies = [(299, {}, b"{}")]
        assert post(hook.url, BODY, "i/7", REACH).error == ""
        return
    assert post(hook.url, BODY, "i/7", REACH) == Answer(status, "", f"answered {status}")
    assert len(hook.came) == 1


def test_an_answer_is_read_up_to_its_limit(hook: Hook) -> None:
    hook.replies = [(200, {}, b'{"receipt": "r-1"}' + b" " * 5_000_000)]
    assert post(hook.url, BODY, "i/7", REACH).status == 200


def test_a_server_that_drips_is_cut_off(hook: Hook) -> None:
    hook.replies = [(200, {}, b"x" * 100)]
    hook.drip_s = 0.1
    assert post(hook.url, BODY, "i/7", QUICK) == Answer(None, error="no whole answer in 0.3 s")


def test_a_connection_that_ends_without_an_answer_is_a_failure(hook: Hook) -> None:
    hook.cut = True
    answer = post(hook.url, BODY, "i/7", REACH)
    assert answer.status is None
    assert answer.error


def test_a_server_that_never_speaks_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = post(f"http://127.0.0.1:{silent.getsockname()[1]}/", BODY, "i/7", QUICK)
    assert (answer.status, "0.3 s" in answer.error or "timed out" in answer.error) == (None, True)


@pytest.mark.parametrize("said", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500, b"HTTP/9 x\r\n\r\n"])
def test_an_answer_that_is_no_http_is_a_failure(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            link, _ = server.accept()
            with link:
                link.recv(10_000)
                link.sendall(said)

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        answer = post(f"http://127.0.0.1:{server.getsockname()[1]}/", BODY, "i/7", REACH)
        thread.join(20)
    assert answer.status is None
    assert answer.error


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "https://127.0.0.1:1/", "ftp://x/", "http://nowhere.invalid/", "http://[::1]:1/"]
)
def test_what_cannot_be_reached_or_must_not_be_is_a_failure_and_no_fault(url: str) -> None:
    answer = post(url, BODY, "i/7", REACH)
    assert answer.status is None
    assert answer.error.isprintable()


def test_nobody_is_told_inside_unless_it_is_listed(hook: Hook) -> None:
    answer = post(hook.url, BODY, "i/7", Reach(1.0, 1024, allow_http=True))
    assert "this machine itself" in answer.error
    assert hook.came == []


def test_the_name_is_asked_once_and_the_connection_goes_where_was_checked(hook: Hook) -> None:
    """A name that leads to a public address when it is asked, and inside a moment later."""
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    reach = Reach(1.0, 1024, allow_hosts=("127.0.0.1",), allow_http=True, resolve=rebinding)
    url = f"http://rebinding.example:{hook.port}/"
    assert post(url, BODY, "i/7", reach).status == 200
    assert asked == ["rebinding.example"]
    assert hook.came[0][0]["Host"] == f"rebinding.example:{hook.port}"
    assert "private network" in post(url, BODY, "i/8", reach).error


def test_a_certificate_is_checked_for_the_name_and_not_for_the_address(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=hook.example"
    extra = ["-addext", "subjectAltName=DNS:hook.example", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *extra], check=True, capture_output=True)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with socket.create_server(("127.0.0.1", 0)) as plain:
        port = plain.getsockname()[1]

        def speak() -> None:
            for _ in range(3):
                link, _ = plain.accept()
                with link:
                    try:
                        with served.wrap_socket(link, server_side=True) as secure:
                            heard = b""
                            while not heard.endswith(BODY):  # a link that is closed on unread words is reset
                                heard += secure.recv(10_000)
                            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                    except OSError:
                        continue

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()

        def told(host: str, context: ssl.SSLContext | None) -> Answer:
            reach = Reach(20.0, 1024, (host,), resolve=lambda _host, _port: ["127.0.0.1"], context=context)
            return post(f"https://{host}:{port}/", BODY, "i/7", reach)

        assert told("hook.example", trusting) == Answer(200)
        assert "mismatch" in told("other.example", trusting).error
        assert "self-signed" in told("hook.example", None).error
        thread.join(20)
