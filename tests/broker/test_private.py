"""The private broker's users, also where its folder is older than one of them."""

import json
from pathlib import Path

from curbwatch.parts import servers
from curbwatch.parts.mosquitto import USERS


def test_a_user_that_came_later_keeps_the_password_that_was_first_told(tmp_path: Path) -> None:
    old = {"ports": dict(servers.PORTS), "passwords": {"postgres": "a", "devices": "b"}}
    (tmp_path / "state.json").write_text(json.dumps(old))
    told = servers.addresses(tmp_path).password_files
    passwords = {user: told[user].read_text().strip() for user in USERS}
    assert passwords["devices"] == "b"
    assert len(set(passwords.values())) == len(USERS)
    state = servers._state(tmp_path)
    assert {user: state["passwords"][user] for user in USERS} == passwords
