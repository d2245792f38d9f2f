/* The gallery by keyboard, and several results at once. Requests are those of the buttons; this only presses them. */
(() => {
  const grid = () => document.getElementById("gallery-days");
  const tiles = () => [...(grid()?.querySelectorAll(".tile") ?? [])];
  const ticked = () => [...(grid()?.querySelectorAll(".tile .check:checked") ?? [])];
  const focused = () => document.activeElement?.closest("#gallery-days .tile");
  const isOpen = () => document.querySelector("dialog[open], [popover]:popover-open, .combo-list:not([hidden])");
  const takesKeys = (target) => target.closest("input:not(.check), textarea, select, video, audio, [contenteditable]");
  const post = (url, values) => window.htmx.ajax("POST", url, { swap: "none", source: document.body, values });

  let afterwards = null; // the tile that gets the focus when the one that has it is gone
  let last = null;       // the tile that was ticked last, where a range begins

  // ---- moving

  const goTo = (tile) => {
    const link = tile?.querySelector("a");
    link?.focus();
    link?.scrollIntoView({ block: "nearest" });
  };

  /** Return how many tiles stand in a row of the grid that *tile* is in. */
  function columns(tile) {
    const row = [...tile.parentElement.children];
    const next = row.findIndex((each) => each.offsetTop > row[0].offsetTop);
    return next < 0 ? row.length : next;
  }

  function move(by, isRow) {
    const all = tiles();
    const here = focused();
    if (!here) return goTo(all[0]);
    const at = all.indexOf(here);
    const to = isRow ? below(here, by) : at + by;
    goTo(all[Math.min(all.length - 1, Math.max(0, to))]);
  }

  /** Return the number of the tile in the same column one row on; days begin rows of their own. */
  function below(here, by) {
    const all = tiles();
    const siblings = [...here.parentElement.children];
    const wide = columns(here);
    const place = siblings.indexOf(here);
    const wanted = place + by * wide;
    const at = all.indexOf(here);
    if (wanted >= 0 && wanted < siblings.length) return at + by * wide;
    if (by > 0) {
      const isLastRow = Math.floor(place / wide) === Math.floor((siblings.length - 1) / wide);
      return at + (isLastRow ? siblings.length - place + (place % wide) : siblings.length - 1 - place);
    }
    const before = here.closest(".day").previousElementSibling?.querySelectorAll(".tile").length;
    if (!before) return at;
    const lastRow = Math.floor((before - 1) / wide) * wide;
    return at - place - before + Math.min(before - 1, lastRow + (place % wide));
  }

  // ---- ticking

  function tick(tile, to) {
    const box = tile?.querySelector(".check");
    if (!box || box.checked === to) return;
    box.checked = to;
    box.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function toggle() {
    const tile = focused();
    if (!tile) return;
    tick(tile, !tile.querySelector(".check").checked);
    last = tile;
  }

  document.addEventListener("click", (event) => {
    const box = event.target.closest("#gallery-days .tile .check");
    if (!box) return;
    const tile = box.closest(".tile");
    if (event.shiftKey && last?.isConnected) {
      const all = tiles();
      const [from, to] = [all.indexOf(last), all.indexOf(tile)].sort((a, b) => a - b);
      for (const each of all.slice(from, to + 1)) tick(each, box.checked);
    }
    last = tile;
  });

  // ---- doing

  function press(id) {
    const button = document.getElementById(id);
    button?.click();
    return Boolean(button);
  }

  function favourite() {
    if (ticked().length) return press("bulk-favourite");
    const tile = focused();
    if (tile) post("/gallery/favourite", { id: tile.dataset.result, value: tile.dataset.favourite === "yes" ? "no" : "yes" });
  }

  function remove() {
    const going = ticked().map((box) => box.closest(".tile"));
    const tile = focused();
    if (!going.length && !tile) return;
    const leave = new Set(going.length ? going : [tile]);
    if (!going.length || leave.has(tile)) {
      const all = tiles();
      const at = tile ? all.indexOf(tile) : 0;
      afterwards = (all.slice(at).find((each) => !leave.has(each)) ?? all.slice(0, at).findLast((each) => !leave.has(each)))?.id ?? null;
    }
    if (going.length) press("bulk-delete");
    else if (document.getElementById("bulk-delete")) post("/gallery/delete", { id: tile.dataset.result });
  }

  const IN_GRID = {
    ArrowRight: () => move(1, false),
    ArrowLeft: () => move(-1, false),
    ArrowDown: () => move(1, true),
    ArrowUp: () => move(-1, true),
    " ": toggle,
    f: favourite,
    Delete: remove,
    Escape: () => press("bulk-clear"),
  };
  const ON_ITEM = {
    ArrowLeft: () => press("newer"),
    ArrowRight: () => press("older"),
    f: () => press("favourite"),
    Delete: () => press("delete"),
    Escape: () => press("to-gallery"),
  };

  /** Tell whether a key in the grid would do something; otherwise it keeps what it does everywhere: scroll, press. */
  function means(key) {
    if (key === "Escape") return ticked().length > 0;
    if (key === "f" || key === "Delete") return Boolean(focused()) || ticked().length > 0;
    if (key === " ") return focused() !== null && document.activeElement.matches("a");
    return key === "ArrowRight" || key === "ArrowLeft" || Boolean(focused());
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || takesKeys(event.target) || isOpen()) return;
    const onItem = document.getElementById("gallery-item");
    const action = onItem ? ON_ITEM[event.key] : grid() && IN_GRID[event.key];
    if (!action || (!onItem && !means(event.key))) return;
    event.preventDefault();
    action();
  });

  // ---- after the list was shown anew

  function shown() {
    const count = document.getElementById("gallery-shown");
    if (count) count.value = String(tiles().length);
    if (!afterwards || !grid()) return;
    const tile = document.getElementById(afterwards);
    if (focused() || document.activeElement !== document.body) return;
    afterwards = null;
    goTo(tile);
  }

  document.addEventListener("htmx:after:swap", shown);
  shown();

  // ---- copying

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const text = document.querySelector(button.dataset.copy).textContent;
    const label = button.querySelector("span");
    try {
      await navigator.clipboard.writeText(text);
      label.textContent = "Copied";
    } catch {
      label.textContent = "Not allowed here"; // the clipboard needs HTTPS, or this machine itself
    }
  });
})();
