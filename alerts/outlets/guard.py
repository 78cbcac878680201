"""Where a webhook may go: nowhere inside the city's own network unless it is listed (SSRF, reliability.md A16)."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from schemas.errors import UsageError

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address
COMPATIBLE = IPv6Network("::/96")  # RFC 4291 2.5.5.1, deprecated and still routed by some
# What IANA gives out: site-local, locally translated (RFC 8215) and unassigned ones lie outside, whatever Python says.
UNICAST = IPv6Network("2000::/3")


class BlockedError(UsageError):
    """An address that a webhook must not reach, or a URL that is none."""


@dataclass(frozen=True, slots=True)
class Target:
    """A checked place: connect to one of ``addresses`` and to nothing that the name leads to later.

    ``path`` holds the query too; ``shown`` is the URL without it, for logs.
    """

    host: str
    port: int
    path: str
    tls: bool
    addresses: tuple[str, ...]

    @property
    def shown(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self.tls else 'http'}://{_bracketed(self.host)}:{self.port}"


def resolved(host: str, port: int) -> list[str]:
    """Addresses of a host, as the system's resolver tells them. Raises OSError where it tells none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def target_of(
    url: str, *, allow_hosts: Sequence[str] = (), allow_http: bool = False, resolve: Resolve = resolved
) -> Target:
    """Check a URL and every address its host has now; the one moment at which its name is asked.

    ``allow_hosts``: names, addresses or networks that may be private. Raises BlockedError where the URL has a login, a
    fragment, another scheme or no host, or where one of its addresses is not public and not listed; OSError where the
    host has no address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise BlockedError(f"{url[:200]!r} is no URL: {error}") from None
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in {"https", "http"} or (parts.scheme == "http" and not allow_http):
        raise BlockedError(f"{parts.scheme}:// is not allowed: use https, or set outlets.allow_http")
    if not host or not url.isprintable() or "@" in parts.netloc or parts.fragment or "%" in host:
        raise BlockedError("a webhook's URL has a host, and neither a login nor a fragment nor an interface")
    addresses = tuple(resolve(host, port))
    if not addresses:
        raise OSError(f"{host} has no address")
    for text in addresses:
        why = "" if _listed(host, text, allow_hosts) else forbidden(ip_address(text.partition("%")[0]))
        if why:
            raise BlockedError(f"{host} is {text}, {why}: list it in outlets.allow_hosts if that is meant")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(host, port, path, parts.scheme == "https", addresses)


def forbidden(address: Address) -> str:
    """Why nobody outside may be at an address; empty: it is public. An IPv4 address in an IPv6 one is judged too."""
    inner = _inner(address) if isinstance(address, IPv6Address) else None
    if inner is not None:
        return forbidden(inner)
    kinds = (
        (address.is_loopback, "this machine itself"),
        (address.is_unspecified, "no place at all"),
        (address.is_link_local, "a link-local address"),
        (address.is_multicast, "a multicast address"),
        (not address.is_global, "an address of a private network"),
        (isinstance(address, IPv6Address) and address not in UNICAST, "no address of the public network"),
    )
    return next((why for holds, why in kinds if holds), "")


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to; None where it leads to none."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    compatible = address in COMPATIBLE and int(address) > 1
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in NAT64 or compatible else None


def _listed(host: str, address: str, allow_hosts: Sequence[str]) -> bool:
    for entry in allow_hosts:
        if entry.lower().rstrip(".") == host.lower():
            return True
        try:
            if ip_address(address.partition("%")[0]) in ip_network(entry, strict=False):
                return True
        except ValueError:  # a name
            continue
    return False


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
