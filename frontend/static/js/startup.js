/*
 * The start-up page asks its own address again: while something starts there it is this page that comes back, afterwards it
 * is whatever it made way for. Without this script a refresh in the head does the same.
 */
const EVERY_MS = 1000;
const RESTING_MS = 10_000;
const root = document.documentElement;

if (root.dataset.themeChoice === "system") {
  const prefers = (what) => matchMedia(`(${what})`).matches;
  root.dataset.theme = prefers("prefers-contrast: more") ? "high-contrast" : prefers("prefers-color-scheme: light") ? "light" : "dark";
}

const showEnd = () => { const lines = document.querySelector(".lines"); if (lines) lines.scrollTop = lines.scrollHeight; };
const isOver = (main) => !("standIn" in main.dataset) && main.dataset.startup !== "starting";

function take(fresh, title) {
  const main = document.querySelector("main");
  const focused = document.activeElement?.classList.contains("lines");
  main.replaceWith(fresh);
  document.title = title;
  showEnd();
  if (focused) fresh.querySelector(".lines")?.focus({ preventScroll: true });
}

async function look() {
  let wait = EVERY_MS;
  try {
    const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main[data-startup]");
    // A proxy that has lost Hearth too answers 502 and has no such page: that passes.
    if (!fresh && answer.status < 500) return location.reload();
    if (fresh) {
      take(document.importNode(fresh, true), page.title);
      if (isOver(fresh)) wait = RESTING_MS;
    }
  } catch {
    // Nobody answers for a moment.
  }
  setTimeout(look, wait);
}

showEnd();
setTimeout(look, isOver(document.querySelector("main")) ? RESTING_MS : EVERY_MS);
