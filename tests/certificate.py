"""An authority for tests of TLS, and certificates made while a test runs, by the unpacked packages' own OpenSSL."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from curbwatch.parts.paths import home

# A certificate made for these tests; nothing is signed with its key, which was never kept.
AUTHORITY = """-----BEGIN CERTIFICATE-----
MIIBcjCCARmgAwIBAgIUH9a8TQeeh/o6P7utDJfgwvSWF0UwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjUyMTE0NDdaFw0zNjExMjIyMTE0NDda
MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQR+Xj/
T/sIBGbrMIN1r3ZrM1phBaERyC/lu2tRkSn6Mk45BezuAEx7ORxPNPzOcgOgFf9D
v3QgMCR0pJ0vETCio1MwUTAdBgNVHQ4EFgQUgj2NL0tBJSpGYRKmQfXhLHZctHcw
HwYDVR0jBBgwFoAUgj2NL0tBJSpGYRKmQfXhLHZctHcwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNHADBEAiAZ73Tn9YlP4KUMb5bDeVyg5Tmks6csz3KxKsDx
SoFAAQIgT0GN/ioLtIugRlBd75vyMjtrhFNbcYGZShkcMMaClmk=
-----END CERTIFICATE-----
"""

SETTINGS = """[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
subjectAltName = IP:127.0.0.1
authorityKeyIdentifier = keyid
[device]
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
"""


@dataclass(frozen=True)
class Signer:
    """An authority that lives for a day, in a folder; ``certificate`` is its PEM file."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str, kind: str = "device") -> tuple[Path, Path]:
        """(certificate, key) with this common name; kind "server" is for 127.0.0.1."""
        signed_by = ["-CA", str(self.certificate), "-CAkey", str(self.folder / "ca.key")]
        return _make(self.folder, name, kind, signed_by)


def make_signer(folder: Path) -> Signer:
    """Make an authority; the private servers' packages must be there."""
    (folder / "openssl.cnf").write_text(SETTINGS)
    _make(folder, "ca", "authority", [])
    return Signer(folder)


def _make(folder: Path, name: str, extensions: str, signed_by: list[str]) -> tuple[Path, Path]:
    root = home() / "packages/root"
    loader = next((root / "usr/lib").glob("*-linux-gnu*/ld-linux*.so.*"))
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    words = [str(loader), "--library-path", str(loader.parent), str(root / "usr/bin/openssl"), "req", "-x509", "-nodes"]
    words += ["-config", str(folder / "openssl.cnf"), "-extensions", extensions, "-newkey", "ec"]
    words += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "1", "-subj", f"/CN={name}", *signed_by]
    words += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True, cwd=folder)
    return certificate, key
