// What a script adds to pages that work without it: keys, a pane beside the tree, and forms that answer at once.
"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const isTyping = (element) => element.closest("input, select, textarea, [contenteditable]") !== null;

  // Lines that `j` and `k` go through: steps of a tree, else links of a list.
  const lines = () => {
    const steps = all("[data-tree] a[data-step]").filter((link) => link.checkVisibility());
    return steps.length > 0 ? steps : all("a.go");
  };
  const move = (by) => {
    const links = lines();
    if (links.length === 0) return;
    const at = links.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + by, 0), links.length - 1);
    links[next].focus();
    links[next].scrollIntoView({ block: "nearest" });
  };

  // Folds or opens everything below the tree.
  const fold = (open) => {
    for (const details of all("[data-tree] details")) details.open = open;
  };

  // The pane: a step's page without its frame, beside the tree.
  const pane = document.querySelector("[data-pane]");
  const wide = matchMedia("(min-width: 1000px)");
  let asked = 0;
  const show = async (link) => {
    const turn = ++asked;
    const url = new URL(link.href);
    url.searchParams.set("part", "body");
    pane.hidden = false;
    pane.setAttribute("aria-busy", "true");
    document.body.classList.add("with-pane");
    for (const other of all("[data-tree] .open")) other.classList.remove("open");
    link.closest(".row")?.classList.add("open");
    try {
      const response = await fetch(url, { headers: { accept: "text/html" } });
      if (turn !== asked) return;
      if (!response.ok || response.redirected) {
        location.assign(link.href);
        return;
      }
      const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
      const close = document.createElement("button");
      close.type = "button";
      close.className = "quiet close";
      close.textContent = "Close";
      const whole = document.createElement("a");
      whole.className = "whole";
      whole.href = link.href;
      whole.textContent = "As a page";
      const head = document.createElement("p");
      head.className = "pane-head";
      head.append(whole, close);
      // Within a page that has a first heading, that of a step is a second one.
      const step = parsed.querySelector("article");
      pane.replaceChildren(head, step);
      pane.scrollTop = 0;
    } finally {
      if (turn === asked) pane.removeAttribute("aria-busy");
    }
  };
  const hide = () => {
    if (!pane || pane.hidden) return;
    asked += 1;
    pane.hidden = true;
    pane.replaceChildren();
    document.body.classList.remove("with-pane");
  };
  if (pane) {
    document.addEventListener("click", (event) => {
      if (event.target.closest(".close")) return hide();
      const link = event.target.closest("a[data-step]");
      const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
      if (!link || !isPlain || !wide.matches) return;
      event.preventDefault();
      show(link);
    });
    const tree = document.querySelector("[data-tree]");
    const acts = document.querySelector(".acts");
    if (tree && acts && tree.querySelector("details")) {
      for (const [text, open] of [["Open all", true], ["Fold all", false]]) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "quiet";
        button.textContent = text;
        button.addEventListener("click", () => fold(open));
        acts.append(button);
      }
    }
  }

  // A choice of time is an answer.
  for (const select of all("form.find select")) {
    select.addEventListener("change", () => select.value !== "" && select.form.requestSubmit());
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      if (isTyping(event.target)) event.target.blur();
      else hide();
      return;
    }
    if (isTyping(event.target)) return;
    const field = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (field) {
      event.preventDefault();
      field.focus();
      field.select();
    } else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "e") fold(true);
    else if (event.key === "f") fold(false);
    else if (event.key === "n") document.querySelector("a[rel=next]")?.click();
    else if (event.key === "p") document.querySelector("a[rel=prev]")?.click();
    else return;
  });

  // A menu closes when one looks elsewhere.
  document.addEventListener("click", (event) => {
    for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
})();
