// Takes the wallet's answer out of the address bar and the history, and sends it on.
(() => {
  "use strict";

  // At once, not when the page is ready: what is in the address may be copied, synced or shared.
  // The challenge may stay: with it, a reload leads back to the choice of wallets.
  const challenge = new URLSearchParams(location.search).get("challenge") ?? "";
  history.replaceState(null, "", `?challenge=${encodeURIComponent(challenge)}`);

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("answer");
    // Before the page has loaded: the browser then puts the next page in this one's place, and the
    // back button does not lead here again.
    if (form?.elements.authResponse?.value) form.requestSubmit();
  });
})();
