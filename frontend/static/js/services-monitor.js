/*
 * Services before your eyes, as long as the page shows them: what changed is told to the page as an event, and the list asks
 * the server for itself again; the lines of one log arrive over a socket of their own and are put into the template's shape.
 */
(() => {
  const FIRST_WAIT_MS = 500;
  const LAST_WAIT_MS = 8000;
  const MOST_LINES = 2000;
  const ORDER = ["debug", "info", "warning", "error"];

  const section = () => document.querySelector("[data-log]");
  const part = (name) => section()?.querySelector(`[data-log-${name}]`);
  const tell = (name) => document.body.dispatchEvent(new CustomEvent(name));

  // ---- a socket that comes back

  class Line {
    constructor(received) { this.received = received; this.path = null; this.socket = null; this.failures = 0; this.timer = 0; }

    aim(path) {
      if (path === this.path) return;
      this.hangUp();
      this.path = path;
      if (path) this.connect();
    }

    connect() {
      clearTimeout(this.timer);
      if (!this.path || this.socket) return;
      const scheme = location.protocol === "https:" ? "wss" : "ws";
      const socket = new WebSocket(`${scheme}://${location.host}${this.path}`);
      this.socket = socket;
      socket.addEventListener("message", (event) => {
        if (socket !== this.socket) return;
        this.failures = 0;
        this.received(JSON.parse(event.data));
      });
      socket.addEventListener("close", () => {
        if (socket !== this.socket) return;
        this.socket = null;
        this.failures += 1;
        this.timer = setTimeout(() => this.connect(), Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.failures - 1)) * (0.8 + Math.random() * 0.4));
      });
    }

    hangUp() {
      clearTimeout(this.timer);
      const socket = this.socket;
      this.socket = null;
      this.path = null;
      socket?.close();
    }
  }

  const states = new Line((frame) => {
    if (frame.type === "service.changed") {
      tell("hearth:services");
      const region = document.getElementById("announce");
      if (region) region.textContent = `${frame.data.label}: ${frame.data.state}`;
    }
  });

  // ---- lines

  let isPaused = false;
  let held = [];

  function shaped(line) {
    const row = part("line").content.firstElementChild.cloneNode(true);
    const [time, level, text] = row.children;
    if (line.at) {
      time.dateTime = line.at;
      time.textContent = new Date(line.at).toLocaleTimeString([], { hour12: false });
    }
    level.textContent = line.level;
    text.textContent = line.text;
    row.className = `is-${line.level}`;
    row.dataset.level = line.level;
    row.hidden = !matches(row);
    return row;
  }

  function matches(row) {
    const wanted = part("text").value.toLowerCase();
    const least = ORDER.indexOf(part("level").value || "debug");
    return ORDER.indexOf(row.dataset.level) >= least && row.lastElementChild.textContent.toLowerCase().includes(wanted);
  }

  function showState() {
    const rows = [...part("lines").children];
    const shown = rows.filter((row) => !row.hidden).length;
    const told = shown === rows.length ? `${rows.length} lines` : `${shown} of ${rows.length} lines`;
    part("state").textContent = isPaused ? `${told}, ${held.length} more wait` : rows.length ? told : "Nothing written yet";
  }

  function add(lines, afresh) {
    const box = part("box");
    const list = part("lines");
    const follows = afresh || box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    if (afresh) list.replaceChildren();
    list.append(...lines.map(shaped));
    while (list.childElementCount > MOST_LINES) list.firstElementChild.remove();
    if (follows) box.scrollTop = box.scrollHeight;
    showState();
  }

  const lines = new Line((frame) => {
    if (!section() || frame.key !== section().dataset.log) return;
    if (frame.type === "snapshot") {
      held = [];
      if (isPaused) held = frame.data.lines;
      else add(frame.data.lines, true);
    } else if (frame.type === "log.lines") {
      if (!isPaused) return add(frame.data.lines, false);
      held = [...held, ...frame.data.lines].slice(-MOST_LINES);
    }
    showState();
  });

  function pause(wanted) {
    isPaused = wanted;
    const button = part("pause");
    button.setAttribute("aria-pressed", String(isPaused));
    button.lastElementChild.textContent = isPaused ? "Go on" : "Pause";
    if (!isPaused) {
      add(held, false);
      held = [];
    }
    showState();
  }

  function filter() {
    for (const row of part("lines").children) row.hidden = !matches(row);
    showState();
  }

  document.addEventListener("input", (event) => { if (event.target.matches("[data-log-text], [data-log-level]")) filter(); });
  document.addEventListener("click", (event) => { if (event.target.closest("[data-log-pause]")) pause(!isPaused); });
  document.addEventListener("submit", (event) => {
    if (!event.target.closest("[data-log]")) return;
    event.preventDefault();
    event.stopPropagation();
    filter();
  }, true);

  // ---- the page

  function look() {
    states.aim(document.getElementById("services") ? "/ws/system" : null);
    const name = section()?.dataset.log;
    const path = name ? `/ws/system/services/${name}/logs?lines=500` : null;
    if (path !== lines.path) { isPaused = false; held = []; }
    if (name) {
      part("pause").hidden = false;
      part("submit").hidden = true;
    }
    lines.aim(path);
  }

  document.addEventListener("htmx:after:swap", look);
  addEventListener("pagehide", () => { states.hangUp(); lines.hangUp(); });
  addEventListener("pageshow", (event) => { if (event.persisted) look(); });
  addEventListener("online", () => { states.connect(); lines.connect(); });
  look();
})();
