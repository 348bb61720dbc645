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


def unreadable_image(error: AssertionError) -> UserError | None:
    """Explain an assertion of mmdet's image loader; None for all others."""
    text = " ".join(str(error).split())
    if "failed to load image" not in text:
        return None
    return UserError(f"{text.rsplit(' ', 1)[-1]} is missing or no image; get the dataset again.")
