// The sign-in page: offers the wallets that live in this browser, asks one, sends what it answers.
//
// Each state of the page is a <template data-say="..."> of choose.html, so that all words stay there.
import { askWallet, findWallets, Trouble, waysOf } from "./wallets.js";

const box = document.getElementById("wallets-here");
const form = document.getElementById("answer");
const choices = document.querySelector("[data-choices]");
const list = box.querySelector("[data-list]");
const heading = box.querySelector("h2");
const status = box.querySelector("[data-status]");
const alarm = box.querySelector("[data-alert]");
const title = document.title;

const FIND_FOR = 1500; // extensions put their objects into a page late
const FIND_EVERY = 150;
const SLOW = 12000; // then we tell where a hidden wallet window may be found, and offer another way

// What we ask: authRequest, text, domain, message (SIP-018), address, network, challenge, ...
const asked = { ...box.dataset };

// ---- what the page says

const piece = (name, words = {}) => {
  const part = box.querySelector(`template[data-say="${name}"]`).content.cloneNode(true);
  for (const [key, text] of Object.entries(words)) {
    for (const place of part.querySelectorAll(`[data-${key}]`)) place.textContent = text;
  }
  return part;
};
const hush = () => {
  status.replaceChildren();
  alarm.replaceChildren();
  document.title = title;
};
const say = (where, name, words) => {
  hush();
  where.append(piece(name, words));
  const strong = where.querySelector("strong")?.textContent;
  if (strong) document.title = `${strong} – ${title}`;
};

// ---- which wallets are there

const shown = new Map(); // name -> button
const show = () => {
  for (const wallet of findWallets()) {
    if (shown.has(wallet.name)) continue;
    const item = piece("wallet", { wallet: wallet.name, letter: wallet.name[0] });
    const button = item.querySelector("button");
    button.addEventListener("click", () => begin(wallet, button));
    shown.set(wallet.name, button);
    list.append(item);
  }
};
const find = () => {
  const end = performance.now() + FIND_FOR;
  // A wait that nobody would notice needs no words.
  const words = setTimeout(() => shown.size || attempt || choices.hidden || say(status, "looking"), 300);
  const step = () => {
    if (choices.hidden) return; // the page has run out of time
    show();
    if (performance.now() < end) {
      setTimeout(step, FIND_EVERY);
      if (!shown.size) return;
    }
    clearTimeout(words);
    if (attempt) return;
    if (shown.size) {
      if (!alarm.hasChildNodes()) hush();
    } else {
      say(status, "none");
    }
  };
  step();
};

// ---- asking one

// The attempt that may still speak, or null. A wallet cannot be called off, so an answer that comes
// after Cancel or after the deadline finds that its attempt is not this one.
let attempt = null;
let last = null;

const begin = (wallet, button) => {
  if (attempt) return;
  attempt = last = {
    wallet: { ...wallet }, // its account is found out anew each time: people switch accounts
    button,
    question: asked,
    ways: waysOf(wallet, asked),
    way: "",
    fields: null,
  };
  list.hidden = true;
  if (attempt.ways.length) tryNext();
  else fail(new Trouble(asked.text ? "lacks-message" : "lacks-identity"));
};

const rest = () => {
  attempt = null;
  hush();
  list.hidden = false;
  last?.button.focus();
};
const fail = ({ why, said }) => {
  rest();
  // A state without words of its own is told with the wallet's.
  const name = box.querySelector(`template[data-say="${why}"]`) ? why : "trouble";
  say(alarm, name, { wallet: last.wallet.name, said });
};

const wait = (mine, isFirst) => {
  const words = { wallet: mine.wallet.name };
  say(status, "waiting", words);
  if (!isFirst) status.querySelector("[data-instead]").append(piece(`on-${mine.way}`, words));
  const { way } = mine;
  if (way === "identity") status.querySelector("[data-signs]").remove();
  setTimeout(() => {
    if (mine !== attempt || mine.way !== way || mine.fields) return;
    status.querySelector("[data-slow]")?.removeAttribute("hidden");
    if (mine.ways.length) status.querySelector("[data-do=other]")?.removeAttribute("hidden");
  }, SLOW);
  status.querySelector("[data-do=cancel]").focus();
};

// Asks in the best way that is left. An old function of a new wallet may never answer, or answer
// late: whichever way brings the answer, it is taken; an error counts only for the way it is of.
const tryNext = async () => {
  const mine = attempt;
  const isFirst = !mine.way;
  const way = (mine.way = mine.ways.shift());
  wait(mine, isFirst);
  try {
    const question = way === "identity" ? asked : mine.question;
    const fields = await askWallet(mine.wallet, way, question, (account) => renew(mine, account));
    if (mine !== attempt || mine.fields) return;
    mine.fields = fields;
    send();
  } catch (trouble) {
    if (mine !== attempt || mine.way !== way || mine.fields) return;
    if (trouble.why !== "unsupported") fail(trouble);
    else if (mine.ways.length) tryNext();
    else fail(new Trouble(asked.text ? "refused-all" : "lacks-identity"));
  }
};

// Gets a text that names the account which the wallet will sign with.
const renew = async (mine, { address }) => {
  const fields = { csrf: form.elements.csrf.value, challenge: mine.question.challenge, address };
  let answer;
  try {
    answer = await fetch(asked.messageUrl, { method: "POST", body: new URLSearchParams(fields) });
  } catch {
    throw new Trouble("unreachable");
  }
  if (!answer.ok) throw new Trouble("stale");
  const { challenge, text, domain, message } = await answer.json();
  mine.question = { ...mine.question, challenge, text, domain, message, address };
  return mine.question;
};

const send = () => {
  const words = { wallet: last.wallet.name };
  if (navigator.onLine === false) {
    say(alarm, "offline", words);
    return;
  }
  say(status, "sending", words);
  for (const [name, value] of Object.entries(last.fields)) {
    const input = form.elements[name] ?? form.appendChild(Object.assign(document.createElement("input"), { type: "hidden", name }));
    input.value = value;
  }
  form.requestSubmit();
};

box.addEventListener("click", (event) => {
  const what = event.target.closest("[data-do]")?.dataset.do;
  if (what === "cancel") rest();
  if (what === "send") send();
  if (what === "other" && attempt?.ways.length) tryNext();
  if (what === "look") {
    hush();
    find();
    heading.focus(); // the button that had the focus is gone
  }
});

document.addEventListener("bridge:expired", () => {
  attempt = null;
  hush();
  if (choices.contains(document.activeElement)) document.querySelector("[data-until] button")?.focus();
  choices.hidden = true;
});

// Back from the next page: the old wait is over.
window.addEventListener("pageshow", (event) => {
  if (event.persisted && last) rest();
});

box.hidden = false;
find();
