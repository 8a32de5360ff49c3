"""What a worker must have in common with the client."""

from __future__ import annotations

import socket
from pathlib import Path

from phys_gan._version import __version__
from phys_gan.errors import ConfigError

__all__ = ["require_shared"]


def require_shared(path: Path, version: str) -> None:
    """Require, on a worker, that it sees a file of the client and runs the same phys_gan.

    Raises:
        ConfigError: It does not.
    """
    host = socket.gethostname()
    if version != __version__:
        raise ConfigError(
            f"the worker on '{host}' runs phys_gan {__version__}, not {version}",
            remedy="install the same version for all workers",
            value=__version__,
            constraint=version,
        )
    if not path.exists():
        raise ConfigError(
            f"the worker on '{host}' does not see '{path}'",
            remedy="use a folder that all machines share, under the same path",
            value=str(path),
        )
