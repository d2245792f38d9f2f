/* The form of a workflow: sizes to choose from. */
(() => {
  const numbers = (box) => [...box.querySelectorAll("input[type=number]")];

  function showChosen(box) {
    const size = numbers(box).map((input) => input.value).join(" ");
    for (const button of box.querySelectorAll("[data-size]")) button.setAttribute("aria-pressed", String(button.dataset.size === size));
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-size]");
    if (!button) return;
    const box = button.closest("[data-sizes]");
    const sides = button.dataset.size.split(" ");
    numbers(box).forEach((input, index) => { input.value = sides[index]; });
    showChosen(box);
  });

  document.addEventListener("input", (event) => {
    const box = event.target.closest("[data-sizes]");
    if (box) showChosen(box);
  });
})();
