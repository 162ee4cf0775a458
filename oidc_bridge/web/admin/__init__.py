"""The admin pages: apps and who may use them, requests, roles.

Every page has a right (`roles.RIGHTS`) that `door` asks for before the view runs; a page without
one is closed to everybody.
"""
