// What HTML cannot do alone: copying, the theme, floating chart labels, a URL put together while typing, and asking for
// news while somebody looks. Every page works without it.
"use strict";

class CopyButton extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", async () => {
      const from = this.getAttribute("from");
      const text = from ? document.getElementById(from).textContent : this.getAttribute("text");
      await navigator.clipboard.writeText(text.trim());
      this.setAttribute("copied", "");
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.removeAttribute("copied"), 1600);
    });
  }
}

class ThemeSwitch extends HTMLElement {
  connectedCallback() {
    const select = this.querySelector("select, button");
    select.addEventListener("click", () => {
      const order = ["", "light", "dark"];
      const root = document.documentElement;
      const next = order[(order.indexOf(root.dataset.theme || "") + 1) % order.length];
      const age = next ? 31536000 : 0;
      document.cookie = `theme=${next}; path=/; max-age=${age}; samesite=lax`;
      if (next) root.dataset.theme = next;
      else delete root.dataset.theme;
      select.title = this.dataset[next || "system"];
      select.setAttribute("aria-label", select.title);
      select.querySelector(".label").textContent = select.title;
    });
  }
}

// The days of a chart are groups of class "day" that carry their label; pointer and arrow keys choose one.
class DayChart extends HTMLElement {
  connectedCallback() {
    this.days = [...this.querySelectorAll(".day")];
    this.addEventListener("pointermove", (e) => this.choose(this.days.indexOf(e.target.closest(".day"))));
    this.addEventListener("pointerleave", () => this.choose(-1));
    this.addEventListener("focusout", () => this.choose(-1));
    this.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
      if (!step) return;
      e.preventDefault();
      const at = this.at ?? (step > 0 ? -1 : this.days.length);
      this.choose(Math.min(Math.max(at + step, 0), this.days.length - 1));
    });
  }

  choose(i) {
    if (i === (this.at ?? -1)) return;
    this.days[this.at]?.classList.remove("on");
    this.at = i < 0 ? undefined : i;
    if (!this.tip) {
      this.tip = this.appendChild(document.createElement("div"));
      this.tip.className = "chart-tip";
      this.tip.setAttribute("role", "status");
    }
    this.tip.hidden = i < 0;
    if (i < 0) return;
    const day = this.days[i];
    day.classList.add("on");
    this.tip.textContent = day.dataset.label;
    const box = this.getBoundingClientRect();
    const hit = day.querySelector(".hit").getBoundingClientRect();
    const middle = hit.left - box.left + hit.width / 2;
    const width = this.tip.offsetWidth;
    const left = middle + 14 + width > box.width ? middle - 14 - width : middle + 14;
    this.tip.style.left = `${Math.max(0, left)}px`;
  }
}

// Inputs named sub1 to sub5 become the query of a tracking link.
class LinkBuilder extends HTMLElement {
  connectedCallback() {
    const output = this.querySelector("output");
    const show = () => {
      const query = [...this.querySelectorAll("input[name]")]
        .filter((input) => input.value.trim())
        .map((input) => `${input.name}=${encodeURIComponent(input.value.trim())}`);
      output.textContent = [this.getAttribute("base"), query.join("&")].filter(Boolean).join("?");
    };
    this.addEventListener("input", show);
    show();
  }
}

// Looks every few seconds, while the page is in view, whether the list has changed. Rows that are there already are brought
// up to date in place; new ones would move them under the pointer, so a line offers to show them. htmx does the showing,
// at the event "fresh".
class LiveList extends HTMLElement {
  connectedCallback() {
    this.timer = setInterval(() => this.look(), Number(this.getAttribute("every")) * 1000);
    this.addEventListener("click", (e) => { if (e.target.closest(".news")) this.show(); });
  }

  disconnectedCallback() {
    clearInterval(this.timer);
  }

  show() {
    this.querySelector(".news")?.remove();
    this.dispatchEvent(new CustomEvent("fresh"));
  }

