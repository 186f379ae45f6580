"""Traces of one process, for as long as it works."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from streamzip import tracing
from streamzip.logs import event
from streamzip.version import VERSION

logger = logging.getLogger(__name__)


@contextmanager
def traced() -> Iterator[None]:
    """Make traces within the context, where OpenTelemetry's variables say so. Where they cannot be made, the log says
    why: those variables are often set for every program of a machine, and the gateway is not to fail by them.
    """
    try:
        endpoint = tracing.begin(VERSION)
    except tracing.UnavailableError as error:
        event(logger, logging.WARNING, "traces_unavailable", detail=str(error))
    else:
        if endpoint is not None:
            event(logger, logging.INFO, "traces_sent", url=endpoint)
    try:
        yield
    finally:
        tracing.end()
