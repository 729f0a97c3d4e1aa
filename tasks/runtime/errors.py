"""The errors of Textmill, as a tree.

TextmillError                     what a person can read and act on; printed without a trace
├── RefusedInput      (exit 2)    the user's input or usage is refused before or instead of work
├── StageFailed       (exit 1)    a stage could not finish; what is done is kept and a rerun resumes
└── GateRefused       (exit 3)    a gate of the promotion said no

Any other exception is a defect of Textmill and keeps its trace (in the log file of the node).
"""

import errno

from tasks.runtime.visible import visible


class TextmillError(Exception):
    """Says what, which value, what was expected, and the remedy; with file and line of the user's own input.

    Wherever it is shown or kept, control characters of the user's text are seen and do nothing.
    """

    exit_code = 1

    def __str__(self) -> str:
        return visible(super().__str__())


class RefusedInput(TextmillError):
    exit_code = 2


class StageFailed(TextmillError):
    exit_code = 1


class GateRefused(TextmillError):
    exit_code = 3


def full_disk(error: BaseException | None, place: object = "") -> StageFailed | None:
    """What to raise or tell if the cause, however far down, is that a disk is full: of a file, or of a database.

    `place` is told where the cause names no file.
    """
    import sqlite3

    while error is not None:
        file = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if file or (isinstance(error, sqlite3.OperationalError) and "is full" in str(error)):
            where = (error.filename if isinstance(error, OSError) else None) or place
            return no_room(where)
        error = error.__cause__ or error.__context__
    return None


def no_room(where: object) -> StageFailed:
    """A disk is full: that of a file or folder, or of nobody knows what."""
    named = f" ({where})" if where else ""
    return StageFailed(f"the disk is full{named}. What is done is kept; free some space and run again.")
