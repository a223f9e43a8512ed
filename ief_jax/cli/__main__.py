"""`python -m ief_jax.cli` is the command `ief-jax`."""

import sys

from ief_jax.cli import main

sys.exit(main())
