"""What developers use and users never see: engines, base images, act, the demo."""
