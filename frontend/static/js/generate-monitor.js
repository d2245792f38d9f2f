/*
 * A generation before your eyes. A socket of its own, as long as the page shows the stage: numbers go into elements marked
 * data-gen, previews arrive as binary frames and go into one picture. A change of state is told to the page as an event,
 * and the stage asks the server for itself again.
 */
(() => {
  const { duration, percent } = Hearth.numbers;
  const FIRST_WAIT_MS = 500;
  const LAST_WAIT_MS = 8000;
  const HEAD_BYTES = 4;
  const WORDS = { queued: "queued", running: "running", completed: "done", failed: "failed", cancelled: "cancelled" };

  let socket = null;
  let failures = 0;
  let retryTimer = 0;
  let preview = null;
  let isOwed = false;
  const numbers = new Map();

  const stage = () => document.getElementById("generate-stage");
  const tell = (name) => document.body.dispatchEvent(new CustomEvent(name));

  // ---- writing

  const WRITERS = {
    pct: (element, job) => { element.textContent = `${ratio(job)}\u00a0%`; },
    bar: (element, job) => { element.value = ratio(job); element.setAttribute("aria-valuetext", `${ratio(job)} percent`); },
    eta: (element, job) => { element.textContent = job.eta_s === null ? "" : `${duration(job.eta_s)} left`; },
    node: (element, job) => { element.textContent = job.node?.title ?? ""; },
    step: (element, job) => { element.textContent = job.step ? `${Math.floor(job.step.value)} of ${Math.floor(job.step.max)}` : ""; },
    nodes: (element, job) => {
      let running = null;
      for (const item of element.children) {
        const state = job.nodes[item.dataset.node] ?? "waiting";
        if (item.dataset.state === state) continue;
        item.dataset.state = state;
        if (state === "running") running = item;
      }
      // Within the list alone: the page stays where it is.
      if (running && document.activeElement !== element) element.scrollTop = running.offsetTop - element.offsetTop - element.clientHeight / 2;
    },
    position: (element, job) => { if (job.position !== null) element.textContent = String(job.position + 1); },
  };

  const ratio = (job) => percent(job.progress_ratio ?? 0, job.state === "completed");

  function write(job) {
    for (const scope of document.querySelectorAll(`[data-generation="${job.id}"]`)) {
      for (const element of scope.querySelectorAll("[data-gen]")) WRITERS[element.dataset.gen]?.(element, job);
      if (scope.dataset.state !== job.state) tell("hearth:generations");
    }
  }

  function showPreview() {
    const picture = preview && document.querySelector(`[data-gen-preview="${preview.id}"]`);
    if (!picture) return;
    picture.src = preview.url;
    picture.hidden = false;
    const waiting = picture.parentElement.querySelector("[data-gen-waiting]");
    if (waiting) waiting.hidden = true;
  }

  /** Keep the newest picture alone: length of the head (4 bytes, big-endian), head as JSON, picture. */
  function previewArrived(buffer) {
    const length = new DataView(buffer).getUint32(0);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, HEAD_BYTES, length)));
    if (!document.querySelector(`[data-gen-preview="${head.key}"]`)) return;
    const old = preview?.url;
    preview = { id: head.key, url: URL.createObjectURL(new Blob([new Uint8Array(buffer, HEAD_BYTES + length)], { type: head.data.mime })) };
    showPreview();
    if (old) URL.revokeObjectURL(old);
  }

  // ---- frames

  function changed(job) {
    numbers.set(job.id, job);
    write(job);
    tell("hearth:generations");
    const scope = document.querySelector(`section[data-generation="${job.id}"]`);
    const region = document.getElementById("announce");
    if (scope && region && scope.dataset.state !== job.state) region.textContent = `${job.title}: ${WORDS[job.state]}`;
  }

  function received(frame) {
    if (frame.type === "snapshot") {
      numbers.clear();
      for (const job of frame.data.items) { numbers.set(job.id, job); write(job); }
    } else if (frame.type === "generation.progress") {
      numbers.set(frame.data.id, frame.data);
      write(frame.data);
    } else if (frame.type === "generation.changed") {
      changed(frame.data);
    } else if (frame.type === "backend.changed") {
      tell("hearth:backends");
    }
  }

  // ---- the line

  function connect() {
    clearTimeout(retryTimer);
    if (!stage() || (socket && socket.readyState <= WebSocket.OPEN)) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const line = new WebSocket(`${scheme}://${location.host}/ws/generations`);
    line.binaryType = "arraybuffer";
    socket = line;
    line.addEventListener("message", (event) => {
      if (line !== socket) return;
      if (failures) { failures = 0; tell("hearth:generations"); }
      if (typeof event.data === "string") received(JSON.parse(event.data));
      else previewArrived(event.data);
    });
    line.addEventListener("close", () => {
      if (line !== socket) return;
      socket = null;
      failures += 1;
      retryTimer = setTimeout(connect, Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1)) * (0.8 + Math.random() * 0.4));
    });
  }

  function hangUp() {
    clearTimeout(retryTimer);
    const line = socket;
    socket = null;
    line?.close();
  }

  document.addEventListener("htmx:after:swap", () => {
    if (!stage()) return hangUp();
    connect();
    showPreview();
  });

  // ---- the stage asks again

  /*
   * The stage asks for nothing while another of its answers is under way (hx-sync): one that had waited would carry the
   * address of the job before. So what was told meanwhile is owed, and told again once the line is free, which is after
   * this event. What was put on the page may also be older than what the socket has told, and the other way round.
   */
  document.addEventListener("htmx:finally:request", () => setTimeout(() => {
    if (!stage()) return;
    if (socket?.readyState === WebSocket.OPEN) for (const job of numbers.values()) write(job);
    if (isOwed) tell("hearth:generations");
  }));
  document.addEventListener("hearth:generations", () => { isOwed = true; }, true); // before the stage hears it
  document.addEventListener("htmx:before:request", (event) => { if (event.target === stage()) isOwed = false; });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const form = document.getElementById("inputs");
    if (!form || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    form.requestSubmit();
  });

  addEventListener("pagehide", hangUp);
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  addEventListener("online", connect);
  connect();
})();
