// What the pages do beyond their forms and links. Nothing here is needed: without it every page still works.
// Texts come from the page; what others wrote is put in as text, never as markup.

const LANGUAGE = document.documentElement.lang;
const RECENT = "streamzip.recent", MOST_RECENT = 20;
const OF_COLUMNS = /^\s*(?:[[{]|(?:[^\n]*[,;\t])?"?(?:url|link)"?(?:[,;\t\n]|$)|(?:[0-9a-f]{1,8}|-) +[0-9]+ +\S)/i; // JSON, CSV, mod_zip's
const MOST_WRONG = 3; // lines that are named
const PACE_OF = 10_000; // milliseconds
const SLICE = 8; // milliseconds before the browser gets its turn, looked at each LINES
const LINES = 100;

for (const hidden of document.querySelectorAll("[data-script]")) hidden.hidden = false;

const form = document.querySelector("[data-new]");
if (form) newArchive(form);
const archive = document.querySelector("[data-archive]");
if (archive) oneArchive(archive);
const upload = document.querySelector("[data-upload]");
if (upload) uploads(upload);
const waiting = document.querySelector("[data-wait]");
if (waiting) waitFor(waiting);
const recent = document.querySelector("[data-recent]");
if (recent) showRecent(recent);
for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button));

// What is waited for is asked for without a new page, which would begin to be read aloud again and again.
async function waitFor(page) {
  for (let status = Number(page.dataset.status); status === Number(page.dataset.status);) {
    await new Promise((go) => setTimeout(go, page.dataset.wait * 1000));
    try {
      ({ status } = await fetch(location.href, { method: "HEAD", headers: { Accept: "text/html" } }));
      if (status === 200) {
        page.querySelector("progress").remove();
        page.querySelector("[role=alert]").textContent = page.dataset.done;
      }
    } catch { /* the gateway is away: it is asked again */ }
  }
  location.reload();
}

function newArchive(form) {
  const area = form.elements.links, counts = form.querySelector("[data-counts]");
  let turn = 0;
  const count = async () => {
    const mine = ++turn, text = area.value, seen = new Set();
    const wrong = []; // lines
    let links = 0, twice = 0, bad = 0;
    if (OF_COLUMNS.test(text)) { counts.textContent = ""; return; } // the gateway takes it apart
    let began = performance.now();
    for (let number = 1, from = 0, to; from <= text.length; number++, from = to + 1) {
      if (number % LINES === 0 && performance.now() - began > SLICE) {
        await new Promise((go) => setTimeout(go));
        if (mine !== turn) return;
        began = performance.now();
      }
      to = text.indexOf("\n", from);
      if (to < 0) to = text.length;
      const line = text.slice(from, to);
      if (!line.trim() || /^(?:\s*#|[ \t]|\| )/.test(line)) continue; // comments, aria2's options, gallery-dl's other places
      const url = line.split("\t")[0].trim();
      if (!/^(https?:\/\/[^\s/]+|upload:.)/i.test(url)) { bad++; if (wrong.length < MOST_WRONG) wrong.push(number); }
      else if (seen.has(url)) { twice++; links++; } else { seen.add(url); links++; }
    }
    const told = [[links, "links"], [twice, "twice"], [bad, "bad"]].filter(([number, kind]) => number || kind === "links");
    const said = ([number, kind]) => counts.dataset[number === 1 && kind === "links" ? "link" : kind]
      .replace("#", number.toLocaleString(LANGUAGE)).replace("@", wrong.join(", ") + (bad > MOST_WRONG ? ", …" : ""));
    counts.textContent = told.map(said).join(" · ");
  };
  let due;
  area.addEventListener("input", () => { clearTimeout(due); due = setTimeout(count, 150); });
  if (area.value) count();

  area.addEventListener("paste", (event) => {
    const html = event.clipboardData?.getData("text/html");
    const plain = event.clipboardData?.getData("text/plain") ?? "";
    if (!html || /^\s*(https?:|upload:)/i.test(plain)) return;
    const links = hrefs(html);
    if (!links.length) return;
    event.preventDefault();
    area.setRangeText(`${links.join("\n")}\n`, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input"));
  });
  showOver(area);
  area.addEventListener("drop", async (event) => {
    const texts = await Promise.all([...event.dataTransfer.files].map((file) => file.text()));
    const dropped = texts.length ? texts.join("\n") : event.dataTransfer.getData("text/uri-list") || event.dataTransfer.getData("text");
    area.value += (area.value && !area.value.endsWith("\n") ? "\n" : "") + dropped;
    area.dispatchEvent(new Event("input"));
  });
}

function showOver(place) {
  const over = (event) => { event.preventDefault(); place.classList.toggle("over", event.type === "dragover"); };
  for (const kind of ["dragover", "dragleave", "drop"]) place.addEventListener(kind, over);
}

// One file after another, as the gateway takes them: each with a bar of its own, and why it was refused.
function uploads(form) {
  const input = form.elements.file, button = form.querySelector("button");
  input.multiple = true;
  const all = async (files) => {
    button.disabled = true;
    let refused = 0;
    for (const file of files) if (!(await sent(form, file))) refused++;
    button.disabled = false;
    input.value = "";
    if (files.length && !refused) location.reload();
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); all([...input.files]); });
  showOver(form);
  form.addEventListener("drop", (event) => all([...event.dataTransfer.files]));
}

function sent(form, file) {
  const row = document.createElement("li"), bar = document.createElement("progress"), said = document.createElement("span");
  bar.value = 0;
  bar.setAttribute("aria-label", file.name);
  said.textContent = file.name;
  row.append(said, bar);
  form.querySelector("[data-sent]").append(row);
  const data = new FormData();
  if (form.elements.token) data.append("token", form.elements.token.value); // it stands before the file
  data.append("file", file);
  return new Promise((done) => {
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => { bar.max = total || 1; bar.value = loaded; });
    request.addEventListener("loadend", () => {
      const taken = request.status === 201, problem = request.response;
      bar.remove();
      if (!taken) said.textContent = `${file.name}: ${problem?.errors?.[0]?.detail ?? problem?.detail ?? form.dataset.broken}`;
      done(taken);
    });
    request.send(data);
  });
}

