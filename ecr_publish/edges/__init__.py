"""The rooms that touch the world: docker, AWS, GitHub, the clock. They never decide."""
