/*
 * Numbers by WebSocket. One socket per tab, kept while pages change; it writes into elements marked data-live and never
 * makes or removes one. A change of state is told to the page as an event, and whoever shows it asks the server for
 * itself again (hx-trigger). Without a line the page says so, keeps its last numbers, and asks by itself every 5 s.
 */
(() => {
  const { size, speed, duration, percent } = Hearth.numbers;
  const FIRST_WAIT_MS = 500;
  const LAST_WAIT_MS = 8000;
  const FAILURES_BEFORE_POLLING = 3;
  const POLL_MS = 5000;
  const SHOW_LOST_AFTER_MS = 1200;
  const SPEAK_EVERY_MS = 5000;
  const STALL_S = 5;
  const SIGNED_OUT = 4401;
  const RUNNING = ["resolving", "downloading", "verifying"];
  const WORDS = {
    queued: "queued", resolving: "resolving", downloading: "downloading", verifying: "verifying", completed: "done",
    failed: "failed", cancelled: "cancelled", paused: "paused", blocked: "needs you",
  };

  const jobs = new Map();
  let socket = null;
  let failures = 0;
  let retryTimer = 0;
  let lostTimer = 0;
  let pollTimer = 0;
  let lastFrameAt = null;
  let spokenAt = 0;
  let speakTimer = 0;

  const tell = (name) => document.body.dispatchEvent(new CustomEvent(name));

  // ---- writing numbers

  const WRITERS = {
    done: (element, item) => { element.textContent = size(item.bytes_done); },
    left: (element, item) => { if (item.bytes_total !== null) element.textContent = size(Math.max(0, item.bytes_total - item.bytes_done)); },
    total: (element, item) => { if (item.bytes_total !== null) element.textContent = size(item.bytes_total); },
    pct: (element, item) => { element.textContent = item.progress_ratio === null ? "" : `${percent(item.progress_ratio, item.state === "completed")}\u00a0%`; },
    speed: (element, item) => { element.textContent = item.speed_bytes_s ? speed(item.speed_bytes_s) : ""; },
    eta: (element, item) => { element.textContent = item.eta_s === null ? "" : ` · ${duration(item.eta_s)}`; },
    stalled: (element, item) => { element.textContent = stalled(item); },
    bar: writeBar,
  };

  function stalled(item) {
    if (item.retry_in_s) return `next try in ${duration(item.retry_in_s)}`;
    return item.stalled_s && item.stalled_s >= STALL_S ? `no data for ${duration(Math.floor(item.stalled_s))}` : "";
  }

  function writeBar(element, item) {
    if (item.progress_ratio === null) return;
    const value = percent(item.progress_ratio, item.state === "completed");
    element.value = value;
    element.setAttribute("aria-valuetext", `${value} percent`);
  }

  /** Write *item* into the marked elements of *scope* that belong to no scope inside it. */
  function write(scope, item) {
    for (const element of scope.querySelectorAll("[data-live]")) {
      if (element.closest("[data-job], [data-file], [data-check]") === scope) WRITERS[element.dataset.live]?.(element, item);
    }
  }

  function writeJob(job) {
    for (const scope of document.querySelectorAll(`[data-job="${job.id}"]`)) {
      write(scope, job);
      if (scope.dataset.state !== job.state) askAgain(job);
    }
    for (const file of job.files) {
      for (const scope of document.querySelectorAll(`[data-file="${file.id}"]`)) {
        write(scope, file);
        if (scope.dataset.state !== file.state) askAgain(job);
      }
    }
  }

  function writeQueue() {
    const running = [...jobs.values()].filter((job) => RUNNING.includes(job.state));
    const waiting = jobs.size - running.length;
    const bytesPerS = running.reduce((sum, job) => sum + (job.speed_bytes_s ?? 0), 0);
    const left = [...jobs.values()].reduce((sum, job) => sum + Math.max(0, (job.bytes_total ?? 0) - job.bytes_done), 0);
    for (const element of document.querySelectorAll("[data-live-queue]")) {
      const kind = element.dataset.liveQueue;
      if (kind === "speed") element.textContent = running.length ? speed(bytesPerS) : "–";
      else if (kind === "activity") element.hidden = running.length === 0;
      else if (kind === "eta") element.textContent = bytesPerS && left ? duration(left / bytesPerS) : "–";
      else element.textContent = running.length ? `${running.length} active` : waiting ? `${waiting} waiting` : "";
    }
  }

  // ---- frames

  function askAgain(job) {
    tell("hearth:downloads");
    const preset = job.preset_id ?? jobs.get(job.id)?.preset_id;
    if (preset) tell(`hearth:preset-${preset}`);
  }

  function remember(job) {
    if (["completed", "failed", "cancelled"].includes(job.state)) jobs.delete(job.id);
    else jobs.set(job.id, { ...jobs.get(job.id), ...job });
  }

  /** Speak of a change of state, at most once in 5 s, then of the newest; numbers are never spoken. */
  function speak(text) {
    clearTimeout(speakTimer);
    speakTimer = setTimeout(() => {
      spokenAt = Date.now();
      const region = document.getElementById("announce");
      if (region) region.textContent = text;
    }, Math.max(0, spokenAt + SPEAK_EVERY_MS - Date.now()));
  }

  const FRAMES = {
    "download.progress"(job) { remember(job); writeJob(job); writeQueue(); },
    "download.changed"(job) {
      const before = jobs.get(job.id)?.state;
      remember(job);
      writeJob(job);
      writeQueue();
      askAgain(job);
      if (before && before !== job.state) speak(`${job.name}: ${WORDS[job.state]}`);
    },
    "download.removed"(job) { jobs.delete(job.id); tell("hearth:downloads"); },
    "download.queue"() { tell("hearth:downloads"); },
    "preset.changed"(preset) { tell(`hearth:preset-${preset.id}`); },
    "catalog.updated"() { tell("hearth:presets"); },
    "workflow.changed"() { tell("hearth:workflows"); },
    "workflow.removed"() { tell("hearth:workflows"); },
    "verification.progress"(check) {
      for (const scope of document.querySelectorAll(`[data-check="${check.preset_id}"]`)) write(scope, check);
      if (!["queued", "running"].includes(check.state) || !document.querySelector(`[data-check="${check.preset_id}"]`)) {
        tell(`hearth:preset-${check.preset_id}`);
      }
    },
  };

  function snapshot(topic, data) {
    if (topic === "downloads") {
      jobs.clear();
      for (const job of data.items) { remember(job); writeJob(job); }
      writeQueue();
      const shown = [...document.querySelectorAll("#download-queue [data-job]")].map((scope) => scope.dataset.job);
      const known = new Set(data.items.map((job) => job.id));
      if (document.getElementById("download-queue") && ([...jobs.keys()].some((id) => !shown.includes(id)) || shown.some((id) => !known.has(id)))) tell("hearth:downloads");
    } else if (topic === "presets") {
      for (const scope of document.querySelectorAll("[data-status][id^='preset-']")) {
        const id = scope.id === "preset-body" ? scope.getAttribute("hx-get").split("/").pop() : scope.id.slice("preset-".length);
        if (data[id] && data[id] !== scope.dataset.status) tell(`hearth:preset-${id}`);
      }
    }
  }

  function received(frame) {
    lastFrameAt = new Date();
    if (frame.type === "snapshot") snapshot(frame.topic, frame.data);
    else FRAMES[frame.type]?.(frame.data);
  }

  // ---- the line

  function connect() {
    clearTimeout(retryTimer);
    if (socket && socket.readyState <= WebSocket.OPEN) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const line = new WebSocket(`${scheme}://${location.host}/ws/live?topics=downloads,presets,workflows`);
    socket = line;
    line.addEventListener("message", (event) => {
      if (line !== socket) return;
      if (failures) restored();
      received(JSON.parse(event.data));
    });
    line.addEventListener("close", (event) => {
      if (line !== socket) return;
      socket = null;
      if (event.code === SIGNED_OUT) location.reload();
      else lost();
    });
  }

  function lost() {
    failures += 1;
    const wait = Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1));
    retryTimer = setTimeout(connect, wait * (0.8 + Math.random() * 0.4));
    if (!lostTimer) lostTimer = setTimeout(showLost, SHOW_LOST_AFTER_MS);
    if (failures >= FAILURES_BEFORE_POLLING && !pollTimer) pollTimer = setInterval(poll, POLL_MS);
  }

  function restored() {
    failures = 0;
    clearTimeout(lostTimer);
    clearInterval(pollTimer);
    lostTimer = pollTimer = 0;
    delete document.documentElement.dataset.connection;
    const chip = document.getElementById("connection");
    if (chip) chip.hidden = true;
    poll();
  }

  /** A request found nobody. The socket may not know yet: a ping shows whether it still leads anywhere. */
  function requestFailed(event) {
    if (!(event.detail?.error instanceof TypeError)) return;
    failures ||= 1;
    showLost();
    if (socket?.readyState === WebSocket.OPEN) socket.send('{"type":"ping"}');
    else connect();
  }

  function showLost() {
    document.documentElement.dataset.connection = "lost";
    const chip = document.getElementById("connection");
    if (!chip) return;
    const clock = lastFrameAt?.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    document.getElementById("connection-text").textContent = clock ? `Reconnecting, numbers from ${clock}` : "Reconnecting";
    chip.hidden = false;
  }

  /** Ask for everything on the page again, as if all of it had changed. */
  function poll() {
    if (document.hidden) return;
    tell("hearth:downloads");
    tell("hearth:presets");
    tell("hearth:workflows");
    const detail = document.getElementById("preset-body");
    if (detail) tell(`hearth:preset-${detail.getAttribute("hx-get").split("/").pop()}`);
  }

  function atOnce() {
    if (document.hidden || (socket && socket.readyState <= WebSocket.OPEN)) return;
    connect();
  }

  // What was just put on the page gets the newest numbers without waiting for the next frame.
  document.addEventListener("htmx:after:swap", () => {
    for (const job of jobs.values()) {
      for (const scope of document.querySelectorAll(`[data-job="${job.id}"]`)) write(scope, job);
    }
    writeQueue();
  });
  document.addEventListener("htmx:error", requestFailed);
  document.addEventListener("visibilitychange", atOnce);
  addEventListener("online", atOnce);
  addEventListener("pagehide", () => { const line = socket; socket = null; line?.close(); });
  addEventListener("pageshow", (event) => { if (event.persisted) atOnce(); });
  connect();
})();
