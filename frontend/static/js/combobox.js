/*
 * Search in long lists: a select marked data-combo gets a field beside it that finds its options by any of their words
 * (ARIA Authoring Practices, editable combobox with list autocomplete). The select keeps name and value, and is all there is
 * without scripts.
 */
(() => {
  const MOST_SHOWN = 100;

  const wordsOf = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

  function make(tag, attributes) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  function dress(select) {
    const id = select.id;
    const describes = select.getAttribute("aria-describedby");
    const input = make("input", {
      class: "input", type: "text", role: "combobox", id: `${id}-search`, autocomplete: "off", spellcheck: "false",
      "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${id}-list`,
      ...(describes && { "aria-describedby": describes }),
      ...(select.getAttribute("aria-invalid") && { "aria-invalid": "true" }),
    });
    const label = document.querySelector(`label[for="${CSS.escape(id)}"]`);
    const list = make("ul", { class: "combo-list", role: "listbox", id: `${id}-list`, "aria-label": label?.textContent ?? "Choices" });
    const box = make("div", { class: "combo" });
    list.hidden = true;
    box.append(input, list);
    select.after(box);
    select.hidden = true;
    if (label) label.htmlFor = input.id;

    let active = -1;
    const options = () => [...list.querySelectorAll("[data-index]")];
    const chosen = () => select.selectedOptions[0];

    function restore() {
      input.value = chosen()?.textContent ?? "";
      input.title = input.value;
    }

    function close() {
      list.hidden = true;
      active = -1;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    }

    function mark(index) {
      const shown = options();
      shown[active]?.classList.remove("is-active");
      active = shown.length ? (index + shown.length) % shown.length : -1;
      const option = shown[active];
      option?.classList.add("is-active");
      option?.scrollIntoView({ block: "nearest" });
      if (option) input.setAttribute("aria-activedescendant", option.id);
      else input.removeAttribute("aria-activedescendant");
    }

    function open(words) {
      const found = [...select.options].filter((option) => words.every((word) => option.textContent.toLowerCase().includes(word)));
      const shown = found.slice(0, MOST_SHOWN).map((option) => {
        const item = make("li", { role: "option", id: `${id}-option-${option.index}`, "aria-selected": String(option.selected), "data-index": option.index });
        item.textContent = option.textContent;
        return item;
      });
      const more = found.length - shown.length;
      const note = make("li", { class: "is-note", role: "option", "aria-disabled": "true", "aria-selected": "false" });
      note.textContent = found.length ? `and ${more} more: type to find them` : "Nothing matches";
      list.replaceChildren(...shown, ...(more || !found.length ? [note] : []));
      list.hidden = false;
      active = -1;
      input.setAttribute("aria-expanded", "true");
      if (words.length) mark(0);
      else mark(shown.findIndex((item) => item.getAttribute("aria-selected") === "true"));
    }

    function pick(option) {
      if (!option) return;
      select.selectedIndex = Number(option.dataset.index);
      restore();
      close();
      select.dispatchEvent(new Event("change", { bubbles: true }));
    }

    const KEYS = {
      ArrowDown: () => (list.hidden ? open([]) : mark(active + 1)),
      ArrowUp: () => (list.hidden ? open([]) : mark(active - 1)),
      Enter: () => (list.hidden ? null : pick(options()[active])),
      Escape: () => { if (list.hidden) return null; restore(); close(); },
    };

    input.addEventListener("keydown", (event) => {
      const action = event.altKey || event.ctrlKey || event.metaKey ? null : KEYS[event.key];
      if (!action || (event.key === "Escape" && list.hidden) || (event.key === "Enter" && list.hidden)) return;
      event.preventDefault();
      event.stopPropagation();
      action();
    });
    input.addEventListener("input", (event) => { event.stopPropagation(); open(wordsOf(input.value)); });
    input.addEventListener("click", () => { if (list.hidden) { input.select(); open([]); } });
    input.addEventListener("blur", () => { restore(); close(); });
    list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
    list.addEventListener("click", (event) => pick(event.target.closest("[data-index]")));
    select.addEventListener("hearth:dressed", restore);
    restore();
  }

  function dressAll() {
    for (const select of document.querySelectorAll("select[data-combo]")) {
      if (select.nextElementSibling?.matches(".combo")) select.dispatchEvent(new Event("hearth:dressed"));
      else dress(select);
    }
  }

  document.addEventListener("htmx:after:swap", dressAll);
  dressAll();
})();
