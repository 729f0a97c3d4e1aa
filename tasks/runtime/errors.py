"""The errors of Textmill, as a tree.

TextmillError                     what a person can read and act on; printed without a trace
├── RefusedInput      (exit 2)    the user's input or usage is refused before or instead of work
├── StageFailed       (exit 1)    a stage could not finish; what is done is kept and a rerun resumes
└── GateRefused       (exit 3)    a gate of the promotion said no

Any other exception is a defect of Textmill and keeps its trace (in the log file of the node).
"""

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
