// Waits until the other device has proved who is there, then goes on.
(() => {
  "use strict";

  const box = document.querySelector("[data-elsewhere]");
  const status = box.querySelector("[data-status]");
  const alarm = box.querySelector("[data-alert]");
  const code = document.querySelector("[data-code]");
  const again = document.querySelector("[data-again]");
  const take = document.getElementById("take");
  const title = document.title;

  const EVERY = 2000;
  const HIDDEN_EVERY = 10000; // nobody looks
  const OVER = ["refused", "over"];

  let state = box.dataset.elsewhere;
  let told = `${state} `; // the state and the other device, as the page tells them now
  let timer = 0;

  const say = (name, other) => {
    if (told === `${name} ${other}`) return;
    told = `${name} ${other}`;
    const part = box.querySelector(`template[data-say="${name}"]`).content.cloneNode(true);
    if (other) for (const place of part.querySelectorAll("[data-other]")) place.textContent = other;
    status.replaceChildren();
    alarm.replaceChildren();
    (OVER.includes(name) || name === "unreachable" ? alarm : status).append(part);
    const words = box.querySelector(":scope > div strong")?.textContent;
    document.title = words ? `${words} – ${title}` : title;
  };
  const show = (name, other = "") => {
    state = name;
    say(name, other);
    settle(name);
  };
  const settle = (name) => {
    document.querySelector("[data-open]").hidden = !isWaiting();
    if (OVER.includes(name)) {
      clearTimeout(timer);
      const held = code?.contains(document.activeElement);
      if (code) code.hidden = true;
      again.hidden = false;
      if (held) again.querySelector("button").focus();
    }
    if (name === "proved") {
      if (code) code.hidden = true;
      take.hidden = false;
      take.requestSubmit();
    }
  };
  const isWaiting = () => state === "waiting" || state === "opened";

  const ask = async () => {
    clearTimeout(timer);
    if (!isWaiting()) return;
    try {
      const answer = await fetch(box.dataset.stateUrl, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (!isWaiting()) return; // the time ran out meanwhile
      if (answer.ok) {
        const said = await answer.json();
        if (isWaiting()) show(said.state, said.other);
      } else if (answer.status < 500 && answer.status !== 429) {
        show("over"); // it is gone, or no longer this browser's
      }
    } catch {
      if (isWaiting()) say("unreachable", "");
    }
    if (isWaiting()) timer = setTimeout(ask, document.hidden ? HIDDEN_EVERY : EVERY);
  };

  document.addEventListener("visibilitychange", () => document.hidden || ask());
  // time.js has said so already.
  document.addEventListener("bridge:expired", () => {
    if (!isWaiting()) return;
    state = "over";
    status.replaceChildren();
    alarm.replaceChildren();
    document.title = title;
    settle(state);
  });
  // Back from the next page: ask what became of it.
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());

  if (state === "proved") show("proved");
  else if (isWaiting()) timer = setTimeout(ask, EVERY);
})();
