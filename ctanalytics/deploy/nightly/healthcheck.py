"""Tells a container runtime whether the nightly job can go on: 0 well, 1 not.

The job ends by itself, so that nothing answers requests here. What makes a run hang or fail later
is scratch space: the folder must take a file, and have room.
"""

import os
import shutil
import sys
import tempfile

LEAST_BYTES = 256 * 1024 * 1024


def main() -> int:
    """Return the exit code; what is wrong goes to stderr."""
    folder = os.environ.get("TMPDIR", "/scratch")
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"1")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        sys.stderr.write(f"{folder} can't be written: {error.strerror}\n")
        return 1
    if free < LEAST_BYTES:
        sys.stderr.write(f"{folder} has {free} bytes left\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
