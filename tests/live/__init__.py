"""Tests against the real thing: Synapse, Chromium, PostgreSQL, the wallets' own libraries.

Everything is started here, on loopback and free ports, and stopped at the end. What is not on the
machine makes a test skip with its reason; with ``OIDC_BRIDGE_TEST_REQUIRE_ALL=1`` it makes it fail.
"""
