"""Who asks: three words and how they differ.

A *client* is a registered relying party, e.g. a Synapse. An *app* is what the person sees: at a
homeserver the chat client that brought them, known by its web origin; at any other client the
client itself. A *consent* is one person's yes to one app.
"""
