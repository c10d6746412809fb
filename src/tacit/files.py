"""Writing a file so that a crash leaves the old or the new."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["written_whole"]


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary name beside `path` to write to, which becomes `path` when the block ends well.

    Raises:
        OSError: As the block or the disk raises it; what was at `path` stays, and nothing else is left.

    Example:
        >>> folder = tempfile.mkdtemp()
        >>> with written_whole(f"{folder}/new/note.txt") as temporary:
        ...     _ = temporary.write_text("whole")
        >>> Path(folder, "new/note.txt").read_text()
        'whole'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
