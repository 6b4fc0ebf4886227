"""What a command's exit code means to a script."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    done = 0
    failed = 1
    wrong_usage = 2
    not_published = 3
    differs = 4
    stopped = 130  # the shell's own word for Ctrl-C


MEANING = {
    ExitCode.done: "Done; also if nothing had to be done.",
    ExitCode.failed: "It failed, or a load of the previewed file would; the last line on stderr says why.",
    ExitCode.wrong_usage: "The command makes no sense as it was given; nothing was begun.",
    ExitCode.not_published: "The source has not published the month yet (nor any month of the range); or it is to come "
    "from the lake, which does not have it.",
    ExitCode.differs: "`reconcile` has found differences.",
    ExitCode.stopped: "Ctrl-C. Every month is as it was, or loaded.",
}
