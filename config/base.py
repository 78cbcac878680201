"""What every knob model shares."""

from pydantic import BaseModel, ConfigDict


class Knobs(BaseModel):
    """Frozen, strict about names, complete by default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
