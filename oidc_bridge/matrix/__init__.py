"""The far shore: the words of Matrix that we use.

A *localpart* is the first half of a Matrix ID, ``@localpart:server``; a *homeserver* is the
server, for us almost always a Synapse that consumes our ID tokens.
"""
