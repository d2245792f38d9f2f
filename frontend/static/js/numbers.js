/* Sizes, speeds and times as people read them. The same rules as backend/web/filters.py; a test holds the two together. */
(() => {
  const NBSP = "\u00a0";
  const UNITS = [["TiB", 2 ** 40, 2], ["GiB", 2 ** 30, 1], ["MiB", 2 ** 20, 0], ["KiB", 2 ** 10, 0]];

  /** 13.3 GiB, 412 GiB, 242 MiB. */
  function size(bytes) {
    for (const [unit, factor, decimals] of UNITS) {
      if (bytes < factor) continue;
      const value = bytes / factor;
      return (unit === "GiB" && value >= 100 ? value.toFixed(0) : value.toFixed(decimals)) + NBSP + unit;
    }
    return `${Math.round(bytes)}${NBSP}B`;
  }

  /** 51.2 MiB/s, 640 KiB/s. */
  function speed(bytesPerS) {
    if (bytesPerS >= 2 ** 20) return `${(bytesPerS / 2 ** 20).toFixed(1)}${NBSP}MiB/s`;
    return `${(bytesPerS / 2 ** 10).toFixed(0)}${NBSP}KiB/s`;
  }

  /** 48 s, 4 min 10 s, 14 min, 1 h 12 min, 1 d 4 h: two units at most. */
  function duration(seconds) {
    const s = Math.ceil(seconds);
    let parts;
    if (s < 60) parts = [[s, "s"]];
    else if (s < 600) parts = [[Math.floor(s / 60), "min"], [s % 60, "s"]];
    else if (s < 3600) parts = [[Math.ceil(s / 60), "min"]];
    else if (s < 86400) parts = [[Math.floor(s / 3600), "h"], [Math.floor((s % 3600) / 60), "min"]];
    else parts = [[Math.floor(s / 86400), "d"], [Math.floor((s % 86400) / 3600), "h"]];
    return parts.filter(([value], index) => index === 0 || value).map(([value, unit]) => `${value}${NBSP}${unit}`).join(" ");
  }

  /** Whole per cent, rounded down; 100 only when everything is there and checked. */
  function percent(ratio, completed) {
    return completed ? 100 : Math.min(99, Math.floor(ratio * 100));
  }

  Hearth.numbers = { size, speed, duration, percent };
})();
