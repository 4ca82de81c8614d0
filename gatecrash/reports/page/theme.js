// What only works with a script is shown when there is one; and the choice between light and dark.
"use strict";
(() => {
  const root = document.documentElement;
  const one = (selector) => document.querySelector(selector);

  for (const control of document.querySelectorAll(".control")) control.hidden = false;

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
