// Finds the wallets of this browser, and speaks to each in the ways that it knows.
//
// Extensions put objects into the page. The older kind has a function for each question and takes an
// unsigned JWT; the newer kind has request(method, params). Many have both, and what a wallet has is
// not always what it still answers. So every question can be put in several ways:
//
//   message     request("stx_signMessage")            our text, signed
//   structured  request("stx_signStructuredMessage")  the same as SIP-018 data, signed
//   legacy      signatureRequest(token)               our text, signed, the older way
//   identity    authenticationRequest(token)          Blockstack Auth; does not name our host

const get = (look) => {
  try {
    return look() ?? null;
  } catch {
    return null; // a getter of an extension threw
  }
};
const has = (provider, name) => typeof get(() => provider[name]) === "function";

// ---- which wallets are there

const KNOWN = ["Leather", "Xverse", "Asigna", "Fordefi"];

const nameOf = (provider) => {
  if (get(() => provider.isLeather) === true) return "Leather";
  const product = get(() => provider.getProductInfo()?.name);
  return KNOWN.find((name) => String(product ?? "").toLowerCase().includes(name.toLowerCase()));
};
const isSame = (one, other) =>
  one === other ||
  ["request", "authenticationRequest", "signatureRequest"].some(
    (name) => has(one, name) && get(() => one[name]) === get(() => other[name]),
  );

// Returns {name, rpc, legacy, namesKey} of each wallet: `rpc` has request(), `legacy` the older
// functions, and a wallet with `namesKey` wants to be told the public key that is to sign.
export const findWallets = () => {
  const found = [];
  const add = (name, rpc, legacy, namesKey = false) => {
    const parts = [rpc, legacy].filter(Boolean);
    const isKnown = (wallet) =>
      wallet.name === name ||
      parts.some((part) => [wallet.rpc, wallet.legacy].some((known) => known && isSame(part, known)));
    if (parts.length && !found.some(isKnown)) found.push({ name, rpc, legacy, namesKey });
  };

  const leather = get(() => window.LeatherProvider);
  add("Leather", leather, leather);
  // One wallet, two objects: the request() of XverseProviders.StacksProvider only throws.
  add("Xverse", get(() => window.XverseProviders.BitcoinProvider), get(() => window.XverseProviders.StacksProvider), true);
  const asigna = get(() => window.AsignaProvider);
  add("Asigna", asigna, asigna);
  add("Fordefi", get(() => window.FordefiProviders.UtxoProvider), null, true);
  // Whichever extension won the race for these names: one of the above (Leather puts a second
  // object there, not the same one), an older version of one, or another.
  for (const place of ["StacksProvider", "HiroWalletProvider"]) {
    const any = get(() => window[place]);
    if (any) add(nameOf(any) ?? "Stacks wallet", any, any);
  }
  return found;
};

// Returns the ways that both the wallet and the question know, best first.
export const waysOf = (wallet, question) =>
  [
    ["message", question.text && has(wallet.rpc, "request")],
    ["structured", question.domain && question.message && has(wallet.rpc, "request")],
    ["legacy", question.text && has(wallet.legacy, "signatureRequest")],
    ["identity", question.authRequest && has(wallet.legacy, "authenticationRequest")],
  ].flatMap(([way, known]) => (known ? [way] : []));

// ---- speaking to one

// Why it did not work: the name of a state of the page, and the wallet's own words.
export class Trouble extends Error {
  constructor(why, said = "") {
    super(said || why);
    this.why = why;
    this.said = String(said).slice(0, 200);
  }
}

// Errors are not agreed on: an Error, a JSON-RPC error, {error: {...}} or a mere text.
export const troubleOf = (error) => {
  if (error instanceof Trouble) return error;
  const inner = error?.error ?? error;
  const said = typeof inner === "string" ? inner : String(inner?.message ?? "");
  const code = inner?.code;
  const why = () => {
    // 4001: EIP-1193. -31001, -32000: @stacks/connect and sats-connect, "the person said no".
    if ([4001, -31001, -32000].includes(code)) return "rejected";
    // No such method, or none in this form, or (-32001, sats-connect) none for this account.
    if ([-32601, -32602, -32001].includes(code)) return "unsupported";
    if (/not (yet )?(supported|implemented|available|found)|unsupported|deprecated|no longer|not a function/i.test(said)) return "unsupported";
    if (/pop-?up/i.test(said)) return "blocked";
    if (/pending|already (open|processing)/i.test(said)) return "busy";
    if (/cancel|reject|denied|declin|closed/i.test(said)) return "rejected";
    if (/\block(ed)?\b|unlock/i.test(said)) return "locked";
    if (/ledger|hardware/i.test(said)) return "hardware";
    if (/(wrong|other|switch|mismatch\w*|different)\b.*network|network.*\b(mismatch\w*|differ\w*)/i.test(said)) return "chain";
    // Xverse fails like this when the storage hub of the person's profile is gone.
    if (/network|fetch|hub|gaia|time-?d? ?out/i.test(said)) return "network";
    return said ? "trouble" : "unreadable";
  };
  return new Trouble(why(), said);
};

