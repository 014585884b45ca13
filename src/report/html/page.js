(function () {
  "use strict";

  // Texts come from logs that others can write into: they reach the page only through textContent and attributes.

  const data = JSON.parse(document.getElementById("data").textContent);
  const texts = data.texts;

  const LOST = 0, GAINED = 1, MAY_LOSE = 2, MAY_GAIN = 3, STILL_ALLOWED = 4, STILL_DENIED = 5, UNKNOWN = 6, EITHER = 7, CONTRADICTED = 8;
  const CHANGES = [
    { words: "would lose", sign: "\u25bc", tone: "lost", fill: "lost", meaning: "the baseline allows it, the candidate denies it" },
    { words: "would gain", sign: "\u25b2", tone: "gained", fill: "gained", meaning: "the baseline denies it, the candidate allows it" },
    { words: "may lose", sign: "\u25bd", tone: "lost", fill: "may-lose",
      meaning: "lost or unchanged, depending on what the log does not tell" },
    { words: "may gain", sign: "\u25b3", tone: "gained", fill: "may-gain",
      meaning: "gained or unchanged, depending on what the log does not tell" },
    { words: "still allowed", sign: "", tone: "", fill: "still", meaning: "allowed by both" },
    { words: "still denied", sign: "", tone: "", fill: "denied", meaning: "denied by both" },
    { words: "unchanged, unknown", sign: "", tone: "", fill: "unknown",
      meaning: "not known whether it is allowed, but the same on both sides" },
    { words: "may lose or gain", sign: "\u25c7", tone: "caution", fill: "either", meaning: "may be lost and may be gained" },
    { words: "the baseline contradicts the log", sign: "\u2260", tone: "caution", fill: "contradicted",
      meaning: "the baseline cannot explain what happened; the result says nothing" },
  ];
  const BY_WEIGHT = [LOST, MAY_LOSE, GAINED, MAY_GAIN, EITHER, CONTRADICTED];
  const BAR_ORDER = [LOST, MAY_LOSE, GAINED, MAY_GAIN, EITHER, CONTRADICTED, UNKNOWN, STILL_DENIED, STILL_ALLOWED];

  // The places in a row of `data.rows`.
  const CANDIDATE = 0, PRINCIPAL = 1, CHANGE = 2, ACTION = 3, REQUESTS = 4, EVENTS = 5, DAYS = 6, FIRST = 7, LAST = 8, WHY = 9,
    BEFORE = 10, AFTER = 11, SETTLE = 12, RESIDUAL = 13, RESOURCE = 14, RESOURCES = 15, SAMPLE = 16, CHANGE_ID = 17,
    FAILED = 18, COUNTERPART = 19;

  const NOT_REPLAYED = {
    service_event: "AWS made the event itself: nobody called anything",
    not_an_api_call: "no API call: which permission it asks for is not documented",
    sign_in: "a sign-in: it asks for no permission of an IAM policy",
    unauthenticated: "the caller was not authenticated, so no IAM identity asked for a permission",
    service_linked_role: "a service-linked role called: its service sets its permissions, no policy of yours limits them",
    service_principal: "an AWS service called as itself: identity-based policies do not apply to it",
    foreign_principal: "the caller's account is in no snapshot: nothing is known of its policies",
    anonymous: "the caller is anonymous: no identity-based policy applies",
    no_identity: "the record does not say who called",
    no_permission_needed: "the call succeeds for anyone: it asks for no permission",
    network_activity: "a network activity event repeats what a VPC endpoint did: the call has its own event",
  };
  const SKIPPED = {
    unreadable_file: "the file could not be read",
    empty_file: "the file holds nothing",
    broken_compression: "the compressed file is damaged",
    broken_json: "not valid JSON",
    broken_csv: "not valid CSV",
    truncated: "the file ends in the middle of a record",
    not_an_object: "something that is no JSON object",
    not_a_record: "an object that is no CloudTrail record",
    not_cloudtrail: "not a file of CloudTrail",
    insight: "an Insights record: a statistic, not a call",
    digest: "a digest file: it proves that logs are whole, and holds no events",
    no_event_time: "the record has no time",
    too_large: "larger than the limit",
  };
  const SNAPSHOT = {
    yes: "in the snapshot of its account",
    account_missing: "its account is in no snapshot",
    principal_missing: "not in the snapshot of its account: deleted since, or not there yet",
    id_differs: "the snapshot has this ARN with another unique id: it was deleted and made again",
  };
  const LAYERS = {
    identity: "identity-based policies",
    boundary: "permissions boundaries",
    scp: "service control policies",
    rcp: "resource control policies",
    resource: "resource-based policies",
    session: "session policies",
    endpoint: "VPC endpoint policies",
  };
  const LAYER = {
    identity: "identity-based policy",
    boundary: "permissions boundary",
    scp: "service control policy",
    rcp: "resource control policy",
    resource: "resource-based policy",
    session: "session policy",
    endpoint: "VPC endpoint policy",
  };

  const state = {
    candidate: 0, search: "", change: "all", account: "", type: "", sort: "lost", descending: true, shown: 0, found: [], principal: null,
  };

  // --- Words and numbers ---------------------------------------------------------------------------------------------

  const grouped = new Intl.NumberFormat("en-US");
  const tenths = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const DAY = 86400;

  function number(value) {
    return grouped.format(value);
  }

  function plural(value, one, many) {
    return number(value) + " " + (value === 1 ? one : many || one + "s");
  }

  /** A share in percent: rounded, but never to 0 or 100 if it is neither. */
  function share(part, whole) {
    if (!whole) return "";
    if (part === 0) return "0 %";
    if (part === whole) return "100 %";
    const percent = (100 * part) / whole;
    if (percent < 0.05) return "< 0.1 %";
    if (percent >= 99.95) return "> 99.9 %";
    return tenths.format(percent) + " %";
  }

  function day(days) {
    return new Date(days * DAY * 1000).toISOString().slice(0, 10);
  }

  function date(seconds) {
    return seconds === null ? "" : new Date(seconds * 1000).toISOString().slice(0, 10);
  }

  function time(seconds) {
    return seconds === null ? "" : new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC";
  }

  function text(ref) {
    return ref === null || ref === undefined ? null : texts[ref];
  }

  function sum(list, indices) {
    return indices.reduce((total, index) => total + list[index], 0);
  }

  function sentence(words) {
    return words ? words.charAt(0).toUpperCase() + words.slice(1) : "";
  }

  function stop(words) {
    return /[.!?]$/.test(words) ? words : words + ".";
  }

  function own(table, key) {
    return Object.prototype.hasOwnProperty.call(table, key) ? table[key] : null;
  }

  // --- Elements ------------------------------------------------------------------------------------------------------

  function byId(id) {
    return document.getElementById(id);
  }

  /** An element; `attributes` are set as such, except `class`, `on` (listeners) and `text`. */
  function el(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
      else element.setAttribute(name, value === true ? "" : String(value));
    }
    add(element, children);
    return element;
  }

  function add(element, children) {
    for (const child of [children].flat(Infinity)) {
      if (child === null || child === undefined || child === false || child === "") continue;
      element.append(child);
    }
    return element;
  }

  function fill(element, ...children) {
    element.replaceChildren();
    return add(element, children);
  }

  /** A text of the log, kept from changing the direction of what is around it. */
  function logged(words, attributes) {
    const element = el("bdi", attributes);
    element.textContent = words === null ? "unknown" : words;
    return element;
  }

  function code(words) {
    return el("code", null, logged(words));
  }

  /** A sentence in which names stand between backticks. */
  function prose(words) {
    const parts = words.split("`");
    if (parts.length % 2 === 0) return logged(words);
    return el("bdi", null, parts.map((part, index) => (index % 2 ? code(part) : part)));
  }

  function sign(change) {
    const { sign: mark, tone } = CHANGES[change];
    return mark ? el("i", { class: "sign" + (tone ? " tone-" + tone : ""), "aria-hidden": "true" }, mark) : null;
  }

  function button(words, listener, className, label) {
    return el("button", { type: "button", class: className || "quiet", "aria-label": label, on: { click: listener } }, words);
  }

  function countCell(value, extra) {
    return el("td", Object.assign({ class: "num " + (value ? "some" : "zero") }, extra), number(value));
  }

  function say(words) {
    byId("said").textContent = words;
  }

  /** Shows the first `size` of `list` through `make`, and a button for more. */
  function inSlices(list, size, into, make, noun) {
    const more = el("p", { class: "more" });
    let shown = 0;
    const next = () => {
      const part = list.slice(shown, shown + size);
      into.append(...part.map(make));
      const first = shown;
      shown += part.length;
      const left = list.length - shown;
      fill(more, left > 0 && button("Show " + number(Math.min(size, left)) + " more", next),
        left > 0 && el("span", { class: "soft" }, number(shown) + " of " + plural(list.length, noun) + " shown"));
      if (first > 0 && left <= 0 && into.lastElementChild) {
        into.lastElementChild.setAttribute("tabindex", "-1");
        into.lastElementChild.focus();
      }
    };
    next();
    return more;
  }

  // --- The data, prepared once ---------------------------------------------------------------------------------------

  const rowsBy = data.candidates.map(() => new Map());
  const hay = [];

  function prepare() {
    for (const row of data.rows) {
      const of = rowsBy[row[CANDIDATE]];
      if (!of) continue;
      const list = of.get(row[PRINCIPAL]);
      if (list) list.push(row);
      else of.set(row[PRINCIPAL], [row]);
    }
    data.principals.forEach((principal, index) => {
      const parts = [text(principal.name), text(principal.arn), text(principal.account), text(principal.type)];
      for (const session of principal.sessions) parts.push(texts[session]);
      const actions = new Set();
      for (const used of principal.used || []) actions.add(used[0]);
      for (const of of rowsBy) for (const row of of.get(index) || []) actions.add(row[ACTION]);
      for (const action of actions) parts.push(text(action));
      hay.push(parts.filter(Boolean).join("\n").toLowerCase());
    });
  }

  /** The name alone: the account stands beside it everywhere. */
  function nameOf(principal) {
    const name = text(principal.name) || "unknown principal";
    const account = " (" + text(principal.account) + ")";
    return name.length > account.length && name.endsWith(account) ? name.slice(0, -account.length) : name;
  }

  function rowsOf(index) {
    return rowsBy[state.candidate].get(index) || [];
  }

  function candidate() {
    return data.candidates[state.candidate];
  }

  function eventsOf(index) {
    return data.principals[index].by[state.candidate].events;
  }

  function isAffected(events) {
    return BY_WEIGHT.some((change) => events[change] > 0);
  }

  const eitherSeen = data.candidates.some((one) => one.events[EITHER] > 0);

  // --- First screen --------------------------------------------------------------------------------------------------

  function drawFirst() {
    const one = candidate();
    document.title = "retrial: " + one.name;
    fill(byId("kicker"), "Candidate ", el("b", null, logged(one.name)),
      data.baseline === "logged" ? " against what the log shows" : " against the policies in force");
    const cut = one.verdict.indexOf(";");
    fill(byId("verdict"), logged(cut < 0 ? one.verdict : one.verdict.slice(0, cut)),
      cut >= 0 && [el("span", { class: "hidden" }, "; "), el("span", { class: "rest" }, logged(one.verdict.slice(cut + 1).trim()))]);
    drawScope();
    drawNumbers(one);
    drawNotices(one);
    drawSure(one);
  }

  function drawScope() {
    const { counts, window: span } = data;
    const days = data.coverage.days;
    fill(byId("scope"), span ? ["Window ", el("b", null, logged(span.first), " to ", logged(span.last)),
      days ? " (" + plural(days, "day") + ", UTC)" : " (UTC)", ". "] : data.counts.filtered ? "The filters let no event through. " : "The log has no event. ",
      data.filters.length > 0 && ["Only events of ", el("b", null, logged(data.filters.join(" "))), ". "],
      el("b", null, number(counts.replayed)), " of ", plural(counts.events, "event"), " replayed, the other ",
      el("a", { href: "#not-judged" }, number(counts.events - counts.replayed)), " cannot be decided by these policies.");
  }

  function drawNumbers(one) {
    const changes = [LOST, MAY_LOSE, GAINED, MAY_GAIN].concat(one.events[EITHER] ? [EITHER] : []);
    fill(byId("numbers"), changes.map((change) => {
      const events = one.events[change], principals = one.principals[change];
      const sub = events
        ? plural(events, "event") + ", " + share(events, data.counts.replayed) + " of replayed, " + plural(one.requests[change], "request")
        : "0 events";
      const inside = [
        el("span", { class: "number-label tone-" + CHANGES[change].tone }, sign(change), sentence(CHANGES[change].words)),
        el("span", { class: "number-main" }, number(principals), el("small", null, principals === 1 ? "principal" : "principals")),
        el("span", { class: "number-sub" }, sub),
        change === LOST && one.failed_otherwise > 0 && el("span", { class: "number-sub" },
          number(one.failed_otherwise) + " of them failed in the log for another reason"),
      ];
      if (!principals) return el("div", { class: "number none" }, inside);
      return el("button", {
        type: "button", class: "number", "data-change": change, title: "Show these principals",
        on: { click: () => showChange(String(change)) },
      }, inside);
    }));
  }

  function showChange(change) {
    state.change = change;
    state.search = state.account = state.type = "";
    sortBy(change, true);
    syncFilters();
    drawPrincipals();
    byId("principals-title").focus();
    byId("principals-title").scrollIntoView({ block: "start" });
  }

  function notice(title, ...body) {
    return el("p", null, el("b", null, title + " "), body);
  }

  function drawNotices(one) {
    const list = [];
    if (data.shard) list.push(notice("A part only.", logged(stop(sentence(data.shard)))));
    if (data.sentences.distrusted) list.push(notice("Not reliable.", logged(stop(sentence(data.sentences.distrusted)))));
    if (one.unresolved.length) {
      const named = one.unresolved.slice(0, 20).map((words) => el("li", null, logged(words)));
      list.push(el("div", null, notice("Not the whole plan.", "What this candidate changes could not be followed everywhere:"),
        el("ul", null, named, one.unresolved.length > 20 && el("li", null, "and " + number(one.unresolved.length - 20) + " more"))));
    }
    if (one.unexercised) {
      list.push(notice("Not exercised.", plural(one.unexercised, "principal"), one.unexercised === 1 ? " is" : " are",
        " changed by this candidate and ", one.unexercised === 1 ? "has" : "have",
          " no event in the log: nothing here tells what they need. ",
        el("button", { type: "button", class: "link link-only", on: { click: () => showChange("unexercised") } }, "Show them")));
    }
    fill(byId("notices"), list.length > 0 && el("div", { class: "notice" }, list));
  }

  /** A bar of parts with its list; `parts` are `[words, value, fill]`. */
  function partsOf(label, parts, whole) {
    const seen = parts.filter((part) => part[1] > 0);
    const bar = el("div", { class: "parts", role: "img", "aria-label": label + ": " + seen.map((part) => part[0] + " " + share(part[1],
      whole)).join(", ") });
    for (const part of seen) {
      const segment = el("i", { class: "fill-" + part[2] });
      segment.style.flexGrow = String(part[1]);
      bar.append(segment);
    }
    return [seen.length ? bar : null, el("ul", { class: "parts-list" }, parts.map(([words, value, tone, id]) =>
      el("li", null, el("span", { class: "swatch fill-" + tone, "aria-hidden": "true" }), el("span", null, words),
        el("span", { class: "n", "data-count": id }, number(value)), el("span", { class: "of" }, share(value, whole)))))];
  }

  function drawSure(one) {
    const replayed = data.counts.replayed;
    const open = sum(one.events, [MAY_LOSE, MAY_GAIN, UNKNOWN, EITHER]);
    fill(byId("sure"),
      el("div", null, el("h3", null, "Agreement with the log"), agreement()),
      el("div", null, el("h3", null, "Events by change"),
        el("p", { class: "figure" }, open ? share(open, replayed) : "None", " ",
          el("small", null, "undetermined (" + plural(open, "event") + ")")),
        partsOf("Events by change", BAR_ORDER.map((change) => [CHANGES[change].words, one.events[change], CHANGES[change].fill, change]),
          replayed)),
      el("div", null, el("h3", null, "Coverage of the window"), coverageFigure()));
  }

  function agreement() {
    const found = data.agreement;
    if (!found) return [el("p", { class: "figure" }, "Not measured"), el("p", null,
      logged(stop(sentence(data.sentences.agreement || "the log itself is the baseline"))))];
    return [
      el("p", { class: "figure" }, share(found.agree, found.events) || "No event", " ",
        el("small", null, "of " + plural(found.events, "event") + " agree")),
      partsOf("Agreement with the log", [
        ["the baseline agrees", found.agree, "sound"],
        ["fits only if a policy that was not supplied decided it", found.explained_by_opaque, "opaque"],
        ["depends on what the log does not tell", found.open, "unknown"],
        ["the baseline contradicts the log", found.contradict, "contradicted"],
      ], found.events),
    ];
  }

  function coverageFigure() {
    const { days } = data.coverage;
    const any = daysWithEvents();
    return [
      any !== null && days ? el("p", { class: "figure" }, number(any), " ",
        el("small", null, "of " + plural(days, "day") + " with an event")) : null,
      el("p", null, logged(stop(sentence(data.sentences.coverage)))),
      el("p", { class: "link-only" }, el("a", { href: "#coverage" }, "Coverage by account, region and day")),
    ];
  }

  /** Days with an event in any row; not known if some rows are not on the page. */
  function daysWithEvents() {
    if (data.coverage.more_rows || !data.coverage.rows.length) return null;
    const seen = new Uint8Array(data.coverage.days);
    for (const row of data.coverage.rows) eachRun(row[2], (from, length, value) => value > 0 && seen.fill(1, from, from + length));
    return seen.reduce((total, one) => total + one, 0);
  }

  // --- The switch between candidates ---------------------------------------------------------------------------------

  function drawSwitch() {
    const all = data.candidates;
    const place = byId("switch");
    if (all.length < 2) return place.replaceChildren();
    const length = all.reduce((total, one) => total + one.name.length, 0);
    if (all.length > 4 || length > 64) {
      const select = el("select", { id: "candidate-select", on: { change: () => choose(Number(select.value)) } },
        all.map((one, index) => el("option", { value: index }, one.name)));
      return fill(place, el("label", { class: "chooser" }, "Candidate", select));
    }
    fill(place, el("fieldset", null, el("legend", null, "Candidate"), el("div", { class: "options" }, all.map((one, index) =>
      el("label", null, el("input", { type: "radio", name: "candidate", value: index, on: { change: () => choose(index) } }),
        logged(one.name))))));
  }

  function syncSwitch() {
    for (const input of document.querySelectorAll("#switch input")) input.checked = Number(input.value) === state.candidate;
    const select = byId("candidate-select");
    if (select) select.value = String(state.candidate);
  }

  function choose(index) {
    if (index === state.candidate || !data.candidates[index]) return;
    state.candidate = index;
    drawCandidate();
    writeHash();
    say("Candidate " + candidate().name + ": " + candidate().verdict);
  }

  function drawCandidate() {
    syncSwitch();
    drawFirst();
    drawSideBySide();
    drawFilters();
    drawPrincipals();
    drawReview();
  }

  function drawSideBySide() {
    const section = byId("candidates");
    section.hidden = data.candidates.length < 2;
    if (section.hidden) return;
    const changes = BY_WEIGHT.filter((change) => change !== EITHER || eitherSeen);
    const head = el("tr", null, el("th", { scope: "col" }, "Candidate"),
      changes.map((change) => el("th", { scope: "col", class: "num" }, sign(change), sentence(shortWords(change)))),
      el("th", { scope: "col", class: "num" }, "Unchanged"), el("th", { scope: "col", class: "num" }, "Not exercised"));
    const body = data.standings.map((index) => {
      const one = data.candidates[index];
      const chosen = index === state.candidate;
      return el("tr", { class: chosen && "chosen" },
        el("th", { scope: "row" }, chosen ? el("b", null, logged(one.name)) : el("button",
          { type: "button", class: "link", on: { click: () => chooseHere(index) } }, logged(one.name)),
          chosen && el("span", { class: "soft" }, " (shown)")),
        changes.map((change) => el("td", { class: "num " + (one.events[change] ? "" : "zero"), "data-label": sentence(shortWords(change)) },
          el("span", null, number(one.events[change]), one.principals[change] > 0 && el("small", null,
            plural(one.principals[change], "principal"))))),
        el("td", { class: "num", "data-label": "Unchanged" }, number(sum(one.events, [STILL_ALLOWED, STILL_DENIED, UNKNOWN]))),
        el("td", { class: "num " + (one.unexercised ? "" : "zero"), "data-label": "Not exercised" },
          number(one.unexercised)));
    });
    fill(byId("candidates-table"), el("table", { class: "side cards", "aria-labelledby": "candidates-title" }, el("thead", null, head),
      el("tbody", null, body)));
  }

  function chooseHere(index) {
    choose(index);
    byId("verdict").focus();
    byId("main").scrollIntoView({ block: "start" });
  }

  function shortWords(change) {
    return change === CONTRADICTED ? "contradicted" : CHANGES[change].words;
  }

  // --- Principals: filter and sort -----------------------------------------------------------------------------------

  const COLUMNS = [
    { key: "name", words: "Principal", className: "col-name", value: (index) => nameOf(data.principals[index]) },
    { key: "account", words: "Account", className: "col-account", value: (index) => text(data.principals[index].account) || "" },
    { key: "type", words: "Type", className: "col-type", value: (index) => text(data.principals[index].type) || "" },
  ].concat(BY_WEIGHT.filter((change) => change !== EITHER || eitherSeen).map((change) => (
    { key: change === LOST ? "lost" : String(change), change, words: sentence(shortWords(change)), className: "col-count num",
      numeric: true, value: (index) => eventsOf(index)[change] }
  )), [
    { key: "events", words: "Events", className: "col-count num", numeric: true, value: (index) => data.principals[index].events },
    { key: "last", words: "Last seen", className: "col-seen", numeric: true, value: (index) => data.principals[index].last || 0 },
  ]);

  function sortBy(key, descending) {
    state.sort = key === String(LOST) ? "lost" : COLUMNS.some((column) => column.key === key) ? key : "lost";
    state.descending = descending;
  }

  function matches(change, index) {
    const principal = data.principals[index];
    const of = principal.by[state.candidate];
    switch (change) {
      case "all": return true;
      case "affected": return isAffected(of.events);
      case "unchanged": return !isAffected(of.events);
      case "unexercised": return of.changed && principal.events === 0;
      case "changed": return of.changed;
      case "distrusted": return principal.distrusted;
      default: return of.events[Number(change)] > 0;
    }
  }

  function find() {
    const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    for (let index = 0; index < data.principals.length; index += 1) {
      const principal = data.principals[index];
      if (state.account !== "" && String(principal.account) !== state.account) continue;
      if (state.type !== "" && String(principal.type) !== state.type) continue;
      if (!matches(state.change, index)) continue;
      if (!words.every((word) => hay[index].includes(word))) continue;
      found.push(index);
    }
    return sorted(found);
  }

  /** Equal values are ordered by how much changes, then as the report has them. */
  function sorted(found) {
    const column = COLUMNS.find((one) => one.key === state.sort);
    const values = new Map(found.map((index) => [index, column.value(index)]));
    const compare = column.numeric ? (a, b) => a - b : new Intl.Collator("en", { numeric: true }).compare;
    const way = state.descending ? -1 : 1;
    return found.sort((a, b) => {
      const order = way * compare(values.get(a), values.get(b));
      if (order) return order;
      const left = eventsOf(a), right = eventsOf(b);
      for (const change of BY_WEIGHT) if (left[change] !== right[change]) return right[change] - left[change];
      return a - b;
    });
  }

  function options(select, list, value) {
    fill(select, list.map(([key, words]) => el("option", { value: key }, words)));
    select.value = value;
    if (select.selectedIndex < 0) select.selectedIndex = 0;
    return select.value;
  }

  function countOf(change) {
    let count = 0;
    for (let index = 0; index < data.principals.length; index += 1) if (matches(change, index)) count += 1;
    return count;
  }

  function drawFilters() {
    const classes = [["all", "All principals"], ["affected", "Any change or doubt"]]
      .concat(BY_WEIGHT.map((change) => [String(change), sentence(shortWords(change))]),
        [["changed", "Policies changed by the candidate"], ["unexercised", "Changed, no event in the log"],
          ["distrusted", "Results not reliable"], ["unchanged", "Nothing changes"]])
      .map(([key, words]) => [key, words + " (" + number(countOf(key)) + ")"]);
    state.change = options(byId("filter-change"), classes, state.change);
    state.account = options(byId("filter-account"), [["", "All accounts"]].concat(distinct("account")), state.account);
    state.type = options(byId("filter-type"), [["", "All types"]].concat(distinct("type")), state.type);
    const sorts = COLUMNS.map((column) => [column.key, column.words]);
    options(byId("sort-by"), sorts, state.sort);
    const more = data.more_principals;
    fill(byId("principals-lede"),
      "Counts are events. Open a principal for its actions, the statements that decide them, and the people to tell.");
    fill(byId("principals-left-out"), more > 0 && [plural(more, "more principal"), " ", more === 1 ? "is" : "are", " not on this page: ",
      el("code", null, "principals.parquet"), " has all of them."]);
  }

  const distinctOf = new Map();

  function distinct(field) {
    if (!distinctOf.has(field)) {
      const counts = new Map();
      for (const principal of data.principals) counts.set(principal[field], (counts.get(principal[field]) || 0) + 1);
      distinctOf.set(field, [...counts].map(([ref, count]) => [String(ref), (text(ref) || "unknown") + " (" + number(count) + ")"])
        .sort((a, b) => (a[1] < b[1] ? -1 : 1)));
    }
    return distinctOf.get(field);
  }

  function syncFilters() {
    byId("search").value = state.search;
    byId("filter-change").value = state.change;
    byId("filter-account").value = state.account;
    byId("filter-type").value = state.type;
    byId("sort-by").value = state.sort;
  }

  // --- Principals: the table -----------------------------------------------------------------------------------------

  const SLICE = 50, NEXT_SLICE = 200;

  function drawPrincipals() {
    state.found = find();
    state.shown = 0;
    const total = data.principals.length;
    const filtered = state.found.length !== total;
    fill(byId("matches"), filtered ? number(state.found.length) + " of " + plural(total, "principal") : plural(total, "principal"));
    byId("reset").disabled = !filtered && !state.search;
    const body = el("tbody");
    const head = el("tr", null, COLUMNS.map(headCell), el("th", { scope: "col", class: "col-what" }, "Actions most affected"));
    fill(byId("principals-table"), el("table", { class: "principals cards", "aria-labelledby": "principals-title" },
      el("thead", null, head), body),
      state.found.length ? null : el("p", { class: "empty" },
        total ? "No principal matches. Clear the search or the filters." : "There is no principal in the log."));
    more(SLICE);
  }

  function headCell(column) {
    const current = column.key === state.sort;
    return el("th", { scope: "col", class: column.className,
      "aria-sort": current ? (state.descending ? "descending" : "ascending") : "none", "data-key": column.key },
      el("button", { type: "button", class: "sort", on: { click: () => resort(column) } }, column.words));
  }

  function resort(column) {
    sortBy(column.key, column.key === state.sort ? !state.descending : Boolean(column.numeric));
    syncFilters();
    drawPrincipals();
    const again = byId("principals-table").querySelector('th[data-key="' + column.key + '"] button');
    if (again) again.focus();
  }

  function more(size) {
    const body = byId("principals-table").querySelector("tbody");
    const from = state.shown;
    const part = state.found.slice(from, from + size);
    body.append(...part.map(principalRow));
    state.shown += part.length;
    const left = state.found.length - state.shown;
    fill(byId("principals-more"), left > 0 && [
      button("Show " + number(Math.min(NEXT_SLICE, left)) + " more", () => more(NEXT_SLICE)),
      el("span", { class: "soft" }, number(state.shown) + " of " + number(state.found.length) + " shown"),
    ]);
    if (from > 0) body.rows[from].querySelector("button").focus();
  }

  function principalRow(index) {
    const principal = data.principals[index];
    const events = eventsOf(index);
    const account = text(principal.account) || "unknown account", type = text(principal.type) || "unknown";
    const row = el("tr", { "data-principal": index },
      el("th", { scope: "row", class: "col-name" },
        el("button", { type: "button", class: "link who", "aria-haspopup": "dialog" }, logged(nameOf(principal))),
        el("span", { class: "arn" }, logged(text(principal.arn) || "only the account of the caller is known")),
        tags(principal, [el("span", { class: "tag plain meta" }, logged(account)),
          el("span", { class: "tag plain meta-type" }, logged(type))])),
      el("td", { class: "col-account" }, logged(account)),
      el("td", { class: "col-type" }, logged(type)),
      COLUMNS.filter((column) => column.numeric && column.key !== "last").map((column) => {
        const value = column.value(index);
        return el("td", { class: column.className + (value ? "" : " zero") + (column.change !== undefined && value ? " hot" : ""),
          "data-label": column.words },
          value && column.change !== undefined ? el("span", { class: "tone-" + CHANGES[column.change].tone },
            number(value)) : number(value));
      }),
      el("td", { class: "col-seen" }, date(principal.last) || "never"),
      el("td", { class: "col-what long", "data-label": events && isAffected(events) ? "Actions most affected" : null },
        mostAffected(index, 3)));
    row.addEventListener("click", (event) => {
      if (String(getSelection()) && !event.target.closest("button")) return;
      openDrawer(index, row.querySelector("button"));
    });
    return row;
  }

  function tags(principal, before) {
    const of = principal.by[state.candidate];
    const list = before || [];
    if (principal.distrusted) list.push(el("span", { class: "tag" }, "Results not reliable"));
    if (of.changed && !principal.events) list.push(el("span", { class: "tag" }, "Changed, no event in the log"));
    else if (of.changed) list.push(el("span", { class: "tag plain" }, "Policies changed"));
    if (principal.snapshot && principal.snapshot !== "yes") {
      list.push(el("span", { class: "tag plain" }, sentence(shortSnapshot(principal.snapshot))));
    }
    return list.length ? el("span", { class: "tags" }, list) : null;
  }

  function shortSnapshot(snapshot) {
    const words = { account_missing: "account in no snapshot", principal_missing: "not in the snapshot", id_differs: "made again since" };
    return own(words, snapshot) || snapshot;
  }

  /** Actions by what changes, in the order of weight, most events first. */
  function affectedActions(index) {
    const counts = new Map();
    for (const row of rowsOf(index)) {
      const key = row[CHANGE] + " " + row[ACTION];
      const entry = counts.get(key) || { change: row[CHANGE], action: row[ACTION], events: 0 };
      entry.events += row[EVENTS];
      counts.set(key, entry);
    }
    return [...counts.values()].sort((a, b) => BY_WEIGHT.indexOf(a.change) - BY_WEIGHT.indexOf(b.change) || b.events - a.events);
  }

  function mostAffected(index, limit) {
    const list = affectedActions(index);
    if (!list.length) return null;
    return el("ul", { class: "what" }, list.slice(0, limit).map((entry) =>
      el("li", null, sign(entry.change), el("span", { class: "hidden" }, shortWords(entry.change) + ": "),
        logged(text(entry.action) || "unknown action"), " ",
        el("span", { class: "soft" }, number(entry.events)))),
    list.length > limit && el("li", { class: "rest soft" }, "and " + plural(list.length - limit, "more action")));
  }

  /** On paper stands who is affected, whatever the filters are. */
  function drawPrint() {
    const list = data.principals.map((_, index) => index).filter((index) => isAffected(eventsOf(index)));
    const columns = BY_WEIGHT.filter((change) => change !== EITHER || eitherSeen);
    const order = list.sort((a, b) => {
      const left = eventsOf(a), right = eventsOf(b);
      for (const change of BY_WEIGHT) if (left[change] !== right[change]) return right[change] - left[change];
      return a - b;
    });
    const head = el("tr", null, el("th", { scope: "col" }, "Principal"), el("th", { scope: "col", class: "paper-account" }, "Account"),
      columns.map((change) => el("th", { scope: "col", class: change === CONTRADICTED ? "num wide" : "num" },
        sentence(shortWords(change)))));
    fill(byId("principals-print"), el("p", null, plural(order.length, "principal") + " with a change or a doubt, and the events of each:"),
      el("table", { class: "on-paper" }, el("thead", null, head), order.map((index) => {
        const principal = data.principals[index];
        return el("tbody", null,
          el("tr", null, el("th", { scope: "row" }, el("b", null, logged(nameOf(principal)))),
            el("td", null, logged(text(principal.account) || "unknown")),
            columns.map((change) => countCell(eventsOf(index)[change]))),
          el("tr", null, el("td", { colspan: columns.length + 2 }, tags(principal), paperActions(index))));
      })));
  }

  function paperActions(index) {
    const LIMIT = 12;
    const list = affectedActions(index);
    return BY_WEIGHT.map((change) => {
      const part = list.filter((entry) => entry.change === change);
      if (!part.length) return null;
      return el("p", null, sign(change), sentence(shortWords(change)) + ": ",
        part.slice(0, LIMIT).map((entry, place) => [place ? ", " : null, logged(text(entry.action) || "unknown action"), " ",
          el("span", { class: "soft" }, number(entry.events))]),
        part.length > LIMIT && " and " + plural(part.length - LIMIT, "more action") + ", which changes.parquet has");
    });
  }

  // --- The drawer ----------------------------------------------------------------------------------------------------

  const drawer = byId("drawer");
  let opener = null;

  function openDrawer(index, from) {
    opener = from || null;
    state.principal = index;
    const principal = data.principals[index];
    fill(byId("drawer-kicker"), "Principal, candidate ", logged(candidate().name));
    fill(byId("drawer-title"), logged(nameOf(principal)));
    fill(byId("drawer-body"), about(principal), changesOf(index), usedActions(principal), reviewLists(principal));
    if (!drawer.open) drawer.showModal();
    byId("drawer-body").scrollTop = 0;
    byId("drawer-title").focus();
    writeHash();
  }

  function closeDrawer() {
    if (!drawer.open) return;
    drawer.close();
    const index = state.principal;
    state.principal = null;
    writeHash();
    fill(byId("drawer-body"));
    const row = byId("principals-table").querySelector('tr[data-principal="' + index + '"] button');
    const target = opener && opener.isConnected ? opener : row || byId("principals-title");
    target.focus();
  }

  /** Keeps Tab inside the drawer. */
  function trap(event) {
    if (event.key !== "Tab") return;
    const list = [...drawer.querySelectorAll("button, summary, a[href]")].filter((one) => one.getClientRects().length && !one.disabled);
    const first = list[0], last = list[list.length - 1];
    const active = document.activeElement;
    if (event.shiftKey ? active === first || active === byId("drawer-title") : active === last) {
      event.preventDefault();
      (event.shiftKey ? last : first).focus();
    }
  }

  function fact(words, ...value) {
    return [el("dt", null, words), el("dd", null, value)];
  }

  function about(principal) {
    const judged = principal.agree + principal.contradict;
    const of = principal.by[state.candidate];
    return el("section", { "aria-label": "About this principal" },
      principal.distrusted && el("p", { class: "notice" }, el("b", null, "Do not rely on these results. "),
        "The baseline contradicts the log on " + number(principal.contradict) + " of " + plural(judged, "judged event") +
        ": it is not what was in force for this principal. Likely a policy or an attachment is missing from the snapshot."),
      el("dl", { class: "facts" },
        fact("ARN", principal.arn === null ? "only the account of the caller is known" : code(text(principal.arn))),
        fact("Account", logged(text(principal.account) || "unknown")),
        fact("Type", logged(text(principal.type) || "unknown")),
        fact("Snapshot", sentence(own(SNAPSHOT, principal.snapshot) || principal.snapshot || "unknown")),
        fact("Candidate", of.changed ? "Changes the policies of this principal" : "Does not change the policies of this principal"),
        fact("In the log", principal.events
          ? plural(principal.events, "event") + ", " + time(principal.first) + " to " + time(principal.last)
          : "No event: nothing here tells what this principal needs"),
        data.agreement && judged > 0 && fact("Agreement", number(principal.agree) + " of " + plural(judged,
          "judged event") + " as the baseline says, " + number(principal.contradict) + " against it"),
        (principal.sessions.length > 0) && fact("Sessions", el("span", { class: "soft" }, "the people and programs to tell: "),
          principal.sessions.map((ref, place) => [place ? ", " : null, logged(texts[ref])]),
          principal.more_sessions > 0 && [" and " + number(principal.more_sessions) + " more: see ",
            el("code", null, "principals.parquet")])),
      el("h3", { class: "hidden" }, "Events by change"),
      drawerParts(of.events, principal.events));
  }

  function drawerParts(events, whole) {
    if (!whole) return null;
    const parts = BAR_ORDER.filter((change) => events[change]).map((change) => [CHANGES[change].words, events[change],
      CHANGES[change].fill]);
    const box = el("div", { class: "drawer-parts" }, partsOf("Events by change", parts, whole));
    box.style.maxWidth = "40rem";
    box.style.marginTop = "1rem";
    return box;
  }

  function changesOf(index) {
    const rows = rowsOf(index);
    const events = eventsOf(index);
    const order = [LOST, GAINED, MAY_LOSE, MAY_GAIN, EITHER, CONTRADICTED];
    const budget = { open: 3 };
    const sections = order.map((change) => {
      const list = rows.filter((row) => row[CHANGE] === change);
      const here = list.reduce((total, row) => total + row[EVENTS], 0);
      const missing = events[change] - here;
      if (!list.length && missing <= 0) return null;
      return changeSection(change, list, here, Math.max(missing, 0), budget);
    });
    if (sections.some(Boolean)) return sections;
    return el("section", null, el("h3", null, "What changes"), el("p", null,
      "Nothing that this principal did in the log would be decided otherwise."));
  }

  function changeSection(change, list, here, missing, budget) {
    const actions = new Set(list.map((row) => row[ACTION])).size;
    const groups = groupReasons(list);
    const body = el("div");
    const moreGroups = inSlices(groups, 10, body, (group) => reasonBlock(change, group, budget), "reason");
    return el("section", { class: "change-" + change },
      el("div", { class: "class-head" },
        el("h3", { class: CHANGES[change].tone ? "tone-" + CHANGES[change].tone : null }, sign(change), sentence(CHANGES[change].words)),
        el("span", { class: "soft" }, plural(actions, "action") + ", " + plural(here,
          "event") + (change === CONTRADICTED ? "" : "; " + CHANGES[change].meaning))),
      body, moreGroups,
      missing > 0 && el("p", { class: "left-out" }, "Requests with " + plural(missing, "more event") + " are not on this page: ",
        el("code", null, "changes.parquet"), " has them."));
  }

  /** Rows that the same statements decide for the same reason, whatever their action: they are read once. */
  function groupReasons(list) {
    const groups = new Map();
    for (const row of list) {
      const action = text(row[ACTION]);
      const raw = text(row[WHY]) || "";
      const why = action ? raw.split(action).join("\u0000") : raw;
      const key = [why, row[BEFORE], row[AFTER], row[SETTLE], row[RESIDUAL]].join("\u0001");
      const group = groups.get(key) || { why, rows: [], events: 0 };
      group.rows.push(row);
      group.events += row[EVENTS];
      groups.set(key, group);
    }
    const all = [...groups.values()].sort((a, b) => b.events - a.events);
    for (const group of all) {
      group.rows.sort((a, b) => b[EVENTS] - a[EVENTS]);
      const only = new Set(group.rows.map((row) => row[ACTION])).size === 1 ? text(group.rows[0][ACTION]) : null;
      group.words = group.why.split("\u0000").join(only || "it");
    }
    return all;
  }

  function reasonBlock(change, group, budget) {
    const first = group.rows[0];
    const settle = text(first[SETTLE]), residual = text(first[RESIDUAL]);
    const failed = group.rows.reduce((total, row) => total + row[FAILED], 0);
    const compare = el("details", { class: "statements" }, el("summary", null, "Deciding statements, before and after"));
    const build = () => {
      if (compare.open && compare.childElementCount === 1) compare.append(comparison(change, group));
    };
    compare.addEventListener("toggle", build);
    if (budget.open > 0) {
      budget.open -= 1;
      compare.open = true;
      build();
    }
    return el("div", { class: "reason" },
      el("p", { class: "why" }, prose(sentence(stop(group.words)))),
      el("dl", { class: "facts" },
        residual && !group.words.includes(residual) && fact("Residual", prose(sentence(stop(residual)))),
        settle && fact("What would settle it", settling(settle)),
        failed > 0 && fact("Failed otherwise",
          plural(failed, "event") + " failed in the log for another reason than a missing permission")),
      requestTable(group.rows), compare);
  }

  function settling(keys) {
    return el("span", null, keys.split(/\s*,\s*/).map((key, place) => [place ? "; " : null, code(key), settlingWords(key)]));
  }

  function settlingWords(key) {
    if (key === "resource") return " (the record does not tell the resource)";
    if (key === "action") return " (the record does not tell the action)";
    const layer = key.startsWith("layer:") ? own(LAYERS, key.slice(6)) : null;
    if (layer) return " (the " + layer + " were not supplied)";
    return key.includes(":") ? " (the log does not tell its value)" : null;
  }

  function requestTable(rows) {
    const body = el("tbody");
    const moreRows = inSlices(rows, 20, body, requestRow, "row");
    const head = (words, className) => el("th", { scope: "col", class: className }, words);
    return [el("table", { class: "rows cards" }, el("thead", null, el("tr", null, head("Action and resource"), head("Events", "num c-n"),
      head("Requests", "num c-n"), head("Days", "num c-n"),
      head("Seen (UTC)", "c-when"), head("Sample event and command", "c-proof"))), body), moreRows];
  }

  function requestRow(row) {
    const others = row[RESOURCES] - 1;
    return el("tr", null,
      el("th", { scope: "row" }, el("span", { class: "act" }, logged(text(row[ACTION]) || "unknown action")),
        row[RESOURCE] !== null && el("span", { class: "arn" }, logged(text(row[RESOURCE])),
          others > 0 && " and " + plural(others, "more resource"))),
      el("td", { class: "num c-n", "data-label": "Events" }, number(row[EVENTS])),
      el("td", { class: "num c-n", "data-label": "Requests" }, number(row[REQUESTS])),
      el("td", { class: "num c-n", "data-label": "Days" }, row[REQUESTS] > 1 ? number(row[DAYS]) + " or more" : number(row[DAYS])),
      el("td", { class: "c-when", "data-label": "Seen (UTC)" }, el("span", null, span(row[FIRST], row[LAST]))),
      el("td", { class: "c-proof long", "data-label": "Sample event and command" },
        row[SAMPLE] !== null && el("span", { class: "arn mono" }, logged(row[SAMPLE])), command(row[CHANGE_ID])));
  }

  function span(first, last) {
    const from = date(first), to = date(last);
    return from === to ? from : [el("span", { class: "nowrap" }, from), " to ", el("span", { class: "nowrap" }, to)];
  }

  function command(id) {
    if (!id) return null;
    const words = "retrial explain REPORT --change " + id;
    const shown = code(words);
    return el("div", { class: "command" }, shown, button("Copy", () => copy(words, shown), "copy", "Copy the command " + words));
  }

  function copy(words, shown) {
    const select = () => {
      getSelection().selectAllChildren(shown);
      say("The command is selected: copy it with your keyboard.");
    };
    if (!navigator.clipboard) return select();
    navigator.clipboard.writeText(words).then(() => say("Copied: " + words), select);
    return undefined;
  }

  // --- Statements side by side ---------------------------------------------------------------------------------------

  /** The statements that decide; where a side has none, what stands there in place of the other side's. */
  function comparison(change, group) {
    const row = group.rows[0];
    const actions = [...new Set(group.rows.map((one) => one[ACTION]))].map(text).filter(Boolean);
    const before = sideOf(row, BEFORE, change, change === CONTRADICTED ? stop(group.words) : null);
    const after = sideOf(row, AFTER, change, change === CONTRADICTED ? null : stop(group.words));
    const pairs = pairUp(before.statement, after.statement);
    const left = pairs.lines.map((pair) => pair[0]), right = pairs.lines.map((pair) => pair[1]);
    markHits(left, actions);
    markHits(right, actions);
    const box = el("div", { class: "compare" }, pane("Before: baseline", before, left), pane("After: " + candidate().name, after, right));
    box.style.setProperty("--lines", String(Math.max(2, pairs.lines.length + 1)));
    const fold = foldLong(box, pairs);
    const hits = pairs.lines.some((pair) => pair.some((line) => line && line.hit));
    const note = [pairs.note, hits && "Lines in bold match the action."].filter(Boolean).join(" ");
    return el("div", null, note && el("p", { class: "compare-note" }, note), box, fold);
  }

  function sideOf(row, place, change, reason) {
    if (row[place] !== null) return { statement: data.statements[row[place]], missing: null, reason: null };
    const other = row[COUNTERPART];
    const statement = other === null || other === undefined ? null : data.statements[other];
    return { statement, missing: missingSide(change, place), reason };
  }

  const ASK_LOG = {
    [LOST]: "The log shows that it was allowed.",
    [MAY_LOSE]: "The log shows that it was allowed.",
    [GAINED]: "The log shows that it was denied.",
    [MAY_GAIN]: "The log shows that it was denied.",
  };

  function missingSide(change, place) {
    const baseline = place === BEFORE;
    if (baseline && data.baseline === "logged") return ASK_LOG[change] || "The log does not tell whether it was allowed.";
    if (change === LOST && !baseline) return "No statement of this candidate allows it.";
    if (change === GAINED && baseline) return "No statement of the baseline allows it.";
    if (change === CONTRADICTED) return baseline
      ? "No statement of the baseline allows it, but the log shows otherwise."
      : "No statement of this candidate allows it, as far as the policies tell.";
    return baseline ? "No single statement of the baseline decides it." : "No statement of this candidate allows it for certain.";
  }

  function pane(title, side, lines) {
    const { statement, missing, reason } = side;
    const words = missing && [el("p", null, missing), reason && el("p", { class: "soft" }, "Reason: ", prose(reason))];
    const head = el("div", { class: "pane-head" }, el("h4", null, logged(title)));
    const whole = el("section", { class: "pane", "aria-label": title }, head);
    if (!statement) return add(whole, [el("div", { class: "pane-none" }, words)]);
    if (words) add(head, [words, el("p", null, "The statement to look at there, which does not decide:")]);
    const sid = text(statement.sid), layer = text(statement.layer), file = text(statement.file);
    add(head, [el("div", null, sentence(own(LAYER, layer) || layer || "policy"), " ", code(text(statement.policy)), ", statement ",
      sid ? code(sid) : number(statement.index)),
    file !== null && el("div", { class: "soft" }, code(file + ":" + lineNumbers(statement)))]);
    return add(whole, lines.map((line) => (line ? statementLine(line) : el("div", { class: "filler", "aria-hidden": "true" }))));
  }

  function lineNumbers({ line, end_line: end }) {
    return end > line ? line + "-" + end : String(line);
  }

  function statementLine({ words, mark, hit }) {
    const name = mark === "-" ? " gone" : mark === "+" ? " new" : "";
    const shown = mark === "-" ? "\u2212" : mark === "+" ? "+" : "\u00a0";
    return el("div", { class: "line" + name + (hit ? " hit" : "") },
      el("span", null, el("span", { "aria-hidden": "true" }, shown),
        mark && el("span", { class: "hidden" }, mark === "-" ? "removed " : "added ")),
      logged(words));
  }

  const KEY_ORDER = ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

  /** The lines of a statement, both sides laid out alike so that only what says something else differs. */
  function layOut(words) {
    let lines;
    try {
      const value = JSON.parse(words);
      const keys = Object.keys(value).sort((a, b) => rank(a) - rank(b));
      lines = JSON.stringify(Object.fromEntries(keys.map((key) => [key, value[key]])), null, 2).split("\n");
    } catch {
      lines = dedent(words);
    }
    return lines;
  }

  function rank(key) {
    const at = KEY_ORDER.indexOf(key);
    return at < 0 ? KEY_ORDER.length : at;
  }

  function dedent(words) {
    const lines = words.replace(/\r/g, "").split("\n");
    const depth = Math.min(...lines.slice(1).filter((line) => line.trim()).map((line) => line.search(/\S/)), 80);
    return lines.map((line, at) => (at ? line.slice(depth) : line));
  }

  /** Marks the lines of the `Action` element that match one of the actions. */
  function markHits(lines, actions) {
    let key = "";
    for (const line of lines) {
      if (!line) continue;
      const element = /^ {2}"(\w+)":/.exec(line.words);
      if (element) key = element[1];
      const pattern = key === "Action" ? /"([^"]*)",?\s*\[?$/.exec(line.words) : null;
      if (pattern && pattern[1] !== "Action") line.hit = actions.some((action) => globs(pattern[1].toLowerCase(), action.toLowerCase()));
    }
  }

  /** Whether a pattern with `*` and `?` matches all of a text; never slower than the product of their lengths. */
  function globs(pattern, words) {
    let at = 0, star = -1, retry = 0, place = 0;
    while (place < words.length) {
      if (pattern[at] === "*") {
        star = at++;
        retry = place;
      } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === words[place])) {
        at += 1;
        place += 1;
      } else if (star >= 0) {
        at = star + 1;
        place = ++retry;
      } else return false;
    }
    while (pattern[at] === "*") at += 1;
    return at === pattern.length;
  }

  /** What two lines must share to be the same: their depth too, but not the comma that follows. */
  function essence(line) {
    return line.trimEnd().replace(/,$/, "");
  }

  function pairUp(before, after) {
    const left = before ? layOut(text(before.text)) : [], right = after ? layOut(text(after.text)) : [];
    const plain = (lines) => lines.map((words) => ({ words, mark: "" }));
    if (!before || !after) {
      const lines = plain(before ? left : right);
      return { lines: lines.map((line) => (before ? [line, null] : [null, line])), note: null, compared: false };
    }
    const telling = (lines) => lines.map(essence).filter((line) => /[\w*]/.test(line));
    const a = telling(left), b = new Set(telling(right));
    const common = a.filter((line) => b.has(line)).length;
    if (left.join("\n") === right.join("\n")) {
      return { lines: left.map((words) => [{ words, mark: "" }, { words, mark: "" }]),
        note: "The statement is the same on both sides: something else makes the difference. See the reason above.", compared: true };
    }
    const samePlace = before.policy === after.policy && (before.sid === null ? before.index === after.index : before.sid === after.sid);
    const lines = differ(left, right);
    const note = samePlace || common * 2 >= Math.min(a.length, b.size) ? null
      : "These are two different statements. Marked lines stand in one of them only.";
    return { lines, note, compared: true };
  }

  /** A line diff by the longest common subsequence; lines that were replaced stand beside each other. */
  function differ(left, right) {
    const a = left.map(essence), b = right.map(essence);
    if (a.length * b.length > 1e6) return besides(left.map((words) => ({ words, mark: "-" })),
      right.map((words) => ({ words, mark: "+" })));
    const wide = b.length + 1;
    const best = new Uint16Array((a.length + 1) * wide);
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1; j >= 0; j -= 1) {
        best[i * wide + j] = a[i] === b[j] ? best[(i + 1) * wide + j + 1] + 1 : Math.max(best[(i + 1) * wide + j], best[i * wide + j + 1]);
      }
    }
    const lines = [];
    let i = 0, j = 0, gone = [], added = [];
    const flush = () => {
      lines.push(...besides(gone, added));
      gone = [];
      added = [];
    };
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) {
        flush();
        lines.push([{ words: left[i++], mark: "" }, { words: right[j++], mark: "" }]);
      } else if (j >= b.length || (i < a.length && best[(i + 1) * wide + j] >= best[i * wide + j + 1])) gone.push({ words: left[i++],
        mark: "-" });
      else added.push({ words: right[j++], mark: "+" });
    }
    flush();
    return lines;
  }

  function besides(gone, added) {
    return Array.from({ length: Math.max(gone.length, added.length) }, (_, at) => [gone[at] || null, added[at] || null]);
  }

  /** Hides unchanged lines far from a change, or the end of a long statement, behind a button. */
  function foldLong(box, { lines, compared }) {
    const changed = lines.map((pair) => !compared || !pair[0] || !pair[1] || pair[0].mark !== "");
    const hit = (at) => lines[at].some((line) => line && line.hit);
    const near = (at) => hit(at) || (compared && changed.some(Boolean) ? changed.slice(Math.max(0, at - 3),
      at + 4).some(Boolean) : at < 14);
    const far = lines.map((_, at) => at).filter((at) => !near(at));
    if (far.length < 10) return null;
    const hide = (hidden) => {
      for (const side of box.children) {
        const parts = side.querySelectorAll(":scope > .line, :scope > .filler");
        for (const at of far) if (parts[at]) parts[at].hidden = hidden;
      }
      box.style.setProperty("--lines", String(lines.length + 1 - (hidden ? far.length : 0)));
    };
    hide(true);
    const show = button("Show " + plural(far.length, compared ? "unchanged line" : "more line"), () => {
      hide(false);
      const next = box.closest(".reason").querySelector("summary");
      show.remove();
      next.focus();
    }, "fold");
    return show;
  }

  // --- What is granted and what is used ------------------------------------------------------------------------------

  function usedActions(principal) {
    const title = el("h3", null, "Used actions");
    if (principal.used === null) {
      return el("section", null, title,
        el("p", { class: "left-out" }, "There was no room on this page for what this principal used and what it is granted: ",
        el("code", null, "actions.parquet"), " has it."));
    }
    if (!principal.used.length) return el("section", null, title, el("p", { class: "soft" }, "No successful call in the log."));
    const body = el("tbody");
    const list = [...principal.used].sort((a, b) => b[1] - a[1]);
    const moreRows = inSlices(list, 25, body, ([action, calls, days, first, last, rare]) => el("tr", null,
      el("th", { scope: "row" }, logged(text(action) || "unknown action"), rare && el("span", { class: "tag" }, " rare")),
      el("td", { class: "num", "data-label": "Successful calls" }, number(calls)),
      el("td", { class: "num", "data-label": "Days seen" }, number(days)),
      el("td", { "data-label": "First used (UTC)" }, date(first)),
      el("td", { "data-label": "Last used (UTC)" }, date(last))), "action");
    const head = (words, className) => el("th", { scope: "col", class: className }, words);
    return el("section", null, title, el("p", { class: "lede" }, plural(list.length, "action") + " with successful calls. " + RARE),
      el("table", { class: "cards rows-used" }, el("thead", null, el("tr", null, head("Action"), head("Successful calls", "num"),
        head("Days seen", "num"), head("First used (UTC)"), head("Last used (UTC)"))), body), moreRows);
  }

  const RARE = "Rare means used on at most 3 days, or on at most one day in 30.";

  function reviewLists(principal) {
    const of = principal.by[state.candidate];
    return [
      nameList("no_longer_granted", "Used and lost", "Used in the log, and this candidate takes it away.", of),
      nameList("unused", "Granted and never used",
        "This candidate grants it, CloudTrail can show its use, and no successful call was replayed in the window. No data is not no use.", of),
      nameList("not_observable", "Granted and not observable", "This candidate grants it, and the log could never show its use.", of),
    ];
  }

  function nameList(kind, title, meaning, of) {
    const refs = of[kind] === null ? [] : data.lists[of[kind]] || [];
    const count = refs.length > 0 && el("span", { class: "soft" }, " (" + number(refs.length) + ")");
    const section = el("section", null, el("h3", null, title, count));
    if (!refs.length) {
      return add(section, [areListed(kind) ? el("p", { class: "soft" }, "None.")
        : el("p", { class: "left-out" }, "None on this page, which has no room for all of them: ",
          el("code", null, "actions.parquet"), " has them.")]);
    }
    section.append(el("p", { class: "lede" }, meaning));
    const names = refs.map((ref) => texts[ref]);
    if (kind === "no_longer_granted" || names.length <= 24) return add(section, [nameItems(names)]);
    return add(section, [byService(names).map(([service, actions]) => {
      const part = el("details", { class: "by-service" }, el("summary", null, logged(service), " (" + number(actions.length) + ")"));
      part.addEventListener("toggle", () => part.childElementCount === 1 && part.append(nameItems(actions)));
      return part;
    })]);
  }

  const listed = new Map();

  /** Whether every list of a kind is on the page: only then does a list that is not there say that there is nothing. */
  function areListed(kind) {
    const key = kind + state.candidate;
    if (!listed.has(key)) {
      let count = 0;
      for (const principal of data.principals) {
        const list = principal.by[state.candidate][kind];
        if (list !== null && data.lists[list]) count += data.lists[list].length;
      }
      listed.set(key, count >= candidate().review[kind]);
    }
    return listed.get(key);
  }

  function nameItems(names) {
    return el("ul", { class: "names" }, names.map((name) => el("li", null, logged(name))));
  }

  function byService(names) {
    const services = new Map();
    for (const name of names) {
      const service = name.split(":")[0];
      if (!services.has(service)) services.set(service, []);
      services.get(service).push(name);
    }
    return [...services].sort((a, b) => b[1].length - a[1].length);
  }

  function drawReview() {
    const { review } = candidate();
    fill(byId("review-lede"), "What ", logged(candidate().name),
      " grants, against what was used in the window. One row is one action of one principal. " + RARE,
      data.sentences.review.map((words) => [" ", words]));
    const row = (words, value, meaning) => el("tr", null, el("th", { scope: "row" }, words),
      el("td", { class: "num" + (value ? " hot" : " zero") }, number(value)), el("td", { class: "soft" }, meaning));
    const totals = el("table", null, el("thead", null, el("tr", null, el("th", { scope: "col" }, "Kind"),
      el("th", { scope: "col", class: "num" }, "Actions"), el("th", { scope: "col" }, "Meaning"))),
      el("tbody", null,
        row("Granted and never used", review.unused, "could be taken away; look at the coverage first"),
        row("Rarely used", review.rare, "ask before taking it away"),
        row("Used and lost", review.no_longer_granted, "this candidate takes it away"),
        row("Granted and not observable", review.not_observable, "the log could never show its use")));
    fill(byId("review-body"), el("div", { class: "pair" },
      el("div", null, totals, el("p", { class: "left-out" }, el("code", null, "actions.parquet"),
        " has every one of them; a principal's own stand in its drawer.")),
      mostUnused()));
  }

  function mostUnused() {
    const list = [];
    data.principals.forEach((principal, index) => {
      const ref = principal.by[state.candidate].unused;
      if (ref !== null && data.lists[ref].length) list.push([index, data.lists[ref].length, (principal.used || []).length,
        principal.used === null]);
    });
    list.sort((a, b) => b[1] - a[1]);
    if (!list.length) return null;
    return el("div", null, el("table", null, el("thead", null, el("tr", null, el("th", { scope: "col" }, "Most granted and never used"),
      el("th", { scope: "col", class: "num" }, "Never used"), el("th", { scope: "col", class: "num" }, "Used"))),
      el("tbody", null, list.slice(0, 8).map(([index, unused, used, left]) => el("tr", null,
        el("th", { scope: "row" }, principalLink(index)), countCell(unused),
          left ? el("td", { class: "num soft" }, "not here") : countCell(used))))),
    list.length > 8 && el("p", { class: "left-out" }, "and " + plural(list.length - 8, "more principal") + "."));
  }

  function principalLink(index) {
    const principal = data.principals[index];
    const link = el("button", { type: "button", class: "link", "aria-haspopup": "dialog" },
      logged(nameOf(principal)), " ", el("span", { class: "soft" }, "(",
      logged(text(principal.account) || "unknown account"), ")"));
    link.addEventListener("click", () => openDrawer(index, link));
    return link;
  }

  // --- Coverage ------------------------------------------------------------------------------------------------------

  function eachRun(runs, visit) {
    let at = 0;
    for (let place = 0; place + 1 < runs.length; place += 2) {
      visit(at, runs[place + 1], runs[place]);
      at += runs[place + 1];
    }
  }

  function bucketsOf(runs, days, size) {
    const buckets = Array.from({ length: Math.ceil(days / size) }, (_, at) => ({ from: at * size, days: Math.min(size, days - at * size),
      events: 0, empty: 0 }));
    eachRun(runs, (from, length, value) => {
      for (let at = from; at < Math.min(from + length, days); at += 1) {
        const bucket = buckets[Math.floor(at / size)];
        bucket.events += value;
        if (value === 0) bucket.empty += 1;
      }
    });
    return buckets;
  }

  function drawCoverage() {
    const { first, days, rows, more_rows: left } = data.coverage;
    fill(byId("coverage-sentence"), logged(stop(sentence(data.sentences.coverage))));
    fill(byId("coverage-left-out"), left > 0 && [plural(left, "more pair"), " of account and region ", left === 1 ? "is" : "are",
      " not on this page: ", el("code", null, "coverage.parquet"), " has all of them."]);
    byId("gaps").hidden = !rows.length;
    if (!rows.length || !days) return fill(byId("heat"), el("p", { class: "empty" }, "The log has no event in any account and region."));
    const size = days > 180 ? 7 : 1;
    const all = rows.map((row) => ({ account: text(row[0]), region: text(row[1]), total: row[3], runs: row[2],
      buckets: bucketsOf(row[2], days, size) }))
      .sort((a, b) => order(a.account, b.account) || b.total - a.total);
    const most = Math.max(1, ...all.map((row) => Math.max(...row.buckets.map((bucket) => bucket.events))));
    const limits = [0.25, 0.5, 0.75].map((power) => Math.floor(most ** power));
    drawLegend(limits, most, size);
    const head = el("tr", null, el("th", { scope: "col", class: "place" }, "Account and region"),
      el("th", { scope: "col", class: "days" }, el("span", { class: "hidden" }, size === 7 ? "Weeks" : "Days"), axis(first, days)),
      el("th", { scope: "col", class: "num stat" }, "Days"), el("th", { scope: "col", class: "num stat" }, "Events"));
    fill(byId("heat"), el("table", { "aria-labelledby": "coverage-title" }, el("thead", null, head),
      el("tbody", null, all.map((row) => heatRow(row, first, days, size, limits)))));
    byId("gaps").addEventListener("toggle", () => {
      if (byId("gaps").open && !byId("gaps-body").childElementCount) drawGaps(all, first, days);
    });
    return undefined;
  }

  function order(a, b) {
    const left = a || "\uffff", right = b || "\uffff";
    return left < right ? -1 : left > right ? 1 : 0;
  }

  function drawLegend(limits, most, size) {
    const unit = size === 7 ? "week" : "day";
    const from = [1].concat(limits.map((limit) => limit + 1)), to = limits.concat(most);
    const cell = (name) => el("i", { class: "cell " + name, "aria-hidden": "true" });
    fill(byId("coverage-legend"), el("span", null, cell("gap"), "no event"),
      size === 7 && el("span", null, cell("l3 part"), "a week that has days without events"),
      from.map((low, at) => (low <= to[at] ? el("span", null, cell("l" + (at + 1)),
        low === to[at] ? number(low) : number(low) + " to " + number(to[at])) : null)),
      el("span", null, "events per account, region and " + unit + " (UTC)"));
  }

  function axis(first, days) {
    const place = el("div", { class: "axis", "aria-hidden": "true" });
    const marks = [];
    for (let at = 0; at < days; at += 1) {
      const when = new Date((first + at) * DAY * 1000);
      if (at === 0 || when.getUTCDate() === 1) marks.push([at, when]);
    }
    // The first mark gives way if the next month begins right after it.
    if (marks.length > 1 && (marks[1][0] - marks[0][0]) / days < 0.07) marks.shift();
    const every = Math.ceil(marks.length / 13);
    marks.filter((_, index) => index % every === 0).forEach(([at, when], index, list) => {
      const words = when.toLocaleString("en",
        { month: "short", timeZone: "UTC" }) + (index === 0 || when.getUTCMonth() === 0 ? " " + when.getUTCFullYear() : "");
      const mark = el("span", { class: list.length > 5 && index % 3 ? "minor" : null }, words);
      mark.style.insetInlineStart = (100 * at) / days + "%";
      if (at / days < 0.95 || index === 0) place.append(mark);
    });
    return place;
  }

  function heatRow(row, first, days, size, limits) {
    const seen = days - emptyDays(row.runs, days);
    const strip = el("div", { class: "strip", role: "img", "aria-label": number(seen) + " of " + plural(days,
      "day") + " with events; longest gap " + plural(longestGap(row.runs), "day") });
    for (const bucket of joined(row.buckets)) {
      const level = bucket.events === 0 ? "gap" : "l" + (1 + limits.filter((limit) => bucket.events > limit).length);
      const cell = el("i", { class: "cell " + level + (size > 1 && bucket.events && bucket.empty ? " part" : ""),
        title: bucketWords(bucket, first) });
      if (bucket.days !== size) cell.style.flexGrow = String(bucket.days / size);
      strip.append(cell);
    }
    return el("tr", null, el("th", { scope: "row", class: "place" }, el("b", null, logged(row.account || "unknown account")), " ",
      logged(row.region || "unknown region", { class: "soft" })),
      el("td", { class: "days" }, strip), el("td", { class: "num stat", "data-unit": "days" }, number(seen)),
        el("td", { class: "num stat", "data-unit": "events" }, number(row.total)));
  }

  /** Empty buckets that follow each other as one, so that a gap is one thing to the eye. */
  function joined(buckets) {
    const list = [];
    for (const bucket of buckets) {
      const last = list[list.length - 1];
      if (last && !last.events && !bucket.events) last.days += bucket.days;
      else list.push(Object.assign({}, bucket));
    }
    return list;
  }

  function bucketWords(bucket, first) {
    const from = day(first + bucket.from);
    const when = bucket.days > 1 ? from + " to " + day(first + bucket.from + bucket.days - 1) : from;
    if (!bucket.events) return when + ": no event";
    return when + ": " + plural(bucket.events, "event") + (bucket.empty && bucket.days > 1 ? ", " + plural(bucket.empty,
      "day") + " without" : "");
  }

  function gapsOf(runs, days) {
    const gaps = [];
    eachRun(runs, (from, length, value) => {
      if (value !== 0 || from >= days) return;
      const last = gaps[gaps.length - 1];
      if (last && last[0] + last[1] === from) last[1] += length;
      else gaps.push([from, length]);
    });
    return gaps;
  }

  function emptyDays(runs, days) {
    return gapsOf(runs, days).reduce((total, gap) => total + gap[1], 0);
  }

  function longestGap(runs) {
    return gapsOf(runs, Infinity).reduce((longest, gap) => Math.max(longest, gap[1]), 0);
  }

  function drawGaps(rows, first, days) {
    const LIMIT = 60;
    fill(byId("gaps-body"), el("dl", null, rows.map((row) => {
      const gaps = gapsOf(row.runs, days);
      const words = gaps.slice(0, LIMIT).map(([from,
        length]) => (length === 1 ? day(first + from) : day(first + from) + " to " + day(first + from + length - 1))).join(", ");
      return [el("dt", null, logged(row.account || "unknown account"), " ", logged(row.region || "unknown region")),
        el("dd", null, words || "no day without an event",
          gaps.length > LIMIT && " and " + number(gaps.length - LIMIT) + " more; coverage.parquet has all of them")];
    })));
  }

  // --- What was not judged, and how to read --------------------------------------------------------------------------

  function reasonTable(title, counts, words) {
    const list = Object.entries(counts).filter((entry) => entry[1] > 0).sort((a, b) => b[1] - a[1]);
    if (!list.length) return null;
    return el("table", null, el("thead", null, el("tr", null, el("th", { scope: "col" }, title),
      el("th", { scope: "col", class: "num" }, "Count"))),
      el("tbody", null, list.map(([reason, count]) => el("tr", null,
        el("th", { scope: "row" }, sentence(own(words, reason) || ""), own(words, reason) ? " " : null,
          el("code", { class: "soft" }, logged(reason))), countCell(count)))));
  }

  function drawNotJudged() {
    const { counts } = data;
    const kept = counts.events - counts.replayed;
    fill(byId("not-judged-lede"), plural(counts.records, "record") + " read: " + plural(counts.events,
      "event") + " kept, of which " + number(counts.replayed) + " were replayed and " + number(kept) + " were not.");
    const line = (words, value, meaning, level) => el("tr", null, el("th", { scope: "row", class: level && "sub" }, words),
      countCell(value), el("td", { class: "soft" }, meaning));
    const totals = el("table", null, el("thead", null, el("tr", null, el("th", { scope: "col" }, "Records"),
      el("th", { scope: "col", class: "num" }, "Count"), el("th", { scope: "col" }, "Meaning"))),
      el("tbody", null,
        line("Read", counts.records, "records in all files of the log"),
        line("Duplicates", counts.duplicates, "the same event again: counted once", true),
        line("Filtered", counts.filtered, "left out by a filter of the command", true),
        line("Skipped", counts.skipped, "could not be read", true),
        line("Events", counts.events, "what remains", true),
        line("Replayed", counts.replayed, "decided by the baseline and by every candidate"),
        line("Not replayed", kept, "no policy here can decide them"),
        counts.id_conflicts > 0 && line("Id conflicts", counts.id_conflicts, "different events with the same id: both are kept")));
    fill(byId("not-judged-body"), el("div", { class: "pair" }, totals,
      el("div", null, reasonTable("Why events were not replayed", counts.not_replayed, NOT_REPLAYED),
        reasonTable("Why records were skipped", data.skipped_by_reason, SKIPPED))));
  }

  function drawReading() {
    const glossary = (pairs) => el("dl", null, pairs.map(([term, meaning]) => [el("dt", null, term), el("dd", null, meaning)]));
    fill(byId("reading-body"),
      glossary(CHANGES.map((change, index) => [[sign(index), sentence(shortWords(index))], sentence(change.meaning) + "."])),
      glossary([
        ["Baseline", data.baseline === "logged"
          ? "What the log itself shows: calls that succeeded were allowed." : "The policies that are in force now."],
        ["Candidate", "The policies that are about to be shipped."],
        ["Request", "The same principal, action, resource, region, outcome, and the same answers to all conditions that the policies ask."],
        ["Residual", "The condition under which an uncertain request is allowed."],
        ["Not reliable", "More than 1 % of the judged events of the principal contradict the baseline."],
        ["Times", "All days and times are UTC."],
        ["More", [el("code", null, "retrial explain REPORT --change ID"), " says everything about one row; ", el("code", null, "REPORT"),
          " is the folder of this page."]],
      ]));
    fill(byId("foot"), logged(data.tool), ". This page loads nothing and sends nothing; all of its data is in the file.");
    const { rows, events } = data.more_rows;
    if (rows) byId("principals-left-out").after(el("p", { class: "left-out" }, plural(rows, "more row"),
      " of changes (" + plural(events, "event") + ") " + (rows === 1 ? "is" : "are") + " not on this page: ",
      el("code", null, "changes.parquet"), " has all of them."));
  }

  // --- Theme, address, keys ------------------------------------------------------------------------------------------

  const wantsDark = matchMedia("(prefers-color-scheme: dark)");
  let theme = null;

  function stored() {
    try {
      return localStorage.getItem("retrial-theme");
    } catch {
      return null;
    }
  }

  function store(value) {
    try {
      if (value) localStorage.setItem("retrial-theme", value);
      else localStorage.removeItem("retrial-theme");
    } catch {
      // Without storage the choice holds until the page is closed.
    }
  }

  function applyTheme(value) {
    theme = value === "dark" || value === "light" ? value : null;
    if (theme) document.documentElement.setAttribute("data-theme", theme);
    else document.documentElement.removeAttribute("data-theme");
    byId("theme").textContent = isDark() ? "Light theme" : "Dark theme";
  }

  function isDark() {
    return theme ? theme === "dark" : wantsDark.matches;
  }

  function toggleTheme() {
    const next = isDark() ? "light" : "dark";
    const value = (next === "dark") === wantsDark.matches ? null : next;
    store(value);
    applyTheme(value);
  }

  function writeHash() {
    const parts = new URLSearchParams();
    if (data.candidates.length > 1) parts.set("candidate", candidate().name);
    if (state.principal !== null) {
      const arn = text(data.principals[state.principal].arn);
      parts.set("principal", arn === null ? "#" + state.principal : arn);
    }
    try {
      history.replaceState(null, "", "#" + parts.toString());
    } catch {
      // Some browsers do not let a file change its address: only the link is lost.
    }
  }

  function readHash() {
    if (!location.hash.includes("=")) return;
    const parts = new URLSearchParams(location.hash.slice(1));
    const index = data.candidates.findIndex((one) => one.name === parts.get("candidate"));
    if (index >= 0 && index !== state.candidate) {
      state.candidate = index;
      drawCandidate();
    }
    const wanted = parts.get("principal");
    if (wanted === null) {
      closeDrawer();
      return;
    }
    const found = data.principals.findIndex((principal, at) => (principal.arn === null ? "#" + at : texts[principal.arn]) === wanted);
    if (found >= 0 && found !== state.principal) openDrawer(found, null);
  }

  function isTyping(target) {
    return target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
  }

  function listen() {
    let waiting = 0;
    byId("search").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        state.search = byId("search").value;
        drawPrincipals();
      }, 80);
    });
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    for (const [id, key] of [["filter-change", "change"], ["filter-account", "account"], ["filter-type", "type"]]) {
      byId(id).addEventListener("change", () => {
        state[key] = byId(id).value;
        drawPrincipals();
      });
    }
    byId("sort-by").addEventListener("change", () => {
      const column = COLUMNS.find((one) => one.key === byId("sort-by").value);
      sortBy(column.key, Boolean(column.numeric));
      drawPrincipals();
    });
    byId("reset").addEventListener("click", () => {
      Object.assign(state, { search: "", change: "all", account: "", type: "" });
      syncFilters();
      drawPrincipals();
      byId("search").focus();
    });
    byId("theme").addEventListener("click", toggleTheme);
    wantsDark.addEventListener("change", () => applyTheme(theme));
    byId("drawer-close").addEventListener("click", closeDrawer);
    drawer.addEventListener("cancel", (event) => {
      event.preventDefault();
      closeDrawer();
    });
    drawer.addEventListener("keydown", trap);
    drawer.addEventListener("click", (event) => event.target === drawer && closeDrawer());
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || drawer.open || isTyping(event.target)) return;
      event.preventDefault();
      byId("search").focus();
    });
    addEventListener("hashchange", readHash);
    addEventListener("beforeprint", drawPrint);
    addEventListener("afterprint", () => byId("principals-print").replaceChildren());
  }

  prepare();
  applyTheme(stored());
  drawSwitch();
  drawCandidate();
  drawCoverage();
  drawNotJudged();
  drawReading();
  listen();
  readHash();
}());
