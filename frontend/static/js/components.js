/* Dialogs, toasts, ticks, times and keys. Markup comes from the server; this moves what is there. */
(() => {
  const TOAST_LIFE_MS = 10_000;
  const CHORD_MS = 1200;
  const PLACES = { e: "/generate", a: "/gallery", p: "/presets", d: "/downloads", v: "/services", ",": "/settings" };

  // ---- dialogs

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open-dialog]");
    if (opener) document.getElementById(opener.dataset.openDialog).showModal();
    if (event.target.closest("[data-close-dialog]")) event.target.closest("dialog").close();
    const untick = event.target.closest("[data-untick]");
    if (untick) tick(untick.dataset.untick, false);
    if (event.target.closest('[data-dismiss="toast"]')) {
      const toast = event.target.closest(".toast");
      // A form in it must be sent before it goes.
      setTimeout(() => toast.remove(), event.target.closest("form") ? 300 : 0);
    }
  });

  // What a dialog showed is old the next time.
  document.addEventListener("close", (event) => { if (event.target.id === "dialog") event.target.replaceChildren(); }, true);
  document.addEventListener("hearth:close-dialog", () => document.getElementById("dialog")?.close());

  document.addEventListener("htmx:after:swap", (event) => {
    const dialog = document.getElementById("dialog");
    const isForDialog = dialog && event.detail.ctx?.target === dialog;
    if (isForDialog && dialog.childElementCount && !dialog.open) {
      dialog.setAttribute("aria-labelledby", "dialog-title");
      dialog.showModal();
    }
    dress(document);
  });

  // ---- going from page to page

  document.addEventListener("htmx:after:history:push", () => {
    document.getElementById("dialog")?.close();
  });

  document.addEventListener("htmx:after:swap", (event) => {
    const source = event.detail.ctx?.sourceElement;
    const movedOn = event.detail.ctx?.request?.headers?.["HX-Boosted"] === "true";
    if (!movedOn) return;
    const main = document.getElementById("main");
    if (event.detail.ctx.request.method === "GET") scrollTo(0, 0);
    if (main && !main.contains(document.activeElement)) main.focus({ preventScroll: true });
    if (source) document.querySelectorAll("[popover]:popover-open").forEach((menu) => menu.hidePopover());
  });

  // ---- what the visitor opened or closed stays so when its job is shown anew; the rest follows the server

  const folded = new WeakSet();

  document.addEventListener("click", (event) => {
    const summary = event.target.closest("summary");
    if (summary) folded.add(summary.parentElement);
  });

  window.htmx?.registerExtension("keep-open", {
    htmx_before_morph_attr: (element, detail) => !(detail.attrName === "open" && folded.has(element)),
  });

  // ---- toasts

  function watchToast(toast) {
    let timer = 0;
    const leave = () => { timer = setTimeout(() => toast.remove(), TOAST_LIFE_MS); };
    const stay = () => clearTimeout(timer);
    for (const name of ["pointerenter", "focusin"]) toast.addEventListener(name, stay);
    for (const name of ["pointerleave", "focusout"]) toast.addEventListener(name, leave);
    leave();
  }

  // ---- ticks

  function tick(selector, checked) {
    for (const box of document.querySelectorAll(`${selector} .check`)) box.checked = checked;
    document.body.dispatchEvent(new CustomEvent("hearth:selection"));
    showTicks();
  }

  document.addEventListener("hearth:untick", () => tick("#preset-rows", false));

  function showTicks() {
    for (const all of document.querySelectorAll("[data-tick-all]")) {
      const boxes = [...document.querySelectorAll(`${all.dataset.tickAll} .check`)];
      const ticked = boxes.filter((box) => box.checked).length;
      all.checked = boxes.length > 0 && ticked === boxes.length;
      all.indeterminate = ticked > 0 && ticked < boxes.length;
      for (const box of boxes) box.closest("[data-row]")?.classList.toggle("is-selected", box.checked);
    }
    showCounts();
  }

  function showCounts() {
    for (const place of document.querySelectorAll("[data-tick-count]")) {
      const count = document.querySelectorAll(`${place.dataset.tickCount} .check:checked`).length;
      const text = count ? `${count} selected` : "";
      if (place.textContent !== text) place.textContent = text;
    }
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-tick-all]")) tick(event.target.dataset.tickAll, event.target.checked);
    else if (event.target.matches(".check")) showTicks();
  });

  // ---- times, in the visitor's own zone and language

  const sameDay = (a, b) => a.toDateString() === b.toDateString();

  function showTime(element) {
    const then = new Date(element.dateTime);
    if (Number.isNaN(then.getTime())) return;
    const now = new Date();
    const yesterday = new Date(now.getTime() - 86_400_000);
    const clock = then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const day = then.toLocaleDateString([], { day: "numeric", month: "short" });
    if (sameDay(then, now)) element.textContent = clock;
    else if (sameDay(then, yesterday)) element.textContent = `yesterday ${clock}`;
    else element.textContent = then.getFullYear() === now.getFullYear() ? day : `${day} ${then.getFullYear()}`;
    element.title = then.toLocaleString();
  }

  function dress(root) {
    root.querySelectorAll("[data-time]").forEach(showTime);
    root.querySelectorAll("[data-toast]").forEach((toast) => {
      if (toast.dataset.toast === "pass") watchToast(toast);
      toast.dataset.toast = "seen";
    });
    showTicks();
  }

  // ---- keys; single letters never while somebody types

  let chord = 0;

  const isTyping = (target) => target.closest("input:not(.check), textarea, select, [contenteditable]");

  function step(by) {
    const rows = [...document.querySelectorAll("main [data-row]")];
    if (!rows.length) return;
    const at = rows.indexOf(document.activeElement?.closest("[data-row]"));
    const row = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by))];
    (row.querySelector("[data-open-row]") ?? row).focus();
    row.scrollIntoView({ block: "nearest" });
  }

  function moveJob(event) {
    const row = document.activeElement?.closest("[data-job]");
    const button = row?.querySelector(`[data-move="${event.key === "ArrowUp" ? "up" : "down"}"]`);
    if (!button) return;
    event.preventDefault();
    button.focus();
    button.click();
  }

  const KEYS = {
    "?": () => document.getElementById("keys")?.showModal(),
    "/": () => (document.querySelector("main [data-search]") ?? document.querySelector("[data-search]"))?.focus(),
    j: () => step(1),
    k: () => step(-1),
    x: () => document.activeElement?.closest("[data-row]")?.querySelector(".check")?.click(),
    g: () => { chord = Date.now(); },
  };

  document.addEventListener("keydown", (event) => {
    if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) return moveJob(event);
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
    if (Date.now() - chord < CHORD_MS && PLACES[event.key]) {
      chord = 0;
      const link = document.querySelector(`.sidebar a[href="${PLACES[event.key]}"]`);
      return link?.click();
    }
    const action = KEYS[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  // A focused item in a sideways list is shown whole.
  document.addEventListener("focusin", (event) => {
    if (event.target.closest(".scroll-x, .tabs")) event.target.scrollIntoView({ block: "nearest", inline: "nearest" });
  });

  dress(document);
})();
