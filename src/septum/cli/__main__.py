"""`python -m septum.cli`, which is what `torchrun` starts."""

import sys

from septum.cli import main

if __name__ == "__main__":
    sys.exit(main())
