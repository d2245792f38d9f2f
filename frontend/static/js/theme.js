/* Runs before the first paint. The server has rendered the theme that the visitor chose; only "system" is decided here. */
(() => {
  const root = document.documentElement;
  const YEAR_S = 365 * 24 * 3600;
  const matches = (query) => matchMedia(query).matches;

  function resolve(choice) {
    if (choice !== "system") return choice;
    if (matches("(prefers-contrast: more)")) return "high-contrast";
    return matches("(prefers-color-scheme: light)") ? "light" : "dark";
  }

  function show(choice) {
    root.dataset.themeChoice = choice;
    root.dataset.theme = resolve(choice);
  }

  window.Hearth = {
    theme: {
      get choice() { return root.dataset.themeChoice; },
      set(choice) {
        document.cookie = `hearth_theme=${choice}; path=/; max-age=${YEAR_S}; samesite=lax`;
        show(choice);
      },
    },
  };

  show(root.dataset.themeChoice);
  for (const query of ["(prefers-contrast: more)", "(prefers-color-scheme: light)"]) {
    matchMedia(query).addEventListener("change", () => show(root.dataset.themeChoice));
  }
})();
