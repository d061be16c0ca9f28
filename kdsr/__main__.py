"""`python -m kdsr`: the `kdsr` command."""

import sys

from .cli import main

sys.exit(main())
