// Fetches the page's parts again and shows times as the reader's clock has them. Without it the page reloads itself.
"use strict";
const main = document.querySelector("main[data-parts]");
const EVERY_MS = 2500;

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      time.textContent = at.toLocaleTimeString();
      time.title = at.toLocaleString();
    }
  }
}

async function again() {
  const open = main.querySelector("details")?.open;
  const scrolled = [...main.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
  try {
    const answer = await fetch(main.dataset.parts, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    const text = await answer.text();
    if (main.contains(document.activeElement) || !window.getSelection().isCollapsed) return;
    main.innerHTML = text;
    if (open) main.querySelector("details")?.setAttribute("open", "");
    main.querySelectorAll(".scroll").forEach((one, at) => { one.scrollLeft = scrolled[at] ?? 0; });
    localTimes(main);
    main.classList.remove("stale");
  } catch {
    main.classList.add("stale");
  }
}

if (main) {
  localTimes(main);
  setInterval(again, EVERY_MS);
}
