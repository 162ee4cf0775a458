"""What a sign-in costs: whole sign-ins driven through a running server, measured from outside.

Start with ``README.md``; ``run.py`` measures, ``costs.py`` tells where the time goes.
"""
