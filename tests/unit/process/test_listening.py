"""Where the gateway cannot listen, it says so in a sentence."""

import pytest

from streamzip.process.listening import listen
from streamzip.setup_error import SetupError


@pytest.mark.parametrize("host", ["ü" * 70, "203.0.113.7", "::g"])
def test_host_that_is_none_of_this_machine_is_refused(host: str) -> None:
    """Also a name that has no form on the wire (IDNA): a start ends with a sentence, never with a trace."""
    with pytest.raises(SetupError, match=f"cannot listen on {host}:0: .+"):
        listen(host, 0, environment={})
