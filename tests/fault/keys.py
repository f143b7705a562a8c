"""Keys for age."""

import subprocess


def public_key():
    """An age recipient whose identity nobody keeps."""
    made = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True)
    return made.stderr.split()[-1]
