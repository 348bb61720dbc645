"""The exceptions a user sees."""


class UserError(Exception):
    """A user's mistake, told in one sentence that names the file, the value and the fix.

    The command line prints the sentence without a traceback and exits with 2.
    """


class PermanentError(UserError):
    """A mistake that every retry of the same fingerprint would meet again, hours later."""


class Interrupted(BaseException):
    """Work that was told to stop, saved its state and is to be started again.

    No failure, so not an ``Exception``; the command line prints the sentence and exits with 75
    (EX_TEMPFAIL). A training leaves ``RECORD`` in its work directory: torchrun and srun hide the
    exit codes of their processes.
    """

    RECORD = "interrupted.json"
