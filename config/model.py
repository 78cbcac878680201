"""The whole configuration: one section per stage."""

from typing import Self

from pydantic import model_validator

from config.alerts import AlertKnobs, DispatchKnobs
from config.base import Knobs
from config.codecs import CodecKnobs
from config.desk import DeskKnobs
from config.engine import EngineKnobs
from config.incidents import IncidentKnobs
from config.intake import LETTERS_MAX_BYTES, BrokerKnobs, IntakeKnobs
from config.keeping import KeepingKnobs
from config.outlets import OutletKnobs
from config.own_model import ModelKnobs
from config.quality import QualityKnobs
from config.service import DatabaseKnobs, HttpKnobs, LogKnobs, RedisKnobs, SiteKnobs
from config.vision import VisionKnobs

BUFFERS_SHARE = 0.6  # of the memory limit: the rest is code, backgrounds and what a batch needs while it is worked on


class Config(Knobs):
    """Every knob; ``Config()`` is the default configuration."""

    site: SiteKnobs = SiteKnobs()
    broker: BrokerKnobs = BrokerKnobs()
    database: DatabaseKnobs = DatabaseKnobs()
    redis: RedisKnobs = RedisKnobs()
    intake: IntakeKnobs = IntakeKnobs()
    codecs: CodecKnobs = CodecKnobs()
    quality: QualityKnobs = QualityKnobs()
    engine: EngineKnobs = EngineKnobs()
    vision: VisionKnobs = VisionKnobs()
    model: ModelKnobs = ModelKnobs()
    alerts: AlertKnobs = AlertKnobs()
    incidents: IncidentKnobs = IncidentKnobs()
    dispatch: DispatchKnobs = DispatchKnobs()
    outlets: OutletKnobs = OutletKnobs()
    desk: DeskKnobs = DeskKnobs()
    keeping: KeepingKnobs = KeepingKnobs()
    http: HttpKnobs = HttpKnobs()
    log: LogKnobs = LogKnobs()

    @model_validator(mode="after")
    def _buffers_fit(self) -> Self:
        """Every buffer has a limit in bytes; together they must leave room for the work."""
        intake = self.intake
        buffers = intake.positions_buffer_bytes + intake.frames_buffer_bytes + self.codecs.chunk_buffer_bytes
        buffers += self.alerts.before_ring_bytes + LETTERS_MAX_BYTES
        limit = self.engine.memory_limit_bytes
        if buffers > BUFFERS_SHARE * limit:
            raise ValueError(
                f"engine.memory_limit_bytes = {limit}: intake.positions_buffer_bytes, intake.frames_buffer_bytes,"
                f" codecs.chunk_buffer_bytes, alerts.before_ring_bytes and {LETTERS_MAX_BYTES} for dead letters are"
                f" {buffers} together; they may be {round(BUFFERS_SHARE * limit)}: raise the limit or lower one of them"
            )
        return self
