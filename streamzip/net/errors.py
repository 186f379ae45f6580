"""What an exchange can fail of, whatever carries it. Their texts are public: they name no address and no query.

TransportError        the exchange failed
├── NotReached        no connection: refused, no such name, TLS; its cause an ssl.SSLError where TLS failed
├── TimedOut          no connection in time, or a silence that was too long
├── HungUp            the connection broke
└── NotHttp           the answer is not HTTP, or its head is over the limits
"""


class TransportError(Exception):
    """An exchange failed."""


class NotReached(TransportError):
    """No connection came about."""


class TimedOut(TransportError):
    """Nothing came in time."""


class HungUp(TransportError):
    """The connection broke."""


class NotHttp(TransportError):
    """The answer is not HTTP."""
