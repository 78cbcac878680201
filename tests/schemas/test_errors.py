"""A fault reads as one line."""

from schemas.errors import ConfigError, Fault


def test_a_fault_leaves_out_what_is_not_known() -> None:
    assert str(Fault("c.toml", "a.b", "3", "is odd")) == "c.toml: a.b = 3: is odd"
    assert str(Fault("c.toml", "a.b", "", "is missing")) == "c.toml: a.b: is missing"
    assert str(Fault("c.toml:3", "", "", "is not TOML")) == "c.toml:3: is not TOML"
    assert str(Fault("secret", "", "0644", "is open")) == "secret: 0644: is open"


def test_a_config_error_prints_every_fault() -> None:
    error = ConfigError((Fault("a", "", "", "x"), Fault("b", "", "", "y")))
    assert str(error) == "a: x\nb: y"
    assert error.exit_code == 2
