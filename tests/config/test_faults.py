"""What is shown of an address is never its password."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.faults import FAULTS_MAX, Faults, masked, shown

SECRET = st.text(min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("address", "seen"),
    [
        ("", ""),
        ("mqtt://h:1883", "mqtt://h:1883"),
        ("postgresql://h:5432/db?sslmode=require", "postgresql://h:5432/db?sslmode=require"),
        ("postgresql://a:secret@h/d", "postgresql://a:***@h/d"),
        ("redis://:secret@h/0", "redis://:***@h/0"),
        ("redis://:my#secret@h/0", "redis://:***@h/0"),
        ("redis://:my/se?c@ret@h/0", "redis://:***@h/0"),
        ("postgresql://h/db?user=cw&password=secret", "postgresql://h/db?user=cw&password=***"),
        ("postgresql://h/db?sslpassword=secret&user=cw", "postgresql://h/db?sslpassword=***&user=cw"),
        ("host=h password=secret dbname=d", "host=h password=*** dbname=d"),
        ("host=h password = 'my \\' secret' dbname=d", "host=h password = *** dbname=d"),
        ("password=mqtt://x:y host=h", "password=*** host=h"),
        ("host=h password=my\\ secret", "host=h password=***"),
    ],
)
def test_a_password_is_shown_as_three_stars(address: str, seen: str) -> None:
    assert masked(address) == seen


@given(secret=SECRET, user=st.sampled_from(["", "cw"]))
def test_no_password_shows_whatever_is_in_it(secret: str, user: str) -> None:
    secret = f"<{secret}>"  # so that a piece of it cannot be mistaken for the rest
    assert secret not in masked(f"redis://{user}:{secret}@h:6379/0")
    assert masked(f"redis://{user}:{secret}@h:6379/0") == f"redis://{user}:***@h:6379/0"
    assert secret.replace("&", "") not in masked(f"postgresql://h/d?password={secret.replace('&', '')}&user=cw")
    quoted = secret.replace("\\", "\\\\").replace("'", "\\'")
    assert masked(f"password='{quoted}' host=h") == "password=*** host=h"


@given(text=st.text(max_size=200))
def test_any_text_can_be_shown_on_one_line(text: str) -> None:
    assert "\n" not in shown(text)


def test_of_more_faults_than_are_kept_nothing_similar_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes 40 ms each; a broken export names thousands."""
    faults = Faults()
    assert faults.near("u-9", ["u-1"]) == "; did you mean 'u-1'?"
    for number in range(FAULTS_MAX):
        faults.add("x", str(number), "", "is wrong")
    monkeypatch.setattr("config.faults.nearest", lambda *_: pytest.fail("looked for"))
    assert faults.near("u-9", ["u-1"]) == ""
