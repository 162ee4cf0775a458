"""demo."""

COMMANDS = ()
