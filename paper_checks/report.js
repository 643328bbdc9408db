"use strict";
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const folds = all("details.fold");
  if (matchMedia("(max-width: 700px)").matches) folds.forEach((fold) => { fold.open = false; });

  // a link into a folded part opens it
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.getAttribute("href") === location.hash) reveal(); // no change, no event
  });
  reveal();

  // paper has no folds
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = folds.filter((fold) => !fold.open);
    closed.forEach((fold) => { fold.open = true; });
  });
  addEventListener("afterprint", () => { closed.forEach((fold) => { fold.open = false; }); });

  const form = document.getElementById("filter"), rows = all(".index tbody tr");
  const [words, verdict, found] = ["words", "verdict", "found"].map((id) => document.getElementById(id));
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !((!verdict.value || row.dataset.verdict === verdict.value) && wanted.every((w) => text.includes(w)));
      shown += !row.hidden;
    }
    found.textContent = `${shown} of ${rows.length}`;
  };
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();
  for (const count of all("a[data-verdict]")) {
    count.addEventListener("click", (event) => {
      event.preventDefault();
      verdict.value = count.dataset.verdict;
      words.value = "";
      filter();
      location.hash = "index";
      reveal();
    });
  }

  const dialog = document.querySelector("dialog"), large = dialog.querySelector("img");
  for (const button of all("figure button")) {
    button.addEventListener("click", () => {
      const image = button.querySelector("img");
      [large.src, large.alt] = [image.src, image.alt];
      dialog.showModal();
    });
  }
  dialog.addEventListener("click", () => dialog.close());
})();