// Links in pasted markup, by their letters: parsing it would need trusted types, and no markup is wanted.
function hrefs(html) {
  const found = [...html.matchAll(/<a\b[^>]*?\shref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))/gi)];
  const plain = (text) => text.replace(/&amp;/g, "&").replace(/&#x27;|&#39;/g, "'").replace(/&quot;/g, '"');
  return [...new Set(found.map((match) => plain(match[1] ?? match[2] ?? match[3])))].filter((url) => /^https?:/i.test(url));
}

function oneArchive(article) {
  remember({ hash: article.dataset.archive, name: article.dataset.name, at: location.href.split("#")[0] });
  if (!article.dataset.events) return;
  const place = article.querySelector("[data-progress]");
  let stream;
  const listen = () => {
    stream = new EventSource(article.dataset.events);
    stream.addEventListener("status", (event) => {
      const status = JSON.parse(event.data);
      if (status.status === "completed" || status.status === "failed") {
        stream.close();
        location.reload(); // the page says what became of it
      } else {
        show(place, status);
      }
    });
  };
  document.addEventListener("visibilitychange", () => {
    stream?.close(); // a browser has six connections for a host
    if (!document.hidden) listen();
  });
  if (!document.hidden) listen();
}

function show(place, { status, active, progress }) {
  const bar = place.querySelector("progress"), known = progress.total_bytes !== null;
  bar.max = (known ? progress.total_bytes : progress.total_entries) || 1;
  bar.value = known ? progress.bytes : progress.entries;
  place.querySelector(".dot").className = `dot ${status}`;
  place.querySelector("[data-state-text]").textContent = place.dataset[status === "pending" ? "pending" : active ? "running" : "partly"];
  const values = { done: size(progress.bytes), total: size(progress.total_bytes ?? 0),
    entries: progress.entries.toLocaleString(LANGUAGE), total_entries: progress.total_entries.toLocaleString(LANGUAGE) };
  const text = known ? place.dataset.known : place.dataset.open;
  place.querySelector("[data-numbers]").textContent = text.replace(/\{(\w+)\}/g, (_, name) => values[name])
    + (known && active ? left(place.dataset, progress) : "");
}

// How long it still takes at the pace of the last seconds; nothing while that is not known.
const pace = []; // [milliseconds, bytes]
function left(texts, { bytes, total_bytes }) {
  const now = performance.now();
  pace.push([now, bytes]);
  while (pace.length > 2 && now - pace[1][0] > PACE_OF) pace.shift();
  const [began, before] = pace[0];
  if (now - began < 1000 || bytes <= before) return "";
  const seconds = (total_bytes - bytes) * (now - began) / (bytes - before) / 1000;
  const [unit, each] = seconds < 90 ? ["seconds", 1] : seconds < 5400 ? ["minutes", 60] : ["hours", 3600];
  return ` · ${texts[unit].replace("{count}", Math.max(1, Math.round(seconds / each)).toLocaleString(LANGUAGE))}`;
}

function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) { bytes /= 1000; unit++; }
  return `${bytes.toLocaleString(LANGUAGE, unit ? { minimumFractionDigits: 1, maximumFractionDigits: 1 } : {})} ${units[unit]}`;
}

function remembered() {
  try { return JSON.parse(localStorage.getItem(RECENT)) ?? []; } catch { return []; }
}

function remember(one) {
  try {
    const others = remembered().filter((other) => other.hash !== one.hash);
    localStorage.setItem(RECENT, JSON.stringify([one, ...others].slice(0, MOST_RECENT)));
  } catch { /* a browser that stores nothing */ }
}

function showRecent(section) {
  const list = section.querySelector("ul"), all = remembered();
  for (const { name, at } of all) {
    const link = document.createElement("a"), row = document.createElement("li");
    if (typeof at !== "string" || new URL(at, location.href).origin !== location.origin) continue;
    link.href = at;
    link.textContent = String(name);
    row.append(link);
    list.append(row);
  }
  section.hidden = !list.children.length;
  section.querySelector("button").addEventListener("click", () => { localStorage.removeItem(RECENT); section.hidden = true; });
}

async function copy(button) {
  await navigator.clipboard.writeText(new URL(button.dataset.copy, location.href).href);
  const before = button.textContent;
  button.textContent = button.dataset.done;
  setTimeout(() => { button.textContent = before; }, 2000);
}
