// Wallets that live in this browser: find them, ask one of them, send what it answers.
//
// Each state of the page is a <template data-say="..."> of choose.html, so that all words stay there.
(() => {
  "use strict";

  const box = document.getElementById("wallets-here");
  const form = document.getElementById("answer");
  if (!box || !form) return;

  const choices = document.querySelector("[data-choices]");
  const list = box.querySelector("[data-list]");
  const heading = box.querySelector("h2");
  const status = box.querySelector("[data-status]");
  const alarm = box.querySelector("[data-alert]");
  const title = document.title;

  const FIND_FOR = 1500; // extensions put their objects into a page late
  const FIND_EVERY = 150;
  const SLOW = 12000; // then we tell where a hidden wallet window may be found

  // ---- what the page says

  const piece = (name, wallet = "", said = "") => {
    const part = box.querySelector(`template[data-say="${name}"]`).content.cloneNode(true);
    for (const place of part.querySelectorAll("[data-wallet]")) place.textContent = wallet;
    for (const place of part.querySelectorAll("[data-said]")) place.textContent = said;
    return part;
  };
  const hush = () => {
    status.replaceChildren();
    alarm.replaceChildren();
    document.title = title;
  };
  const say = (where, name, wallet, said) => {
    hush();
    where.append(piece(name, wallet, said));
    const words = where.querySelector("strong")?.textContent;
    if (words) document.title = `${words} – ${title}`;
  };

  // ---- which wallets are there

  const get = (look) => {
    try {
      return look() ?? null;
    } catch {
      return null; // a getter of an extension threw
    }
  };
  const isAlias = (provider, known) =>
    known.some(
      (wallet) =>
        wallet.provider === provider ||
        wallet.provider.authenticationRequest === provider.authenticationRequest,
    ) ||
    // Leather puts a second object, not the same one, on window.StacksProvider.
    (known.some((wallet) => wallet.name === "Leather") && get(() => provider.isLeather) === true) ||
    known.some((wallet) => {
      const product = get(() => provider.getProductInfo()?.name);
      return typeof product === "string" && product.toLowerCase().includes(wallet.name.toLowerCase());
    });

  const look = () => {
    const known = [];
    const add = (name, provider) => {
      if (provider && !isAlias(provider, known)) known.push({ name, provider });
    };
    add("Leather", get(() => window.LeatherProvider));
    // Not XverseProviders.BitcoinProvider: that one has no authenticationRequest.
    add("Xverse", get(() => window.XverseProviders.StacksProvider));
    // Whichever extension won the race for this name; also Asigna and older wallets.
    add("Stacks wallet", get(() => window.StacksProvider));
    return known;
  };

  const shown = new Map(); // name -> button
  const show = () => {
    for (const { name, provider } of look()) {
      if (shown.has(name)) continue;
      const item = piece("wallet", name);
      const button = item.querySelector("button");
      item.querySelector("[data-letter]").textContent = name[0];
      button.addEventListener("click", () => ask(name, provider, button));
      shown.set(name, button);
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

  // The number of the attempt that may still speak; 0 when none is under way. A wallet cannot be
  // called off, so an answer that comes after Cancel or after the deadline finds another number.
  let attempt = 0;
  let count = 0;
  let current = null;

  const wait = (name, button) => {
    attempt = ++count;
    current = { name, button };
    say(status, "waiting", name);
    list.hidden = true;
    const mine = attempt;
    setTimeout(() => {
      if (mine === attempt) status.querySelector("[data-slow]")?.removeAttribute("hidden");
    }, SLOW);
    status.querySelector("[data-do=cancel]").focus();
    return mine;
  };
  const rest = () => {
    attempt = 0;
    hush();
    list.hidden = false;
    current?.button.focus();
  };
  const fail = (why, said) => {
    const { name } = current;
    rest();
    say(alarm, why, name, said);
  };

  // What wallets throw is not agreed on: an Error, a JSON-RPC error, {error: {...}} or a mere text.
  const reason = (error) => {
    const inner = error?.error ?? error;
    const said = typeof inner === "string" ? inner : String(inner?.message ?? "");
    const code = inner?.code;
    if (code === 4001 || code === -31001 || code === -32000) return ["rejected", said];
    if (code === -32601) return ["unsupported", said];
    if (/not (supported|implemented|available)|unsupported|deprecated|no longer/i.test(said)) return ["unsupported", said];
    if (/cancel|reject|denied|declin|closed/i.test(said)) return ["rejected", said];
    // Xverse fails like this when the storage hub of the person's profile is gone.
    if (/network|fetch|hub|gaia|time-?d? ?out/i.test(said)) return ["network", said];
    return [said ? "trouble" : "unreadable", said.slice(0, 200)];
  };

  const ask = async (name, provider, button) => {
    if (attempt) return;
    const mine = wait(name, button);
    let answer;
    try {
      // Wallets of the newest kind have other methods only.
      if (typeof provider.authenticationRequest !== "function") {
        fail("unsupported");
        return;
      }
      answer = await provider.authenticationRequest(box.dataset.authRequest);
    } catch (error) {
      if (mine === attempt) fail(...reason(error));
      return;
    }
    if (mine !== attempt) return;
    // A text from wallets that speak the old protocol; an object from some in between.
    const text = typeof answer === "string" ? answer : (answer?.authResponse ?? answer?.result?.authResponse);
    if (typeof text === "string" && text.split(".").length === 3) {
      form.elements.authResponse.value = text;
      send();
    } else {
      fail("unreadable");
    }
  };

  const send = () => {
    const { name } = current;
    if (navigator.onLine === false) {
      say(alarm, "offline", name);
      return;
    }
    say(status, "sending", name);
    form.requestSubmit();
  };

  box.addEventListener("click", (event) => {
    const what = event.target.closest("[data-do]")?.dataset.do;
    if (what === "cancel") rest();
    if (what === "send") send();
    if (what === "look") {
      hush();
      find();
      heading.focus(); // the button that had the focus is gone
    }
  });

  document.addEventListener("bridge:expired", () => {
    attempt = 0;
    hush();
    if (choices.contains(document.activeElement)) document.querySelector("[data-until] button")?.focus();
    choices.hidden = true;
  });

  // Back from the next page: the old wait is over.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && current) rest();
  });

  box.hidden = false;
  find();
})();
