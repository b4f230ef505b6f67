"""The programs that the local environment runs: found on PATH, downloaded, or built from Go modules.

`bootstrap.ensure` is the door: it returns where each program lies and says which way it came.
"""

from tenbin_local.toolchain.bootstrap import Toolchain, ensure

__all__ = ["Toolchain", "ensure"]
