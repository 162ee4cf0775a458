"""What somebody else made, to be used once here: the ``jti`` of client assertions and of DPoP
proofs, the sentence that a key of a chain signed, and Matrix OpenID tokens."""

from datetime import datetime

from sqlalchemy import Connection, Text, bindparam, exists, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from oidc_bridge.seal import digest_of
from oidc_bridge.storage import Base, UtcTime


class UsedJtiRow(Base):
    """A ``jti`` that was used, as a hash together with whose it is; kept until it expires."""

    __tablename__ = "used_jtis"

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UtcTime, index=True)


# It returns the row, as not every driver says how many rows an INSERT made. Of two at once the
# slower breaks the primary key, is run again by `write`, and then adds nothing.
_USE = (
    insert(UsedJtiRow)
    .from_select(
        ["digest", "expires_at"],
        select(
            bindparam("used", type_=Text),
            bindparam("until", type_=UtcTime),
        ).where(~exists().where(UsedJtiRow.digest == bindparam("used", type_=Text))),
    )
    .returning(UsedJtiRow.digest)
)


def use_jti(connection: Connection, owner: str, jti: str, *, expires_at: datetime) -> bool:
    """Use a ``jti`` up; return whether it was fresh.

    Args:
        owner: Whose it is and what for; another owner's ``jti`` of the same text is another.
    """
    used = digest_of(f"{owner}\0{jti}")
    return connection.execute(_USE, {"used": used, "until": expires_at}).first() is not None
