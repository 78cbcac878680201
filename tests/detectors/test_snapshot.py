"""What is no snapshot of ours is refused as such, whatever it is."""

import io
import zipfile
import zlib

import numpy as np
import pytest

from detectors.vision import snapshot


def sealed(raw: bytes) -> bytes:
    body = zlib.compress(raw)
    return snapshot.MAGIC + snapshot.VERSION.to_bytes(2, "big") + zlib.crc32(body).to_bytes(4, "big") + body


def test_a_snapshot_of_nothing_holds_nothing() -> None:
    assert snapshot.decode(snapshot.encode({})) == {}


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04 not an archive", b"plain"])
def test_a_sealed_body_that_is_no_archive_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        snapshot.decode(sealed(raw))


def test_an_entry_that_would_become_far_larger_is_refused() -> None:
    inner, archive = io.BytesIO(), io.BytesIO()
    np.save(inner, np.zeros(1 << 20, np.uint8))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("bomb.npy", inner.getvalue())
    with pytest.raises(ValueError, match="an entry that cannot be"):
        snapshot.decode(sealed(archive.getvalue()))


def test_an_array_that_says_it_is_larger_than_memory_is_refused() -> None:
    inner, archive = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(inner, {"descr": "|u1", "fortran_order": False, "shape": (1 << 60,)})
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr("huge.npy", inner.getvalue())
    with pytest.raises(ValueError, match="snapshot"):
        snapshot.decode(sealed(archive.getvalue()))
