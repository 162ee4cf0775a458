"""A node of a chain of EOS's kind: it tells of the chain, of a block, and of the demo's account.

It answers as EOS itself would, under EOS's own id, so that the bridge's pages have the words that
people of EOS see; the bridge believes it because its operator, the demo, named it.

Spec: the nodes' HTTP interface ``/v1/chain``, as much as `oidc_bridge.proofs.antelope_node` asks.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response, jsonify, make_response, request

from oidc_bridge.demo.eos_account import EosAccount

CHAIN_ID = "aca376f206b8fc25a6ed44dbdc66547c36c6c33e3a119ffbeaef943642f0e906"

_FIRST = datetime(2018, 6, 8, 8, 8, 8, tzinfo=UTC)
_EACH = timedelta(milliseconds=500)
# What nobody takes back is this far behind.
_FINAL_AFTER = 4
_UNKNOWN_BLOCK = 3100002
_UNKNOWN_ACCOUNT = 3010001


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the chain; all of it follows from its number."""

    number: int

    @property
    def id(self) -> str:
        """Its number in eight hex digits, then what a hash would be."""
        return f"{self.number:08x}{hashlib.sha256(b'block %d' % self.number).hexdigest()[:56]}"

    @property
    def made_at(self) -> datetime:
        """When it was made."""
        return _FIRST + self.number * _EACH


def last_final(now: datetime) -> Block:
    """Return the newest block that nobody can take back."""
    return Block((now - _FIRST) // _EACH - _FINAL_AFTER)


@dataclass(frozen=True, slots=True)
class Node:
    """The node, which knows one account."""

    account: EosAccount
    clock: Callable[[], datetime]

    def views(self) -> Blueprint:
        """Return its three answers, to be put into an app."""
        views = Blueprint("chain", __name__, url_prefix="/v1/chain")
        views.post("/get_info")(self.info)
        views.post("/get_block_info")(self.block)
        views.post("/get_account")(self.find_account)
        return views

    def info(self) -> Response:
        """Tell which chain it is, and how far it has come."""
        final = last_final(self.clock())
        return jsonify(
            chain_id=CHAIN_ID,
            last_irreversible_block_num=final.number,
            last_irreversible_block_id=final.id,
        )

    def block(self) -> Response:
        """Tell of one block."""
        number = _asked("block_num")
        if not isinstance(number, int) or not 0 < number <= last_final(self.clock()).number:
            return _unknown(400, _UNKNOWN_BLOCK)
        found = Block(number)
        # The chain's times are UTC and do not say so.
        made_at = found.made_at.replace(tzinfo=None).isoformat(timespec="milliseconds")
        return jsonify(id=found.id, block_num=number, timestamp=made_at)

    def find_account(self) -> Response:
        """Tell who may sign for an account: the same key for both permissions."""
        if _asked("account_name") != self.account.name:
            return _unknown(500, _UNKNOWN_ACCOUNT)
        keys = [{"key": self.account.public_key, "weight": 1}]
        authority = {"threshold": 1, "keys": keys, "accounts": [], "waits": []}
        permissions = [
            {"perm_name": name, "parent": parent, "required_auth": authority}
            for name, parent in (("active", "owner"), ("owner", ""))
        ]
        return jsonify(account_name=self.account.name, permissions=permissions)


def _asked(name: str) -> object:
    document = request.get_json(silent=True)
    return document.get(name) if isinstance(document, dict) else None


def _unknown(status: int, code: int) -> Response:
    return make_response(jsonify(code=status, error={"code": code}), status)
