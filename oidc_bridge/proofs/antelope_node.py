"""What a node of an Antelope chain says: of the chain, of a block, of an account.

The operator chose the node and believes it. Still each answer is read strictly: what is not
understood must never satisfy anything.

Spec: the nodes' HTTP interface ``/v1/chain``; docs/eos.md.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from oidc_bridge.errors import FetchError, ProofError
from oidc_bridge.ports import Fetched
from oidc_bridge.proofs.antelope_authority import Authority, Delegate, Permissions
from oidc_bridge.proofs.antelope_keys import Key, parse_key
from oidc_bridge.proofs.jsontokens import parse_object

Post = Callable[[str, Mapping[str, object], int], Fetched]
"""POSTs a JSON object to a URL; the last argument is how many bytes the answer may have."""

_SMALL = 64 * 1024
_ACCOUNT = 512 * 1024  # one that holds many permissions
_WHOLE_BLOCK = 4 * 1024 * 1024  # older nodes tell of no block without all that is in it
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?")
_BLOCK_ID = re.compile(r"[0-9a-f]{64}")
_UNKNOWN_BLOCK = 3100002
_MAX_NUMBER = 2**32 - 1


@dataclass(frozen=True, slots=True)
class ChainInfo:
    """Which chain the node follows, and up to where nothing can be taken back."""

    chain_id: str
    last_irreversible: int


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the chain."""

    id: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the operator's choice.

    Attributes:
        url: Its base address, without a slash at its end.

    Every method raises ProofError ``node_unavailable`` if there is no usable answer.
    """

    url: str
    post: Post

    def get_info(self) -> ChainInfo:
        """Return what chain it follows."""
        answer = self._ask("get_info", {}, _SMALL)
        if answer.status != 200:
            raise _unusable(f"get_info answers {answer.status}")
        said = _object(answer)
        return ChainInfo(
            _text(said, "chain_id"),
            _number(said.get("last_irreversible_block_num"), "last_irreversible_block_num"),
        )

    def get_block(self, number: int) -> Block:
        """Return a block.

        Raises:
            ProofError: ``block_unknown``, ``block_mismatch`` if it is of another number.
        """
        answer = self._ask("get_block_info", {"block_num": number}, _SMALL)
        if answer.status != 200 and _error_code(answer) != _UNKNOWN_BLOCK:
            # A node that does not know the question; every one knows this one.
            answer = self._ask("get_block", {"block_num_or_id": str(number)}, _WHOLE_BLOCK)
        if answer.status != 200:
            if _error_code(answer) == _UNKNOWN_BLOCK:
                raise ProofError("block_unknown", str(number))
            raise _unusable(f"get_block answers {answer.status}")
        said = _object(answer)
        block_id = _text(said, "id")
        if not _BLOCK_ID.fullmatch(block_id):
            raise _unusable("id is no block's")
        # The id begins with the number.
        numbers = {int(block_id[:8], 16), _number(said.get("block_num"), "block_num")}
        if numbers != {number}:
            raise ProofError("block_mismatch", f"asked for {number}, got {sorted(numbers)}")
        return Block(block_id, _time(said))

    def find_permissions(self, account: str) -> Permissions | None:
        """Return the permissions of an account; None if the chain has no such account."""
        answer = self._ask("get_account", {"account_name": account}, _ACCOUNT)
        if answer.status != 200:
            if _error_code(answer) is None:
                raise _unusable(f"get_account answers {answer.status}")
            return None
        said = _object(answer)
        if said.get("account_name") != account:
            return None  # a node that answers for another account has none of this name
        return {
            _text(entry, "perm_name"): _authority(entry.get("required_auth"))
            for entry in _objects(said, "permissions")
        }

    def _ask(self, what: str, question: Mapping[str, object], max_bytes: int) -> Fetched:
        try:
            return self.post(f"{self.url}/v1/chain/{what}", question, max_bytes)
        except FetchError as error:
            raise _unusable(f"{what}: {error}") from error


def _unusable(detail: str) -> ProofError:
    return ProofError("node_unavailable", detail)


def _object(answer: Fetched) -> dict[str, object]:
    try:
        return parse_object(answer.body)
    except ProofError as error:
        raise _unusable(error.detail) from error


def _error_code(answer: Fetched) -> int | None:
    """Return the chain's own code of an error; None if it is somebody else's, e.g. a proxy's."""
    try:
        error = parse_object(answer.body).get("error")
    except ProofError:
        return None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def _authority(value: object) -> Authority:
    if not isinstance(value, dict):
        raise _unusable("required_auth is no object")
    threshold = _number(value.get("threshold"), "threshold")
    if threshold < 1:  # which nobody at all would reach
        raise _unusable("threshold is 0")
    keys = []
    for entry in _objects(value, "keys"):
        key = _find_key(_text(entry, "key"))
        if key is not None:
            keys.append((key, _number(entry.get("weight"), "weight")))
    return Authority(threshold, tuple(keys), tuple(map(_delegate, _objects(value, "accounts"))))


def _find_key(text: str) -> Key | None:
    """Return a key; None for a kind that signs nobody in here, which may stand beside others."""
    try:
        return parse_key(text)
    except ProofError:
        return None


def _delegate(entry: dict[str, object]) -> Delegate:
    level = entry.get("permission")
    if not isinstance(level, dict):
        raise _unusable("permission is no object")
    weight = _number(entry.get("weight"), "weight")
    return Delegate(_text(level, "actor"), _text(level, "permission"), weight)


def _objects(said: Mapping[str, object], name: str) -> list[dict[str, object]]:
    entries = said.get(name)
    if not isinstance(entries, list):
        raise _unusable(f"{name} is no list")
    found = [entry for entry in entries if isinstance(entry, dict)]
    if len(found) != len(entries):
        raise _unusable(f"{name} holds what is no object")
    return found


def _text(said: Mapping[str, object], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str):
        raise _unusable(f"{name} is no text")
    return value


def _number(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_NUMBER:
        raise _unusable(f"{name} is no number of a chain's")
    return value


def _time(said: Mapping[str, object]) -> datetime:
    text = _text(said, "timestamp")
    if not _TIME.fullmatch(text) or not text.isascii():
        raise _unusable("timestamp is none")
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise _unusable("timestamp is no time") from error
