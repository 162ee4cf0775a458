// Shows dates by the reader's own clock, and tells when a page has run out of time.
(() => {
  "use strict";

  const format = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "short", year: "numeric",
    hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });
  for (const time of document.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    time.title = time.textContent; // the same in UTC, as the server wrote it
    time.textContent = format.format(moment);
  }

  for (const box of document.querySelectorAll("[data-until]")) {
    const end = box.dataset.seconds
      ? Date.now() + 1000 * Number(box.dataset.seconds)
      : Date.parse(box.dataset.until);
    // If it is over already, this clock is more likely wrong than the server late: the server,
    // which decides anyway, has just sent the page.
    if (!(end > Date.now())) continue;

    let told = false;
    const look = () => {
      if (told || Date.now() < end) return;
      told = true;
      box.append(box.querySelector("template").content.cloneNode(true));
      document.dispatchEvent(new Event("bridge:expired"));
      document.title = `${box.querySelector("strong").textContent} – ${document.title}`;
    };
    setTimeout(look, Math.min(end - Date.now() + 50, 2 ** 31 - 1));
    // A timer sleeps when the computer does.
    document.addEventListener("visibilitychange", look);
    window.addEventListener("pageshow", look);
  }
})();