// Leather answers {jsonrpc, id, result}, Xverse the same or {status, result}; a failure is thrown
// or answered, with an `error` in it.
const call = async (wallet, method, params) => {
  const answer = await wallet.rpc.request(method, params);
  if (answer?.error || answer?.status === "error") throw answer;
  return answer?.result ?? answer;
};

// Returns the Stacks account that the wallet would sign with, {address, publicKey}, or null if it
// does not say. It proves nothing: it only helps to ask the right question.
const accountOf = async (wallet) => {
  const purposes = ["stacks"];
  const calls = [
    // First, since it also gives the permission without which Xverse refuses stx_signMessage.
    ["wallet_connect", { addresses: purposes }],
    ["getAddresses", { purposes }],
    ["stx_getAddresses", {}],
  ];
  for (const [method, params] of calls) {
    try {
      const result = await call(wallet, method, params);
      const account = [result?.addresses ?? result].flat().find(
        (entry) => entry?.purpose === "stacks" || entry?.symbol === "STX" || /^S[PTMN][0-9A-Z]+$/.test(entry?.address ?? ""),
      );
      if (account) return { address: account.address, publicKey: account.publicKey };
    } catch (error) {
      const trouble = troubleOf(error);
      if (trouble.why !== "unsupported") throw trouble;
    }
  }
  return null;
};

const readSignature = (answer, wallet, encoding) => {
  const signature = answer?.signature;
  const publicKey = answer?.publicKey ?? wallet.account?.publicKey;
  if (typeof signature !== "string" || typeof publicKey !== "string") throw new Trouble("unreadable");
  return { method: "stacks", signature, publicKey, encoding };
};

// Unsecured, as @stacks/connect 7 makes it when the page holds no app key: the wallet shows the
// origin of the page, and what it signs is the message alone.
const unsecuredToken = (payload) => {
  const encode = (value) => {
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  };
  return `${encode({ typ: "JWT", alg: "none" })}.${encode(payload)}.`;
};

const speak = {
  async message(wallet, question) {
    const params = { message: question.text };
    if (wallet.account?.publicKey) params.publicKey = wallet.account.publicKey;
    if (question.network !== "mainnet") params.network = question.network;
    return readSignature(await call(wallet, "stx_signMessage", params), wallet, "text");
  },

  async structured(wallet, question) {
    const { domain, message } = question;
    return readSignature(await call(wallet, "stx_signStructuredMessage", { domain, message }), wallet, "structured");
  },

  async legacy(wallet, question) {
    const isMain = question.network === "mainnet";
    const token = unsecuredToken({
      message: question.text,
      ...(question.address && { stxAddress: question.address }),
      appDetails: { name: question.service, icon: question.icon },
      network: isMain ? { version: 0, chainId: 1 } : { version: 128, chainId: 2147483648 },
    });
    return readSignature(await wallet.legacy.signatureRequest(token), wallet, "text");
  },

  async identity(wallet, question) {
    const answer = await wallet.legacy.authenticationRequest(question.authRequest);
    // A text from wallets that speak the old protocol; an object from some in between.
    const text = typeof answer === "string" ? answer : (answer?.authResponse ?? answer?.result?.authResponse);
    if (typeof text !== "string" || text.split(".").length !== 3) throw new Trouble("unreadable");
    return { method: "blockstack", authResponse: text };
  },
};

// Asks a wallet in one way and returns the fields of the form to send; throws Trouble.
//
// `renew` gets the account of a wallet that tells it beforehand, and returns the question whose
// text names this account.
export const askWallet = async (wallet, way, question, renew) => {
  try {
    const named = question.address;
    if (wallet.namesKey && (way === "message" || way === "structured")) {
      wallet.account ??= await accountOf(wallet);
      if (named && wallet.account && wallet.account.address !== named) throw new Trouble("account", wallet.account.address);
      if (!named && wallet.account) question = await renew(wallet.account);
    }
    const fields = await speak[way](wallet, question);
    return { ...fields, challenge: question.challenge };
  } catch (error) {
    throw troubleOf(error);
  }
};
