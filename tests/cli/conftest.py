"""What tests of the verbs share: a call that is refused."""

import pytest
from facts import message_of
from repository import content


@pytest.fixture
def refused(bare, printed):
    """The one line on stderr of a call that exits with 2, without the verb's prefix."""

    def call(*words):
        before = content(bare)
        said = message_of(words[0], printed(*words, code=2))
        assert content(bare) == before  # nothing half-written
        return said

    return call
