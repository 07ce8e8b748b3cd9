"""Build an image, push it to Amazon ECR, wait for its scan, gate on it, promote it.

main.py is the corridor; every room of it is one module, in this order: inputs and context become
a plan; build makes the command, push reads the engine's events, manifest says which images have to
be scanned; findings and scan say what ECR's answers mean, wait asks until they are final; gate
decides; promote puts the release tags on; report turns the outcome into text. edges/ holds what
touches the world (docker, AWS, GitHub, the clock) behind the Protocols of edges/ports.py; all else
decides, or is handed an edge and decides nothing. errors.py has every way to fail.
"""

__version__ = "0.1.0"
