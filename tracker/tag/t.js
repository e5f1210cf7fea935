// The tag that a merchant puts on the pages of its shop. It keeps click ids with the visitor and tells the tracker of partners'
// codes in addresses. It must never disturb the page: all of it runs within try. `make generate` makes t.min.js of it.
((w, d) => {
  const me = d.currentScript || d.querySelector("script[data-tributary]");
  const was = w.tributary || {};
  if (!me || was.on) return;
  const o = me.dataset, at = new URL(me.src).origin, store = "_trb", asked = "_trbv", codes = (o.via || "via,ref").split(",");
  const days = +o.days || 30, param = o.param || "tclid";
  const hard = (id) => id[1] < "g";
  let may = o.consent || "granted", ids = [], here = "", last = {}, busy = 0, waiting = [];
  const tried = (f) => (...a) => { try { return f(...a); } catch { return ""; } };

  // What is kept with the visitor: a cookie of the shop's own, and a copy in case the browser shortens its life.
  const put = tried((k, v) => v ? localStorage.setItem(k, v) : localStorage.removeItem(k));
  const got = tried((k) => localStorage.getItem(k) || "");
  const cookie = tried((v) => {
    d.cookie = store + "=" + v + ";path=/;max-age=" + (v ? days * 86400 : 0) + ";samesite=lax" + (o.domain ? ";domain=" + o.domain : "") + (location.protocol == "https:" ? ";secure" : "");
  });
  const keep = () => {
    if (may != "granted") return;
    cookie(ids.join("."));
    put(store, ids.length && Date.now() + days * 864e5 + "," + ids.join("."));
  };
  const load = () => {
    const [until, copy] = got(store).split(",");
    const v = (d.cookie.match(/(?:^|; )_trb=([\w.-]+)/) || [])[1] || (until > Date.now() ? copy : "");
    for (const id of v.split(".").reverse()) add(id, 1);
  };

  // Up to four ids, the newest last. A soft one, of a code in an address, pushes out no hard one, of a redirect.
  const add = (id, old) => {
    if (!/^A[Q-Za-v][\w-]{52}$/.test(id)) return;
    if (old) { if (!ids.includes(id)) ids.unshift(id); } else ids = ids.filter((x) => x != id).concat(id);
    while (ids.length > 4) ids.splice(Math.max(0, ids.findIndex((x) => !hard(x))), 1);
  };

  // send tries again when the tracker or the way there is down: after 1, 4, 16 and 64 s, at once when the browser is online
  // again, and a last time when the page is left.
  const send = (path, body, done) => {
    let n = 0, timer, open = 1;
    const end = (v) => { if (open) { open = 0; removeEventListener("online", go); removeEventListener("pagehide", leave); done(v || {}); } };
    const leave = () => { if (open && timer) { navigator.sendBeacon(at + path, body); end(); } };
    const later = () => {
      if (n > 3) { navigator.sendBeacon(at + path, body); return end(); }
      timer = setTimeout(go, 1e3 * 4 ** n++);
    };
    const go = () => {
      clearTimeout(timer);
      timer = 0;
      fetch(at + path, { method: "POST", body, keepalive: true, credentials: "omit" }).then((r) => {
        if (r.status == 429 || r.status > 499) later();
        else r.json().then(end, end);
      }, later);
    };
    addEventListener("online", go);
    addEventListener("pagehide", leave);
    go();
  };
  const idle = () => { if (!busy) while (waiting.length) tried(waiting.shift())(); };
  const clickId = () => ids.filter(hard).pop() || ids[ids.length - 1] || "";

  // look reads the address, once for each that the page comes to have.
  const look = tried(() => {
    if (location.href == here) return;
    here = location.href;
    const q = new URLSearchParams(location.search), id = q.get(param);
    if (id) { add(id); keep(); }
    const name = codes.find((x) => q.get(x)), code = name && q.get(name);
    if (code) last = { code, url: here };
    if (o.clean != null && (id || code)) {
      q.delete(param);
      codes.forEach((x) => q.delete(x));
      history.replaceState(history.state, "", location.pathname + (q.toString() && "?" + q) + location.hash);
    }
    ask();
  });
  const ask = () => {
    const { code, url } = last, [c, until] = got(asked).split("\n");
    if (may != "granted" || !code || last.sent) return;
    last.sent = 1;
    if (c == code && until > Date.now()) return;
    put(asked, code + "\n" + (Date.now() + 18e5));
    busy++;
    send("/v1/tag/click", JSON.stringify({ program: o.program, code, url, referrer: d.referrer }), (v) => {
      busy--;
      if (v.click_id && may != "denied") { add(v.click_id); keep(); }
      idle();
    });
  };

  const commands = {
    consent(yes) {
      may = yes ? "granted" : "denied";
      if (yes) { load(); keep(); ask(); } else { ids = []; last = {}; cookie(""); put(store); put(asked); }
    },
    clickId(f) { waiting.push(() => f(clickId())); idle(); },
  };
  const run = tried((name, ...a) => commands[name](...a));

  const start = () => {
    if (may == "granted") load();
    for (const name of ["pushState", "replaceState"]) {
      const f = history[name];
      history[name] = function () { const r = f.apply(this, arguments); look(); return r; };
    }
    addEventListener("popstate", look);
    look();
    w.tributary = function () { run(...arguments); };
    w.tributary.on = 1;
    (was.q || []).forEach((a) => run(...a));
  };
  if (d.prerendering) d.addEventListener("prerenderingchange", tried(start), { once: true });
  else tried(start)();
})(window, document);
