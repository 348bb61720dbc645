"""The exceptions that a user sees, and what stands for others that a user may cause."""


class UserError(Exception):
    """A user's mistake, described in one sentence that names the file, the value and the fix.

    The command line prints the sentence without a traceback and exits with 2.
    """


class PermanentError(UserError):
    """An error that every further attempt with the same fingerprint would meet again."""


class Interrupted(BaseException):
    """Raised when a job was asked to stop, has saved its state and has to be started again.

    An interruption is no failure, so this is not an ``Exception``. The command line prints the
    sentence and exits with 75 (EX_TEMPFAIL). A training also writes the file ``RECORD`` to its work
    directory, because torchrun and srun hide the exit codes of their processes.
    """

    RECORD = "interrupted.json"


def unreadable_image(error: Exception) -> UserError | None:
    """Explain what mmdet's image loader raises, in a worker too; None for all other errors."""
    text = " ".join(str(error).split())
    for words in ("failed to load image: ", "No such file or directory: "):
        _, found, path = text.rpartition(words)  # a worker's message begins with its traceback
        if found:
            quoted = path.strip("'\"")
            return UserError(f"{quoted} is missing or no image; get the dataset again.")
    return None
