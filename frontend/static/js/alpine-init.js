/* View state only: what the server does not know and does not need to know. */
document.addEventListener("alpine:init", () => {
  Alpine.data("themeSwitcher", () => ({
    pick() {
      Hearth.theme.set(this.$el.dataset.themeChoice);
      for (const item of document.querySelectorAll("[data-theme-choice][aria-pressed]")) {
        item.setAttribute("aria-pressed", String(item.dataset.themeChoice === Hearth.theme.choice));
      }
    },
  }));

  Alpine.data("reveal", () => ({
    shown: false,
    get type() { return this.shown ? "text" : "password"; },
    get label() { return this.shown ? "Hide password" : "Show password"; },
    toggle() { this.shown = !this.shown; },
  }));
});
