"""The whole configuration: one section per stage."""

from config.alerts import AlertKnobs, DispatchKnobs
from config.base import Knobs
from config.codecs import CodecKnobs
from config.engine import EngineKnobs
from config.intake import BrokerKnobs, IntakeKnobs
from config.quality import QualityKnobs
from config.service import DatabaseKnobs, HttpKnobs, LogKnobs, RedisKnobs, SiteKnobs
from config.vision import VisionKnobs


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
    alerts: AlertKnobs = AlertKnobs()
    dispatch: DispatchKnobs = DispatchKnobs()
    http: HttpKnobs = HttpKnobs()
    log: LogKnobs = LogKnobs()
