"""Build an image, push it to Amazon ECR, wait for its scan, gate on it, promote it.

main.py is the corridor; every room of it is one module, in this order: inputs (values reads each)
and context become a plan; standing says what follows from the images that the release tags name
already, and origin what an image says of how it was made; probe asks whether all is there that the
run needs and preflight says what is wrong, which doctor does alone; on a fork's pull request fork
builds and does no more; obtain gets the image, however it comes: build makes the command (cache
knows what ECR wants of caches, secret what nobody may see) and push reads the engine's events,
merge makes one index of many images, or it is there; ahead asks early for what that needs; manifest
says which images have to be scanned; findings and scan say what ECR's answers mean, wait asks until
they are final; gate decides; promote puts the release tags on; report turns the outcome into text.
run.py is what the rooms share. many.py is the corridor for the images of a bake file: bake reads
the file and makes the one command, baked gets the images, together does a thing for all of them;
steps are what both corridors have in common. edges/ holds what touches the world (docker, git, AWS,
GitHub, the clock) behind the Protocols of edges/ports.py; all else decides, or is handed an edge
and decides nothing. terminal is the way in from a command line: options makes the inputs of what
was given, and the corridor is the same, shown by edges/console. iam knows the permissions that a
run needs, trust who may assume its role, and hosts where AWS answers. errors.py has every way to
fail.
"""

__version__ = "0.1.0"
