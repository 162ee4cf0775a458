"""What pages say of each error: its words belong to the code alone.

So a page can never show what a log should have kept.
"""

from dataclasses import dataclass

from oidc_bridge.errors import BridgeError, ProofError


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an error page says: what happened, and what to do about it."""

    title: str
    what: str
    next: str


_AGAIN = "Start again from the app you wanted to sign in to."
_RETRY = "Try again. If it keeps happening, try another wallet."
_NEW_ONE = "Let the app make a new one, then try again."

_EXPLANATIONS: dict[str, Explanation] = {
    # pages
    "client_unknown": Explanation(
        "We don't know this app",
        "The link that brought you here names an app that is not registered at this server.",
        "Tell the people who run the app. It is nothing that you did.",
    ),
    "redirect_uri_mismatch": Explanation(
        "This app's return address is not registered",
        "To keep your sign-in from being sent to a stranger, we only send people back to"
        " addresses that were registered beforehand. This one was not.",
        "Tell the people who run the app. It is nothing that you did.",
    ),
    "request_malformed": Explanation(
        "We could not read this request",
        "The link that brought you here is damaged.",
        _AGAIN,
    ),
    "request_uri_unknown": Explanation(
        "This sign-in is not open any more",
        "The app announced it beforehand, but it was finished already, or it was not opened in"
        " time.",
        _AGAIN,
    ),
    "request_unknown": Explanation(
        "This sign-in is not open any more",
        "It was finished already, it ran out, or it was begun in another browser.",
        _AGAIN,
    ),
    "request_expired": Explanation(
        "This sign-in ran out of time",
        "A sign-in stays open for a limited time, and this one has passed it.",
        _AGAIN,
    ),
    "cookies_missing": Explanation(
        "Your browser did not send our cookie",
        "We keep one cookie to know that the browser that finishes a sign-in is the one that"
        " began it. It did not come back.",
        "Allow cookies for this site, then start again from the app.",
    ),
    "form_foreign": Explanation(
        "This form did not come from our page",
        "Another site may have tried to press a button for you, or the page was open for very"
        " long. Nothing was changed.",
        "Go back, reload the page and try again.",
    ),
    "form_malformed": Explanation(
        "We could not read this form",
        "Something in it was missing or not as our page would have sent it. Nothing was changed.",
        "Go back, reload the page and try again.",
    ),
    "consent_changed": Explanation(
        "The question has changed",
        "What you said yes to is not what this app asks for now. Nothing was shared.",
        _AGAIN,
    ),
    "handover_over": Explanation(
        "This link is used up",
        "A link to sign in on another device works once, in one browser, for some minutes.",
        "Go back to the device where you began, and let it show a new link.",
    ),
    "accounts_clash": Explanation(
        "These two accounts cannot be joined",
        "Both are known at the same server, and two Matrix IDs cannot become one. Nothing was"
        " changed.",
        "Go on using them side by side.",
    ),
    "last_wallet": Explanation(
        "This is your only wallet here",
        "Without it nobody could sign in to your account any more. Nothing was changed.",
        "Add another wallet first.",
    ),
    "not_found": Explanation(
        "There is nothing here",
        "The address does not lead to a page of this server.",
        "Check the address, or go to your account page.",
    ),
    "method_not_allowed": Explanation(
        "This address does something else",
        "The address exists, but not for what your browser tried.",
        "Go back and use the buttons of the page.",
    ),
    "too_large": Explanation(
        "That was too much data",
        "What was sent is larger than this page takes.",
        "Try again with less of it.",
    ),
    "list_too_large": Explanation(
        "This list is too long to send at once",
        "At most 5,000 lines go at once, and 2,500,000 characters. Nothing was changed.",
        "Go back and send it in parts.",
    ),
    "signed_out": Explanation(
        "You are not signed in",
        "For this you must be signed in, and your sign-in has ended.",
        "Sign in on your account page, then try again.",
    ),
    "not_allowed": Explanation(
        "This page is not open to you",
        "It is for people who look after this server, and your role, if you have one, does not"
        " lead here. Nothing was changed.",
        "Ask an owner of this server for a role.",
    ),
    "last_owner": Explanation(
        "Somebody must stay an owner",
        "This is the only owner, and without one nobody could give roles. Nothing was changed.",
        "Make somebody else an owner first.",
    ),
    "changed_meanwhile": Explanation(
        "Somebody else was quicker",
        "What you were changing was changed after your page was made. Your change was not saved.",
        "Go back, load the page anew and look at how it stands now.",
    ),
    "not_yourself": Explanation(
        "This cannot be done to this person",
        "Nobody blocks themselves, and somebody with a role is blocked by an owner only."
        " Nothing was changed.",
        "Ask an owner of this server.",
    ),
    "denied_above": Explanation(
        "This app is denied by those above you",
        "An owner or an admin denied it, and an app manager does not allow it again. Nothing was"
        " changed.",
        "Ask an owner or an admin of this server.",
    ),
    "app_malformed": Explanation(
        "This is not the address of an app",
        "An app is named by its whole origin (https://chat.example), by the scheme of an app on a"
        " device (element:), or as client: and the id of a client. Nothing was changed.",
        "Go back and write it so.",
    ),
    "app_insecure": Explanation(
        "Only https can be let in",
        "At a plain http address anybody on the way can take the app's place. Nothing was changed.",
        "Use the https address, or deny the app.",
    ),
    "alone_impossible": Explanation(
        "This client has IDs of its own already",
        "It is itself the app, so nobody else could share an ID with it. Nothing was changed.",
        "Allow it or deny it.",
    ),
    "until_malformed": Explanation(
        "This is not a day",
        "A rule or an entry ends on a day, written as 2027-01-31. Nothing was changed.",
        "Go back and give a day from today on, or none.",
    ),
    "until_past": Explanation(
        "This day is over",
        "A rule or an entry ends on a day to come. Nothing was changed.",
        "Go back and give a day from today on, or none.",
    ),
    "undo_over": Explanation(
        "This cannot be taken back any more",
        "A change can be taken back for ten minutes, by whoever made it. Nothing was changed.",
        "Make another change.",
    ),
    "app_unruled": Explanation(
        "This app has no list",
        "No rule names it, and a list without a rule would let nobody in. Nothing was changed.",
        "Make a rule for the app first, then its list.",
    ),
    "note_malformed": Explanation(
        "This note cannot be kept",
        "It is longer than 300 characters, or has signs that cannot be seen. Nothing was changed.",
        "Go back and write it shorter.",
    ),
    "admin_token_unknown": Explanation(
        "This token is not good any more",
        "It was used already, it ran out, or it is not one of this server's.",
        "Make another with `oidc-bridge admin token` on the server.",
    ),
    "person_unknown": Explanation(
        "We don't know this person",
        "Nobody has signed in here by this address, name or Matrix ID.",
        "Let them sign in once, then try again.",
    ),
    "person_ambiguous": Explanation(
        "That could be more than one person",
        "Several people are known by it at different servers.",
        "Use their address instead.",
    ),
    "name_not_chosen": Explanation(
        "Choose your name first",
        "You have several names, and have not chosen which of them is you at this homeserver.",
        "Sign in there in a browser once: you are asked for it, and then come back.",
    ),
    "account_blocked": Explanation(
        "This account is blocked",
        "The people who run this server have blocked this account.",
        "Ask them for the reason.",
    ),
    "internal": Explanation(
        "Something broke on our side",
        "This is our fault. Nothing that you did caused it, and nothing was half-done.",
        "Try again in a moment. If it stays, tell the people who run this server the reference.",
    ),
    # a wallet's answer
    "replay": Explanation(
        "This question is closed",
        "Each question to your wallet is answered once. This one was answered already, or a newer"
        " one has taken its place.",
        _RETRY,
    ),
    "challenge_unknown": Explanation(
        "We did not ask for this answer",
        "It belongs to no sign-in that this browser has open. If somebody sent you the link that"
        " led here, close this page.",
        _AGAIN,
    ),
    "challenge_over": Explanation(
        "This question to your wallet is closed",
        "It was answered already, or it waited for too long. Your sign-in is still open.",
        "Try again: a fresh question is put to your wallet.",
    ),
    "method_refused": Explanation(
        "This server wants another kind of proof",
        "Your wallet's answer is good, but the people who run this server ask for another kind.",
        "Go back and use a wallet that the sign-in page offers.",
    ),
    "wrong_account": Explanation(
        "Your wallet answered with another account",
        "We asked one account of your wallet, and another one answered. Nothing was changed.",
        "Choose the account that the page names in your wallet, then try again.",
    ),
    "bond_missing": Explanation(
        "This answer alone is not enough",
        "It does not say for which site it was made, and names no account that could confirm it.",
        "Use a wallet that can sign a message, for example a current Leather or Xverse.",
    ),
    "signature_form": Explanation(
        "We could not read the signature",
        "It is not in the form that wallets of today write.",
        _RETRY,
    ),
    "signature": Explanation(
        "The signature does not fit",
        "It is not a signature of this text by this key. If you copied it, copy all of it, and"
        " sign the text exactly as it stands.",
        _RETRY,
    ),
    "malformed": Explanation(
        "We could not read the wallet's answer",
        "It is damaged, or not an answer at all.",
        _RETRY,
    ),
    "unbound": Explanation(
        "This wallet cannot sign in here this way",
        "Its answer is not tied to our question, so anybody could have reused it. Hardware wallets"
        " answer like that.",
        "Use an account that is kept in the wallet itself.",
    ),
    "binding": Explanation(
        "This answer was made for another site or another sign-in",
        "The wallet's answer does not fit the question that we asked just now.",
        _RETRY,
    ),
    "time": Explanation(
        "The answer is too old or from the future",
        "Its date does not fit our clock.",
        "Check the date and time of your device, then try again.",
    ),
    "app_key_changed": Explanation(
        "Your wallet answered differently from before",
        "It holds the right identity, but another key for this site than the first time. That"
        " happens with another wallet program, and also when a foreign site relays an answer.",
        "Sign in with the wallet that you used here before. If you have changed it, ask the people"
        " who run this server to accept the new one, or sign a message if you have added a key.",
    ),
    # a password that is a proof: OI Chat
    "malformed_password": Explanation(
        "We could not read this one-time password",
        "It does not have the parts that such a password has.",
        "Let the app make a new one, and copy all of it.",
    ),
    "malformed_name": Explanation(
        "This is not a Blockstack name",
        "The password names somebody, but not in the way that names are spelt.",
        _NEW_ONE,
    ),
    "malformed_app": Explanation(
        "We could not tell which app this is",
        "The password names an app, but not by its web address.",
        "Tell the people who make the app. It is nothing that you did.",
    ),
    "unknown_nonce": Explanation(
        "We did not ask for this password",
        "It answers a question that this server never put, or that is long over.",
        _NEW_ONE,
    ),
    "nonce_expired": Explanation(
        "This one-time password ran out",
        "Such a password is good for five minutes.",
        _NEW_ONE,
    ),
    "nonce_used": Explanation(
        "This one-time password was used",
        "Such a password works once, and a failed try uses it up too.",
        _NEW_ONE,
    ),
    "nonce_open": Explanation(
        "This question is open already",
        "Another program has asked under the same number.",
        _NEW_ONE,
    ),
    "nonces_many": Explanation(
        "Too many sign-ins were begun from here",
        "Only so many may be open at once.",
        "Wait five minutes, then try again.",
    ),
    "name_unknown": Explanation(
        "Nobody owns this name",
        "The name service says so, or does not answer for names of this kind.",
        "Check the name. If it is yours, see whether it has expired.",
    ),
    "zonefile_invalid": Explanation(
        "This name leads to no profile",
        "Its owner has written no address of a profile into the name's zone file.",
        "Sign in on this server's page with your wallet instead.",
    ),
    "blocked_url": Explanation(
        "We may not go where this leads",
        "The name or the profile names an address that is not on the public web.",
        "Sign in on this server's page with your wallet instead.",
    ),
    "fetch_failed": Explanation(
        "Another server did not answer",
        "The name service or your storage gave an error, or too much, or nothing in time.",
        "Try again in a moment.",
    ),
    "profile_invalid": Explanation(
        "Your profile could not be verified",
        "It is damaged, or its signature does not fit.",
        "Open your wallet and save your profile again.",
    ),
    "profile_key_mismatch": Explanation(
        "This profile is not the name's",
        "It is signed by a key that neither the name's owner nor its zone file points to.",
        "Sign in on this server's page with your wallet instead.",
    ),
    "app_not_in_profile": Explanation(
        "Your profile does not list this app",
        "An app that signs you in must stand in your public profile, with its storage.",
        "Sign in to the app with your wallet once more, and let it publish data.",
    ),
    "response_missing": Explanation(
        "The app has not answered",
        "There is nothing in its storage, and it sent no signature.",
        _NEW_ONE,
    ),
    "challenge_mismatch": Explanation(
        "The app answered another question",
        "What it wrote or signed is not what this server asked for last.",
        _NEW_ONE,
    ),
    "signature_missing": Explanation(
        "The app has not signed",
        "This server wants the answer signed by the app's key.",
        "Use a newer version of the app, or sign in on this server's page.",
    ),
    "signature_invalid": Explanation(
        "The app's signature does not fit",
        "It was not made over our question by the key of the app's storage.",
        _NEW_ONE,
    ),
    "localpart_mismatch": Explanation(
        "This password is for somebody else",
        "The user name is not one that it can open.",
        "Use your name, or your name, a plus sign and the app's host.",
    ),
    "app_not_allowed": Explanation(
        "This app may not sign in as you",
        "Here, an app may be you only if you or the people who run this server allow it. It may"
        " have an ID of its own: your name, a plus sign and its host.",
        "To let it be you, allow it on your account page.",
    ),
    "chat_app_not_enough": Explanation(
        "This needs your wallet",
        "A chat app can sign you in to apps that may know you as yourself without being asked. Here"
        " something must be asked first.",
        "Sign in with your wallet this once. After that, your chat app will do.",
    ),
    "server_mismatch": Explanation(
        "This password is for another homeserver",
        "It answers a question that names another Matrix server.",
        _NEW_ONE,
    ),
    # a sentence signed by an account of a chain
    "malformed_message": Explanation(
        "This is not the text that is to be signed",
        "An account signs one sentence, letter by letter. This was another one.",
        "Let your app make the sentence, and sign it exactly as it stands.",
    ),
    "account_mismatch": Explanation(
        "Another account signed this",
        "The signed sentence names another account than the one that is to be signed in.",
        "Enter the name of the account that signs, and sign again.",
    ),
    "permission_not_allowed": Explanation(
        "This permission cannot sign in here",
        "The people who run this server take signatures of some permissions only, mostly active"
        " and owner.",
        "Sign with the active permission of your account.",
    ),
    "malformed_signature": Explanation(
        "We could not read the signature",
        "It is damaged, or not a signature of such an account.",
        "If you copied it, copy all of it. Else sign again.",
    ),
    "unsupported_signature_type": Explanation(
        "We cannot check signatures of this kind",
        "It was made by a key in the browser or in a security device (WebAuthn).",
        "Sign with an ordinary key of your account.",
    ),
    "non_canonical_signature": Explanation(
        "The chain itself would refuse this signature",
        "It is not written in the one way that is allowed.",
        "Sign again. If it keeps happening, use another wallet.",
    ),
    "wrong_chain": Explanation(
        "This server asks the wrong chain",
        "The node that it asks belongs to another chain than it should.",
        "Tell the people who run this server. It is nothing that you did.",
    ),
    "block_not_irreversible": Explanation(
        "This block is not final yet",
        "The sentence names a block that the chain could still take back, or that does not exist.",
        "Wait a few seconds, then sign again. If it keeps happening, you may be on another chain.",
    ),
    "block_unknown": Explanation(
        "There is no such block",
        "The chain has no block of the number in the sentence. Perhaps it is of another chain.",
        "Sign again with an account of a chain that this server takes.",
    ),
    "block_mismatch": Explanation(
        "This block is another one",
        "The number and the digits in the sentence are not of one block of this chain.",
        "Sign again with an account of a chain that this server takes.",
    ),
    "block_too_old": Explanation(
        "This signature is too old",
        "It is good for some minutes after the block that its sentence names.",
        "Sign again, and go on without a break.",
    ),
    "block_in_future": Explanation(
        "This block is from the future",
        "The chain's clock and ours differ by more than a few seconds.",
        "Wait a moment, then sign again. If it stays, tell the people who run this server.",
    ),
    "account_unknown": Explanation(
        "There is no such account",
        "The chain knows no account of this name.",
        "Check the name, letter by letter.",
    ),
    "permission_unknown": Explanation(
        "The account has no such permission",
        "The sentence names a permission that this account does not have.",
        "Sign with the active permission of your account.",
    ),
    "authority_not_satisfied": Explanation(
        "This key cannot act for the account alone",
        "The signature was made by a key that the account's permission does not list, or that does"
        " not weigh enough by itself; or the sentence was changed after it was signed.",
        "Sign with a key that holds the permission alone, and send the sentence as it was signed.",
    ),
    "replayed": Explanation(
        "This signature was used already",
        "Each signed sentence signs in once.",
        "Sign again.",
    ),
    "node_unavailable": Explanation(
        "We could not ask the chain",
        "The node that tells us about accounts gave no usable answer.",
        "Try again in a minute.",
    ),
}

_PROOF_DEFAULT = Explanation(
    "We could not verify this sign-in",
    "The wallet's answer does not prove what it claims.",
    _RETRY,
)
_DEFAULT = Explanation(
    "This did not work", "The request could not be carried out. Nothing was changed.", _AGAIN
)


def explain(error: BridgeError) -> Explanation:
    """Return what the person is told about *error*; never its detail."""
    default = _PROOF_DEFAULT if isinstance(error, ProofError) else _DEFAULT
    return _EXPLANATIONS.get(error.code, default)
