"""The operator's own ONNX detector: read by OpenCV, run on pieces of the picture, pooled with our own classes."""
