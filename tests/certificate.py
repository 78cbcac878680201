"""An authority for tests of TLS."""

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
