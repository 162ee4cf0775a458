// Buttons that copy the text of an element; without a script they are not there.
(() => {
  "use strict";

  for (const button of document.querySelectorAll("button[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    const words = button.textContent;
    button.hidden = false;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        // No clipboard for this page: what is selected can still be copied by hand.
        if (source.select) source.select();
        else getSelection().selectAllChildren(source);
        button.textContent = "Selected, now copy it";
      }
      setTimeout(() => (button.textContent = words), 3000);
    });
  }
})();
