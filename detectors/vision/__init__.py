"""What stands still on the street: majority-memory background, proposals, verification, tracks, class."""

from detectors.vision.detector import VisionDetector
from schemas.feedback import Adoption

__all__ = ["Adoption", "VisionDetector"]
