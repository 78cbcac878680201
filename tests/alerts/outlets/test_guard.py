"""Nowhere inside the city's own network, whatever a name says and however an address is written."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.outlets.backoff import wait_s
from alerts.outlets.guard import BlockedError, Target, forbidden, resolved, target_of

PUBLIC = "93.184.216.34"
INSIDE = (
    "127.0.0.1",
    "127.9.9.9",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # where clouds keep their keys
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 - refused, not listened on
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "2002:7f00:1::",  # 6to4 of 127.0.0.1
    "2002:0a00:0001::1",
    "64:ff9b::10.0.0.1",
    "2001:db8::1",
    "fec0::1",  # site-local: deprecated, still routed by some
    "64:ff9b:1::10.0.0.1",  # translated to IPv4 inside the own network (RFC 8215)
    "64:ff9b:1::7f00:1",
    "::ffff:0:7f00:1",  # IPv4-translated (RFC 2765)
    "f000::1",
    "4000::1",
)


def found(*addresses: str, **options: object) -> Target:
    return target_of(
        str(options.pop("url", "https://hook.example/x")),
        resolve=lambda _host, _port: addresses,
        **options,  # type: ignore[arg-type]
    )


def test_a_name_without_an_address_is_no_place() -> None:
    with pytest.raises(OSError, match="has no address"):
        found()


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_public_addresses_are_reached(address: str) -> None:
    assert forbidden(ip_address(address)) == ""
    target = found(address, url="https://hook.example:8443/x?y=1")
    assert target == Target("hook.example", 8443, "/x?y=1", tls=True, addresses=(address,))
    assert target.shown == "https://hook.example:8443"


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_are_refused(address: str) -> None:
    with pytest.raises(BlockedError, match=r"outlets\.allow_hosts"):
        found(address)


def test_one_address_inside_among_public_ones_is_enough() -> None:
    with pytest.raises(BlockedError, match=r"10\.0\.0\.1, an address of a private network"):
        found(PUBLIC, "10.0.0.1")


@pytest.mark.parametrize("entry", ["hook.example", "HOOK.example.", "10.1.2.3", "10.1.0.0/16", "10.1.2.3/8"])
def test_what_is_listed_may_be_private(entry: str) -> None:
    assert found("10.1.2.3", allow_hosts=(entry,)).addresses == ("10.1.2.3",)


@pytest.mark.parametrize("entry", ["other.example", "example", "10.2.0.0/16", "10.1.2.4", "::/0"])
def test_what_is_listed_opens_nothing_else(entry: str) -> None:
    with pytest.raises(BlockedError):
        found("10.1.2.3", allow_hosts=(entry,))


@pytest.mark.parametrize(
    "url",
    [
        "http://hook.example/",
        "ftp://hook.example/",
        "file:///etc/passwd",
        "gopher://hook.example/",
        "https://user:secret@hook.example/",
        "https://hook.example/#x",
        "https:///x",
        "https://",
        "https://hook.example:99999/",
        "https://[fe80::1%25eth0]/",
        "https://hook.example/\r\nX: y",
        "nonsense",
        "",
    ],
)
def test_a_url_that_is_none_or_leads_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(BlockedError) as caught:
        found(PUBLIC, url=url)
    assert "secret" not in str(caught.value)


def test_plain_http_only_where_it_is_allowed() -> None:
    assert not found(PUBLIC, url="http://hook.example/", allow_http=True).tls


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost"])
def test_an_address_in_disguise_is_seen_through(host: str) -> None:
    with pytest.raises(BlockedError, match="this machine itself"):
        target_of(f"https://{host}/", resolve=resolved)


@given(st.ip_addresses(v=4))
def test_an_address_within_another_is_judged_as_itself(address: IPv4Address) -> None:
    number = int(address)
    mapped = IPv6Address(0xFFFF_0000_0000 | number)
    translated = IPv6Address((0x64FF9B << 96) | number)
    tunnelled = IPv6Address((0x2002 << 112) | (number << 80))
    assert {forbidden(mapped), forbidden(translated), forbidden(tunnelled)} == {forbidden(address)}


@given(st.ip_addresses())
def test_no_address_is_beyond_judgement(address: IPv4Address | IPv6Address) -> None:
    assert isinstance(forbidden(address), str)
    if address.is_private and address.version == 4:
        assert forbidden(address)


@pytest.mark.parametrize(
    ("tries", "chance", "seconds"), [(1, 1.0, 5), (1, 0.0, 2.5), (2, 1.0, 10), (4, 1.0, 40), (50, 1.0, 3600)]
)
def test_each_wait_is_twice_the_last_up_to_a_limit(tries: int, chance: float, seconds: float) -> None:
    assert wait_s(tries, 5, 3600, chance) == seconds


@given(st.integers(1, 10_000), st.floats(0.01, 100), st.floats(0, 1))
def test_a_wait_is_never_longer_than_the_longest_nor_shorter_than_half_the_first(
    tries: int, first_s: float, chance: float
) -> None:
    assert first_s / 2 <= wait_s(tries, first_s, 1000, chance) <= 1000
