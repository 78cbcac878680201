"""What stands still on the street: majority-memory background, proposals, verification, tracks, class."""

from detectors.vision.detector import Adoption, VisionDetector

__all__ = ["Adoption", "VisionDetector"]
