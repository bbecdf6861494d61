/* SPDX-License-Identifier: Apache-2.0 */
/* What a page gains with scripts: charts that tell their values, tables that sort, cases that can
   be searched. ASCII only. Text goes in as text: nothing here makes markup out of content. */
"use strict";
(() => {
  const make = (tag, props, ...children) => {
    const node = Object.assign(document.createElement(tag), props || {});
    node.append(...children);
    return node;
  };
  const block = document.getElementById("data");
  const data = block ? JSON.parse(block.textContent) : { runs: [], pasts: [], ids: [], past: [] };

  /* Charts: the nearest run under the pointer, or by the arrow keys. */
  const tip = make("div", { className: "tip", hidden: true });
  tip.setAttribute("role", "status");
  document.body.append(tip);
  for (const chart of document.querySelectorAll("svg.trend[data-v]")) {
    const values = chart.dataset.v.split("|"), count = values.length;
    const cursor = document.createElementNS("http://www.w3.org/2000/svg", "line");
    const height = chart.getAttribute("height");
    let at = count - 1;
    cursor.setAttribute("class", "cursor");
    cursor.setAttribute("y2", height);
    cursor.style.display = "none";
    chart.append(cursor);
    const percent = (i) => (count < 2 ? 50 : 8 + (90 * i) / (count - 1));
    const show = (i) => {
      at = Math.max(0, Math.min(count - 1, i));
      const box = chart.getBoundingClientRect(), x = percent(at);
      cursor.setAttribute("x1", x + "%");
      cursor.setAttribute("x2", x + "%");
      cursor.style.display = "";
      tip.replaceChildren(make("b", { textContent: values[at] }), " ", data.runs[at] || "");
      tip.hidden = false;
      const left = box.left + (box.width * x) / 100, half = tip.offsetWidth / 2;
      const room = document.documentElement.clientWidth - tip.offsetWidth - 4;
      tip.style.left = scrollX + Math.max(4, Math.min(room, left - half)) + "px";
      tip.style.top = scrollY + box.top - tip.offsetHeight - 6 + "px";
    };
    const hide = () => { tip.hidden = true; cursor.style.display = "none"; };
    chart.tabIndex = 0;
    chart.addEventListener("pointermove", (event) => {
      const box = chart.getBoundingClientRect();
      const share = (100 * (event.clientX - box.left)) / box.width;
      show(Math.round(((share - 8) / 90) * (count - 1)) || 0);
    });
    chart.addEventListener("pointerleave", hide);
    chart.addEventListener("focus", () => { if (chart.matches(":focus-visible")) show(at); });
    chart.addEventListener("blur", hide);
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, Home: -count, End: count }[event.key];
      if (!step && event.key !== "Escape") return;
      event.preventDefault();
      if (step) show(at + step); else hide();
    });
  }

  /* Tables: a click on a heading sorts; numbers as numbers. */
  const order = (text) => {
    const plain = text.replace(/\u2212/g, "-").replace(/,/g, "");
    const number = /^[-+\u00b1]?[0-9.]+/.exec(plain);
    return number && !/^\d{4}-/.test(plain) ? parseFloat(number[0].replace("\u00b1", "")) : NaN;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = make("button", { type: "button" }, ...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") !== "descending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows].map((row) => {
          const text = row.cells[column].textContent;
          return { row, text, number: order(text) };
        });
        rows.sort((a, b) => {
          const numbers = !isNaN(a.number) && !isNaN(b.number);
          const way = numbers ? a.number - b.number : a.text < b.text ? -1 : a.text > b.text;
          return down ? -way : +way;
        });
        table.tBodies[0].append(...rows.map((entry) => entry.row));
      });
    });
  }

  /* Tables that hold many rows: a search above them. */
  for (const table of document.querySelectorAll("table.searchable")) {
    const field = make("input", { type: "search", placeholder: "Search" });
    field.setAttribute("aria-label", "Search the table");
    table.before(make("p", { className: "tools" }, field));
    field.addEventListener("input", () => {
      const word = field.value.toLowerCase();
      for (const row of table.tBodies[0].rows)
        row.hidden = !row.textContent.toLowerCase().includes(word);
    });
  }

  /* All cases: a page of them at a time, so that a hundred thousand cost no more than fifty. */
  const home = document.getElementById("all-cases");
  if (!home) return;
  const PAGE = 50;
  const facts = data.pasts.map((marks) => {
    const seen = marks.replace(/\./g, ""), judged = seen.replace(/e/g, "");
    let turns = 0;
    for (let i = 1; i < judged.length; i++) turns += judged[i] !== judged[i - 1];
    return { marks, turns, right: judged.split("r").length - 1, seen: seen.length,
             last: seen.slice(-1) };
  });
  const filters = {
    "all": () => true,
    "wrong now": (f) => f.last === "w",
    "error now": (f) => f.last === "e",
    "broke": (f) => f.last === "w" && f.right > 0,
    "never right": (f) => f.right === 0,
    "turned twice or more": (f) => f.turns > 1,
    "always right": (f) => f.right === f.seen,
  };
  const orders = {
    "by id": null,
    "most turns first": (a, b) => b.turns - a.turns,
    "least often right first": (a, b) => a.right / a.seen - b.right / b.seen,
  };
  const field = make("input", { type: "search", placeholder: "Search ids" });
  field.setAttribute("aria-label", "Search case ids");
  const choice = (label, names) => {
    const select = make("select", {}, ...Object.keys(names).map((n) => make("option", {
      value: n, textContent: n })));
    select.setAttribute("aria-label", label);
    return select;
  };
  const filter = choice("Which cases", filters), sort = choice("In which order", orders);
  const said = make("span", { className: "soft" });
  said.setAttribute("role", "status");
  const list = make("ol", { className: "all" });
  const back = make("button", { type: "button", textContent: "Back" });
  const on = make("button", { type: "button", textContent: "More" });
  const words = { r: "right", w: "wrong", e: "error", ".": "not asked" };
  let hits = [], from = 0;

  const strip = (marks) => {
    const box = make("span", { className: "marks" });
    for (let i = 0; i < marks.length; i++) {
      const mark = make("i", { className: "k-" + (marks[i] === "." ? "none" : marks[i]) });
      mark.title = words[marks[i]] + ": " + (data.runs[data.first + i] || "");
      box.append(mark);
    }
    return box;
  };
  const draw = () => {
    list.start = from + 1;
    list.replaceChildren(...hits.slice(from, from + PAGE).map((i) => {
      const f = facts[data.past[i]], id = make("code", { textContent: data.ids[i] });
      const link = home.dataset.link;
      return make("li", {},
        link ? make("a", { href: link + encodeURIComponent(data.ids[i]) }, id) : id,
        strip(f.marks),
        make("span", { className: "soft", textContent:
          "right in " + f.right + " of " + f.seen + (f.turns ? ", " + f.turns + " turns" : "") }));
    }));
    const to = Math.min(hits.length, from + PAGE);
    said.textContent = hits.length ? (from + 1) + " to " + to + " of " + hits.length : "no case";
    back.disabled = !from;
    on.disabled = to >= hits.length;
  };
  const search = () => {
    const word = field.value.toLowerCase(), keep = facts.map(filters[filter.value]);
    hits = [];
    for (let i = 0; i < data.ids.length; i++)
      if (keep[data.past[i]] && (!word || data.ids[i].toLowerCase().includes(word))) hits.push(i);
    const by = orders[sort.value];
    if (by) hits.sort((a, b) => by(facts[data.past[a]], facts[data.past[b]]) || a - b);
    from = 0;
    draw();
  };
  field.addEventListener("input", search);
  filter.addEventListener("change", search);
  sort.addEventListener("change", search);
  back.addEventListener("click", () => { from -= PAGE; draw(); });
  on.addEventListener("click", () => { from += PAGE; draw(); });
  home.replaceChildren(make("p", { className: "tools" }, field, filter, sort, said), list,
                       make("p", { className: "tools" }, back, on));
  search();
})();
