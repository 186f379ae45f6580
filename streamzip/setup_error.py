"""Why something cannot be set up. It stands apart so that who may meet it need not load the settings' model."""


class SetupError(Exception):
    """The gateway cannot start; the message says what the operator should do."""
