// Filter, search, folding and copying. Without it the page shows everything.
(() => {
  fold(() => false);

  // -- pictures: one that is wider than its box says so; on a phone nothing else shows that it scrolls ---------------
  const pictures = all(".diagram");
  const measure = () => {
    for (const box of pictures) box.previousElementSibling.hidden = box.scrollWidth <= box.clientWidth + 1;
  };
  addEventListener("resize", measure);
  measure();

  // -- filter -------------------------------------------------------------------------------------------------------
  const form = one("#filters");
  const rules = all("[data-rule]");
  const words = new Map(rules.map((rule) => [rule, wordsOf(rule)]));

  function wordsOf(rule) {
    const failure = document.getElementById(rule.dataset.rule);
    const whole = rule.textContent + (rule.dataset.verdict === "fail" && failure ? failure.textContent : "");
    return whole.toLowerCase();
  }

  function chosen(by) {
    return new Set(all(`[data-by="${by}"][aria-pressed="true"]`, form).map((button) => button.dataset.value));
  }

  function filter() {
    const wanted = ["verdict", "level", "area"].map((by) => [by, chosen(by)]);
    const asked = one("#search").value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const rule of rules) {
      const fits =
        wanted.every(([by, values]) => values.size === 0 || values.has(rule.dataset[by])) &&
        asked.every((word) => words.get(rule).includes(word));
      rule.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    for (const group of all("[data-group]")) group.hidden = !all("[data-rule]", group).some((rule) => !rule.hidden);
    const found = one("#found");
    found.textContent = found.dataset.said.replace("{shown}", shown).replace("{total}", rules.length);
    one("#nothing").hidden = shown > 0;
    one("#all").hidden = shown === rules.length;
  }

  if (form) {
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", filter);
    form.addEventListener("reset", () => {
      for (const button of all("[aria-pressed]", form)) button.setAttribute("aria-pressed", "false");
      setTimeout(filter);
    });
    for (const button of all("[data-by]", form)) {
      button.addEventListener("click", () => {
        button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
        filter();
      });
    }
    filter();
  }

  // -- links to a rule: shown and opened, whatever the filter hides -------------------------------------------------
  function reveal() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const rule = target && target.closest("[data-rule]");
    if (!rule) return;
    if (rule.hidden) form.reset();
    rule.hidden = false;
    rule.closest("[data-group]").hidden = false;
    rule.open = true;
    rule.scrollIntoView({ block: "start" });
  }
  addEventListener("hashchange", reveal);
  // A link to the place one is at already changes no hash.
  addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.hash === location.hash) reveal();
  });
  reveal();

  // -- copying: the clipboard may be refused (a mail's preview); then the text is selected ---------------------------
  for (const button of all(".copy")) {
    const name = button.textContent;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.from);
      let copied = true;
      try {
        await navigator.clipboard.writeText(source.textContent);
      } catch {
        getSelection().selectAllChildren(source);
        copied = document.execCommand("copy");
      }
      button.textContent = copied ? button.dataset.done : button.dataset.failed;
      setTimeout(() => (button.textContent = name), 2000);
    });
  }
})();
