// The account page in a frame of a Matrix client (MSC1960): asks the client for a Matrix OpenID
// token, shows that to our server, and lists what it then tells.
//
// Whoever could slip in a token of their own would show somebody else's account here, or take the
// answer to ours. So a message counts only if it comes from the window above, from an origin that
// our operator named, about this widget; and nothing is ever posted to "*".
(() => {
  "use strict";

  const PATIENCE = 10_000; // the widget API's own
  const VERSIONS = ["0.0.1", "0.0.2"];

  const root = document.getElementById("widget");
  const states = [...root.querySelectorAll("[data-state]")];
  const query = new URLSearchParams(location.search);
  const widgetId = query.get("widgetId");
  const host = ((address) => URL.canParse(address) && new URL(address).origin)(query.get("parentUrl") ?? "");

  let asked = ""; // the request for a token that is open, if any
  let bearer = "";
  let timer = 0;

  const show = (name) => {
    const known = states.some((state) => state.dataset.state === name) ? name : "failed";
    for (const state of states) state.hidden = state.dataset.state !== known;
  };

  // ---- with the Matrix client

  const post = (message) => parent.postMessage(message, host);
  const send = (action, data = {}) => {
    const requestId = crypto.randomUUID();
    post({ api: "fromWidget", widgetId, requestId, action, data });
    return requestId;
  };
  const ask = () => {
    bearer = "";
    show("asking");
    clearTimeout(timer);
    asked = send("get_openid");
    timer = setTimeout(() => settle("silent"), PATIENCE);
  };
  const settle = (name) => {
    asked = "";
    clearTimeout(timer);
    show(name);
  };
  const heard = (said) => {
    clearTimeout(timer);
    if (said?.state === "request") show("waiting"); // for as long as the person likes
    else if (said?.state === "blocked") settle("blocked");
    else if (said?.state === "allowed") open(said);
    else settle("silent");
  };
  const answers = {
    capabilities: () => ({ capabilities: [] }),
    supported_api_versions: () => ({ supported_versions: VERSIONS }),
    openid_credentials: () => ({}),
    notify_capabilities: () => ({}),
    visibility: () => ({}),
    theme_change: () => ({}),
    language_change: () => ({}),
  };
  window.addEventListener("message", (event) => {
    const said = event.data;
    if (event.source !== parent || event.origin !== host || said?.widgetId !== widgetId) return;
    if (said.api === "fromWidget") {
      if (asked && said.requestId === asked && said.response) heard(said.response);
    } else if (said.api === "toWidget" && !said.response) {
      const answer = Object.hasOwn(answers, said.action) && answers[said.action];
      post({ ...said, response: answer ? answer() : { error: { message: "Unknown action" } } });
      const isOurs = asked && said.data?.original_request_id === asked;
      if (said.action === "openid_credentials" && isOurs) heard(said.data);
    }
  });

  // ---- with our server

  const call = async (path, options = {}) => {
    const headers = { "Content-Type": "application/json", ...(bearer && { Authorization: `Bearer ${bearer}` }) };
    const answer = await fetch(`/widget/${path}`, { headers, credentials: "omit", cache: "no-store", ...options });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.error === "session_over" ? "over" : said.error);
    return said;
  };
  const open = async ({ access_token, token_type, matrix_server_name, expires_in }) => {
    asked = "";
    show("asking");
    try {
      const body = JSON.stringify({ access_token, token_type, matrix_server_name, expires_in });
      bearer = (await call("session", { method: "POST", body })).token;
      list(await call("account"));
    } catch (error) {
      show(error.message);
    }
  };
  const change = async (path, words) => {
    try {
      await call(path, { method: "POST" });
      list(await call("account"), words);
    } catch (error) {
      if (error.message === "over") show("over");
      else root.querySelector("[data-fault]").hidden = false;
    }
  };

  // ---- the list

  const dates = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
  const fill = (place, value) => {
    if (place.tagName === "TIME") {
      place.dateTime = value ?? "";
      place.textContent = value ? dates.format(new Date(value)) : "";
    } else if (Array.isArray(value)) {
      place.replaceChildren(...value.map((text) => {
        const [item, words] = [document.createElement("li"), document.createElement("bdi")];
        words.textContent = text;
        item.append(words);
        return item;
      }));
    } else place.textContent = value;
  };
  const isThere = (value) => Boolean(Array.isArray(value) ? value.length : value);
  const item = (kind, facts) => {
    const part = document.getElementById(`${kind}-item`).content.cloneNode(true);
    if (facts.host === facts.title) facts = { ...facts, host: "" }; // once is enough
    for (const place of part.querySelectorAll("[data-of]")) fill(place, facts[place.dataset.of]);
    for (const place of part.querySelectorAll("[data-if]")) place.hidden = !isThere(facts[place.dataset.if]);
    for (const place of part.querySelectorAll("[data-unless]")) place.hidden = isThere(facts[place.dataset.unless]);
    const [sure, question] = [part.querySelector("[data-sure]"), part.querySelector("[data-ask]")];
    const act = part.querySelector("[data-do]");
    const turn = (isAsked) => {
      sure.hidden = !isAsked;
      question.hidden = isAsked;
      (isAsked ? act : question).focus();
    };
    question.addEventListener("click", () => turn(true));
    part.querySelector("[data-keep]").addEventListener("click", () => turn(false));
    act.addEventListener("click", async () => {
      if (act.ariaDisabled) return;
      act.ariaDisabled = "true"; // and not disabled, which would lose the focus
      await change(`${kind}/${encodeURIComponent(facts.id)}/${act.dataset.do}`, act.dataset.said);
      act.ariaDisabled = null;
    });
    return part;
  };
  const list = (told, words = "") => {
    const box = states.find((state) => state.dataset.state === "list");
    for (const place of box.querySelectorAll(":scope > p [data-of], h2 [data-of]")) fill(place, told[place.dataset.of]);
    for (const kind of ["apps", "sessions"]) {
      box.querySelector(`[data-list="${kind}"]`).replaceChildren(...told[kind].map((facts) => item(kind, facts)));
      box.querySelector(`[data-none="${kind}"]`).hidden = isThere(told[kind]);
    }
    box.querySelector('[data-count="sessions"]').textContent = told.sessions.length;
    box.querySelector("[data-more]").hidden = told.apps_total <= told.apps.length;
    box.querySelector("[data-fault]").hidden = true;
    const done = box.querySelector("[data-done]");
    done.hidden = !words;
    done.textContent = words;
    show("list");
    if (words) done.focus(); // the button that was pressed is gone
  };

  for (const button of root.querySelectorAll("[data-again]")) button.addEventListener("click", ask);
  if (parent === window) show("outside");
  else if (!widgetId || !host || !root.dataset.clients.split(" ").includes(host)) show("stranger");
  else {
    send("content_loaded"); // some clients wait for it; those that do not answer that they don't
    ask();
  }
})();
