"use strict";
(() => {
  const tools = document.getElementById("tools");
  const make = (name, values) => Object.assign(document.createElement(name), values);
  const search = make("input", { type: "search", placeholder: "Search (press /)" });
  search.setAttribute("aria-label", "Search the report");
  const found = make("output", {});
  found.setAttribute("aria-live", "polite");
  const open = make("button", { type: "button", textContent: "Open all" });
  const close = make("button", { type: "button", textContent: "Close all" });
  tools.append(search, found, open, close);

  const rows = [...document.querySelectorAll("[data-find]")];
  const all = () => document.querySelectorAll("main details");
  const places = "summary, a, pre";
  let texts = null;
  let before = null; // which details were open when the search began

  // The text of a row without that of the rows in it.
  const own = (row) => {
    let text = "";
    const walk = (node) => {
      for (const child of node.childNodes) {
        if (child.nodeType === Node.TEXT_NODE) text += child.data + " ";
        else if (!child.hasAttribute || !child.hasAttribute("data-find")) walk(child);
      }
    };
    walk(row);
    return text.toLowerCase();
  };

  const filter = () => {
    const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    if (!wanted.length) {
      for (const row of rows) row.hidden = false;
      if (before) for (const each of all()) each.open = before.has(each);
      before = null;
      found.textContent = "";
      return;
    }
    texts = texts || rows.map(own);
    before = before || new Set([...all()].filter((each) => each.open));
    const shown = new Set();
    let count = 0;
    rows.forEach((row, at) => {
      if (!wanted.every((word) => texts[at].includes(word))) return;
      count += 1;
      shown.add(row);
      for (let up = row.parentElement; up && up.tagName !== "MAIN"; up = up.parentElement) {
        if (up.hasAttribute("data-find")) { shown.add(up); up.open = true; }
      }
    });
    for (const row of rows) row.hidden = !shown.has(row);
    found.textContent = count === 1 ? "1 found" : count + " found";
  };

  let later = 0;
  search.addEventListener("input", () => { clearTimeout(later); later = setTimeout(filter, 120); });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { search.value = ""; filter(); search.blur(); }
    if (event.key === "Enter") {
      event.preventDefault(); // the row that gets the focus is not to take this key, too
      clearTimeout(later);
      filter();
      const first = rows.find((row) => !row.hidden && row.querySelector(places));
      if (first) first.querySelector(places).focus();
    }
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  });
  open.addEventListener("click", () => { for (const each of all()) each.open = true; });
  close.addEventListener("click", () => { for (const each of all()) each.open = false; });

  // A link to a visit unfolds it, and what it is in.
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target || !target.closest("main")) return;
    if (target.closest("[hidden]")) { search.value = ""; filter(); }
    for (let up = target; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    target.scrollIntoView({ block: "start" });
    const summary = target.querySelector("summary");
    if (target.tagName === "DETAILS" && summary) summary.focus({ preventScroll: true });
  };
  addEventListener("hashchange", reveal);
  reveal();

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...all()].filter((each) => !each.open);
    for (const each of closed) each.open = true;
  });
  addEventListener("afterprint", () => { for (const each of closed) each.open = false; });
})();
