// Small helpers of the session pages: copying, times of the reader's zone, countdowns, uploads, links with a token.
(() => {
  "use strict";
  const shown = new Intl.DateTimeFormat(undefined, {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit",
    timeZoneName: "short",
  });
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "";

  const put = (element, words) => { if (element.textContent !== words) element.textContent = words; };

  const span = (seconds) => {
    const parts = [[Math.floor(seconds / 86400), "d"], [Math.floor(seconds / 3600) % 24, "h"],
      [Math.floor(seconds / 60) % 60, "min"], [Math.floor(seconds) % 60, "s"]];
    const first = parts.findIndex(([amount]) => amount > 0);
    return first < 0 ? "0 s" : parts.slice(first, first + 2).map(([amount, unit]) => `${amount} ${unit}`).join(" ");
  };

  const offsets = new Map();  // the server's clock is ahead of this one by so much, as told in data-now
  const tick = () => {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.getAttribute("datetime"));
      if (!Number.isNaN(moment.getTime())) put(time, shown.format(moment));
    }
    for (const place of document.querySelectorAll("[data-zone]")) put(place, zone);
    for (const place of document.querySelectorAll("[data-until]")) {
      const now = place.dataset.now;
      if (!offsets.has(now)) offsets.set(now, new Date(now) - Date.now());
      const left = (new Date(place.dataset.until) - Date.now() - offsets.get(now)) / 1000;
      put(place, left > 0 ? `${span(left)} left` : "the time is over");
    }
  };
  setInterval(tick, 500);
  document.addEventListener("DOMContentLoaded", tick);

  const copy = async (what) => {
    if (navigator.clipboard && window.isSecureContext) {
      try { await navigator.clipboard.writeText(what); return true; } catch { /* the old way may still work */ }
    }
    const area = document.createElement("textarea");
    area.value = what;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest && event.target.closest("[data-copy]");
    if (!button) return;
    const words = button.dataset.words || button.textContent;
    button.dataset.words = words;
    button.textContent = (await copy(button.dataset.copy)) ? "copied" : "not copied";
    setTimeout(() => { button.textContent = words; }, 1500);
  });

  const upload = async (input) => {
    const file = input.files[0];
    if (!file) return;
    const say = (words) => {
      const place = document.getElementById(input.getAttribute("aria-describedby"));
      if (place) place.textContent = words;
    };
    if (file.size > Number(input.dataset.most)) {
      say(`This file has ${file.size} bytes; at most ${input.dataset.most} are taken.`);
      input.value = "";
      return;
    }
    input.disabled = true;
    say(`Sending ${file.name} …`);
    try {
      const answer = await fetch(input.dataset.upload, {
        method: "POST", body: file,
        headers: {"Content-Type": "application/octet-stream", "X-File-Name": encodeURIComponent(file.name.slice(-200))},
      });
      const told = await answer.json();
      say(answer.ok ? told.message : (told.error ? told.error.message : "The file was refused."));
    } catch {
      say("The file could not be sent. Check the connection and try again.");
    } finally {
      input.disabled = false;
      input.value = "";
    }
  };
  document.addEventListener("change", (event) => {
    if (event.target.dataset && event.target.dataset.upload) upload(event.target);
  });

  document.addEventListener("submit", (event) => {
    if (event.target.getAttribute("action") !== "/leave") return;
    const left = event.target.querySelector("input[name=session]");
    try {  // what was sealed in this tab is not for whoever enters in it next
      for (const key of Object.keys(sessionStorage))
        if (left && key.startsWith(`tuneaccord-proof-${left.value}-`)) sessionStorage.removeItem(key);
    } catch { /* the browser stores nothing */ }
  });

  const enter = () => {
    const form = document.querySelector("form[data-enter]");
    const token = /^#token=(.+)$/.exec(location.hash);
    if (!form) return;
    if (!token) { form.hidden = true; return; }
    form.hidden = false;
    form.querySelector("input[name=token]").value = decodeURIComponent(token[1]);
    form.querySelector("button").focus();
    history.replaceState(null, "", location.pathname);
  };
  const watch = setInterval(() => {
    if (location.pathname !== "/enter") { clearInterval(watch); return; }
    if (document.querySelector("form[data-enter]")) { clearInterval(watch); enter(); }
  }, 50);
})();
