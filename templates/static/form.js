// A form is sent once, however often its button is pressed.
//
// The buttons are not disabled: a disabled button would lose the focus, and its own name and value
// (Allow or Don't allow) would be missing from what is sent.
(() => {
  "use strict";

  // If the network swallowed the form, the person may try again after this time.
  const PATIENCE = 8000;

  const free = (form) => {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button[aria-disabled]")) {
      button.removeAttribute("aria-disabled");
      button.classList.remove("busy");
    }
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
    event.submitter?.classList.add("busy");
    setTimeout(free, PATIENCE, form);
  });

  // The back button may bring back this very page, with its forms still marked as sent.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll("form[data-sent]").forEach(free);
  });
})();
