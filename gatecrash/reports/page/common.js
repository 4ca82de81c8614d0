// What every page does with a script: show what only works with one, fold, offer the choice between light and dark.
"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector) => document.querySelector(selector);

// Everything is open in the file, for readers without scripts and for paper. `stays`: what is open at first.
function fold(stays) {
  const folds = all("details");
  let before = [];
  for (const details of folds) details.open = stays(details);
  addEventListener("beforeprint", () => {
    before = folds.filter((details) => !details.open);
    before.forEach((details) => (details.open = true));
  });
  addEventListener("afterprint", () => before.forEach((details) => (details.open = false)));
}

(() => {
  const root = document.documentElement;

  for (const control of all(".control")) control.hidden = false;

  // -- theme: kept in the page alone, so that it needs no storage -------------------------------------------------
  const theme = one("#theme");
  const preferred = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : preferred.matches);
  const nameTheme = () => {
    theme.textContent = isDark() ? theme.dataset.light : theme.dataset.dark;
  };
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    nameTheme();
  });
  preferred.addEventListener("change", nameTheme);
  nameTheme();
})();
