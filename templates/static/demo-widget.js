// A Matrix client's half of a widget (MSC1960), as much as this page needs: it says which versions
// it speaks, and gives a Matrix OpenID token after the person allowed it.
(() => {
  "use strict";

  const frame = document.querySelector("iframe.widget");
  if (!frame) return;
  const question = document.getElementById("question");
  const { widget, parent: here, tokenUrl, csrf } = frame.dataset;
  const origin = new URL(widget).origin;
  const widgetId = "account";
  let asked = null; // the widget's request that the person has not answered yet

  const post = (message) => frame.contentWindow.postMessage(message, origin);
  const tell = (state, more = {}) => {
    const data = { state, original_request_id: asked.requestId, ...more };
    post({ api: "toWidget", widgetId, requestId: crypto.randomUUID(), action: "openid_credentials", data });
  };
  const answers = {
    supported_api_versions: () => ({ supported_versions: ["0.0.1", "0.0.2"] }),
    content_loaded: () => ({}),
    get_openid: (request) => {
      asked = request;
      question.hidden = false;
      question.focus();
      return { state: "request" };
    },
  };
  window.addEventListener("message", (event) => {
    const said = event.data;
    const isOurs = event.source === frame.contentWindow && event.origin === origin;
    if (!isOurs || said?.api !== "fromWidget" || said.widgetId !== widgetId || said.response) return;
    const answer = Object.hasOwn(answers, said.action) && answers[said.action];
    post({ ...said, response: answer ? answer(said) : { error: { message: "Unknown action" } } });
  });
  for (const button of question.querySelectorAll("[data-answer]")) {
    button.addEventListener("click", async () => {
      question.hidden = true;
      if (button.dataset.answer === "blocked") return tell("blocked");
      const body = new URLSearchParams({ csrf });
      const answer = await fetch(tokenUrl, { method: "POST", body });
      // Without a token there is nothing to allow.
      if (answer.ok) tell("allowed", await answer.json());
      else tell("blocked");
    });
  }

  const url = new URL(widget);
  url.searchParams.set("widgetId", widgetId);
  url.searchParams.set("parentUrl", here);
  frame.src = url;
})();
