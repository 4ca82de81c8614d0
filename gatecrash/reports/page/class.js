// Sort and filter the students of a class. Without it the page shows all of them, by their ids.
(() => {
  fold((details) => details.matches(".unsure") && all("li", details).length < 9);

  const table = one("#matrix");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row, place) => ({
    row,
    place,
    name: row.cells[0].textContent,
    words: row.cells[0].textContent.toLowerCase(),
    rank: Number(row.dataset.rank),
    broken: Number(row.dataset.broken),
    seconds: Number(row.dataset.seconds),
    breaks: new Set(all("b", row.cells[4]).map((cell) => cell.title)),
  }));

  // -- sorting: numbers from the largest at first, names from the first ----------------------------------------------
  const collator = new Intl.Collator(document.documentElement.lang, { numeric: true });
  const by = {
    name: (a, b) => collator.compare(a.name, b.name),
    rank: (a, b) => a.rank - b.rank,
    broken: (a, b) => a.broken - b.broken,
    seconds: (a, b) => a.seconds - b.seconds,
  };
  const heads = all("th[data-sort]", table);

  function sort(head, descending) {
    const sign = descending ? -1 : 1;
    const compare = by[head.dataset.sort];
    rows.sort((a, b) => sign * compare(a, b) || a.place - b.place);
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const sorted = document.createDocumentFragment();
    for (const { row } of rows) sorted.append(row);
    body.append(sorted);
  }

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      sort(head, now ? now === "ascending" : head.dataset.sort !== "name");
    });
  }

  // -- filtering ------------------------------------------------------------------------------------------------------
  const form = one("#filters");
  const kinds = {
    whole: (one) => one.rank >= 0 && one.broken === 0 && one.rank !== 0,
    broken: (one) => one.broken > 0,
    zero: (one) => one.rank === 0,
    unscored: (one) => one.rank < 0,
  };
  const chooser = one("#rule");

  function filter() {
    const asked = one("#search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = all('[aria-pressed="true"]', form).map((button) => kinds[button.dataset.by]);
    const rule = chooser ? chooser.value : "";
    let shown = 0;
    for (const each of rows) {
      const fits =
        (wanted.length === 0 || wanted.some((kind) => kind(each))) &&
        (!rule || each.breaks.has(rule)) &&
        asked.every((word) => each.words.includes(word));
      each.row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    for (const column of all("[data-column]", table)) column.classList.toggle("chosen", column.dataset.column === rule);
    const found = one("#found");
    found.textContent = found.dataset.said.replace("{shown}", shown).replace("{total}", rows.length);
    one("#nothing").hidden = shown > 0;
    one("#all").hidden = shown === rows.length;
  }

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

  // -- a rule of the list, or of the head of the matrix: who breaks it ------------------------------------------------
  function choose(rule) {
    chooser.value = chooser.value === rule ? "" : rule;
    filter();
  }
  for (const button of all(".pick")) {
    button.addEventListener("click", () => {
      chooser.value = "";
      choose(button.dataset.rule);
      one("#students").scrollIntoView();
    });
  }
  const columns = all("[data-column]", table);
  for (const column of columns) column.addEventListener("click", () => choose(column.dataset.column));

  // -- what a letter stands for -----------------------------------------------------------------------------------------
  body.addEventListener("mousemove", (event) => {
    const cell = event.target.closest("td.letters");
    if (!cell || columns.length === 0) return;
    const at = columns.findIndex((column) => event.clientX <= column.getBoundingClientRect().right);
    cell.title = at < 0 ? "" : columns[at].title;
  });

  filter();
})();