  async look() {
    if (document.hidden || this.looking) return;
    this.looking = true;
    const address = this.getAttribute("hx-get");
    try {
      const answer = await fetch(address, { headers: { "X-Background": "1" }, redirect: "error" });
      if (!answer.ok) return;
      const list = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(this.id);
      if (list && this.isConnected && address === this.getAttribute("hx-get")) this.compare(list);
    } catch {
      // The server is away or the session over: what is there stays.
    } finally {
      this.looking = false;
    }
  }

  compare(list) {
    const entries = (of) => [...of.querySelectorAll("tbody tr")].map((row) => row.querySelector("a.row")?.getAttribute("href"));
    const here = entries(this);
    const fresh = entries(list).filter((entry) => !here.includes(entry)).length;
    if (!fresh || !here.length) {
      if (!this.contains(document.activeElement) && this.plain(list) !== this.plain(this)) this.show();
      return;
    }
    let line = this.querySelector(".news");
    if (!line) {
      line = document.createElement("button");
      line.type = "button";
      line.className = "news";
      line.setAttribute("aria-live", "polite");
      this.prepend(line);
    }
    line.textContent = this.getAttribute("news").replace("{n}", fresh);
  }

  plain(list) {
    return [...list.querySelectorAll("tbody tr")].map((row) => row.textContent.replace(/\s+/gu, " ")).join("\n");
  }
}

customElements.define("copy-button", CopyButton);
customElements.define("theme-switch", ThemeSwitch);
customElements.define("day-chart", DayChart);
customElements.define("link-builder", LinkBuilder);
customElements.define("live-list", LiveList);

document.addEventListener("click", (e) => {
  if (e.target.closest("[data-print]")) window.print();
  for (const open of document.querySelectorAll("details.pop[open]")) if (!open.contains(e.target)) open.open = false;
});
// Escape closes what floats above the page; the browser does so by itself for dialogs.
document.addEventListener("keydown", (e) => {
  if (e.key !== "Escape") return;
  for (const chart of document.querySelectorAll("day-chart")) chart.choose(-1);
  for (const open of document.querySelectorAll("details.pop[open]")) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});
// Find anything opens as a dialog by its key or its link, which leads to the page where this does not run. Arrow keys walk
// from the field through what was found.
const finder = document.getElementById("finder");
if (finder) {
  const open = (e) => {
    e.preventDefault();
    finder.showPopover();
    finder.querySelector("input").select();
  };
  const kbd = document.querySelector(".find kbd");
  kbd.textContent = /Mac|iPhone|iPad/u.test(navigator.platform) ? "⌘K" : "Ctrl K";
  kbd.hidden = false;
  document.addEventListener("click", (e) => { if (e.target.closest(".find")) open(e); });
  document.addEventListener("keydown", (e) => {
    if (e.key.toLowerCase() === "k" && (e.metaKey || e.ctrlKey) && !e.altKey && !e.shiftKey) open(e);
  });
  finder.addEventListener("keydown", (e) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (!step) return;
    e.preventDefault();
    const stops = [finder.querySelector("input"), ...finder.querySelectorAll(".found a")];
    stops[(stops.indexOf(document.activeElement) + step + stops.length) % stops.length].focus();
  });
}

// A line at the top says that the next page is awaited. What is opened elsewhere or kept as a file leaves this page as it is.
const going = (is) => document.documentElement.classList.toggle("going", is);
addEventListener("pageshow", () => going(false));
document.addEventListener("click", (e) => {
  const link = e.target.closest("a[href]");
  if (!link || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
  if (link.target || link.hasAttribute("download") || link.origin !== location.origin || link.hasAttribute("hx-get")) return;
  if (link.hash && link.pathname + link.search === location.pathname + location.search) return;
  going(true);
});
document.addEventListener("submit", (e) => { if (!e.defaultPrevented && !e.target.hasAttribute("hx-get")) going(true); });
