"""Knobs of decision, storage and dispatch."""

from pydantic import Field

from config.base import Knobs

PICTURE_BYTES = 150_000  # of one picture, where room for many is reckoned; 1280x720 of a street at usual quality


class AlertKnobs(Knobs):
    """From detection to incident."""

    stall_confidence: float = Field(default=0.6, ge=0, le=1)
    waste_confidence: float = Field(default=0.6, ge=0, le=1)
    sure_confidence: float = Field(default=0.85, ge=0, le=1)  # of either, at which nothing more is waited for
    unsure_factor: float = Field(default=2.5, ge=1)  # times as long a thing of less must stand
    unsure_wait_s: float = Field(default=600.0, ge=0)  # captured seconds more than the dwell that this may take
    zone_overlap: float = Field(default=0.5, gt=0, le=1)  # share of the box's foot inside the zone
    heap_m: float = Field(default=3.0, gt=0)  # waste this wide is a heap, 06011, where the camera is calibrated
    heap_h: float = Field(default=24.0, gt=0)  # and so is what has stood so many captured hours
    fixture_iou: float = Field(default=0.5, gt=0, le=1)  # overlap with a fixture's box that makes a thing that fixture
    merge_m: float = Field(default=3.0, gt=0)  # two calibrated sightings nearer than this are one site
    merge_iou: float = Field(default=0.3, gt=0, le=1)  # box overlap in one camera that makes one site
    refresh_s: float = Field(default=60.0, ge=0, le=300)  # captured seconds between two stored sightings of one track
    before_ring: int = Field(default=8, ge=1)  # frames kept per camera for the evidence pair
    before_ring_bytes: int = Field(default=200_000_000, ge=1_000_000)  # of them together; beyond it they are thinned
    evidence_dir: str = ""  # empty: <private folder>/evidence
    direct_classes: tuple[str, ...] = ()  # codes dispatched without a person's confirmation, whatever the pack says

    @property
    def before_cameras(self) -> int:
        """Number of cameras of which two pictures fit, so that one is always from before the dwell."""
        return self.before_ring_bytes // (2 * PICTURE_BYTES)


class DispatchKnobs(Knobs):
    """From outbox to crew."""

    lease_s: float = Field(default=1800.0, gt=0)  # a crew drives there; its terminal renews while it runs
    claim_idle_s: float = Field(default=60.0, gt=0)
    relay_poll_s: float = Field(default=0.1, gt=0)
    position_fresh_s: float = Field(default=300.0, gt=0)  # older positions do not say who is nearest
    deliveries_max: int = Field(default=5, ge=1, le=1000)  # of an entry that nobody owns, before it is set aside
