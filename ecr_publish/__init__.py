"""Build an image, push it to Amazon ECR, wait for its scan, gate on it, promote it."""

__version__ = "0.1.0"
