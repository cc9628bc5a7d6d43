(() => {
  "use strict";

  const errors = (window.lrinterpErrors = []);
  window.addEventListener("error", (event) => errors.push(String(event.message)));
  window.addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));

  const FIRST_ROWS = 200;
  const SHEET = 680; // pixels across a sheet of paper; a wider figure is printed smaller
  const $ = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const byId = (id) => document.getElementById(id);

  /* Data */

  const blocks = new Map();

  function block(id) {
    if (!blocks.has(id)) blocks.set(id, JSON.parse(byId(id).textContent));
    return blocks.get(id);
  }

  const section = (name) => block(`${name}--data`);
  const pageData = () => block("page-data");

  function values(column) {
    if (!("f8" in column)) return column.values;
    const bytes = Uint8Array.from(atob(column.f8), (letter) => letter.charCodeAt(0));
    return Array.from(new Float64Array(bytes.buffer), (v) => (Number.isFinite(v) ? v : null));
  }

  function unpack(columns) {
    const data = columns.map(values);
    const length = data.length ? data[0].length : 0;
    return {
      names: columns.map((column) => column.name),
      numeric: data.map((one) => one.every((v) => v === null || typeof v === "number")),
      rows: Array.from({ length }, (_, k) => data.map((one) => one[k])),
    };
  }

  /* Downloads */

  function save(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  function quoted(value) {
    const text = value === null ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  function csv(columns) {
    const { names, rows } = unpack(columns);
    return [names, ...rows].map((row) => row.map(quoted).join(",") + "\r\n").join("");
  }

  function saveTable(name, key) {
    const data = section(name);
    save(`${key ? `${name}-${key}` : name}.csv`, "text/csv", csv(key ? data.figures[key].table : data.table));
  }

  function records(columns) {
    const { names, rows } = unpack(columns);
    return rows.map((row) => Object.fromEntries(row.map((value, k) => [names[k], value])));
  }

  function results() {
    const whole = structuredClone(pageData().document);
    for (const [name, entry] of Object.entries(whole.results)) {
      const table = section(name).table;
      if (table) entry.table = records(table);
    }
    return whole;
  }

  function saveJson(kind) {
    const text = kind === "results" ? JSON.stringify(results(), null, 1) + "\n" : pageData()[kind];
    save(`${kind}.json`, "application/json", text);
  }

  /* Theme: the system's until the reader chooses; nothing is stored */

  const modes = ["system", "light", "dark"];
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  let mode = "system";
  let printing = false;

  function shade() {
    if (printing) return "light";
    return mode === "system" ? (systemDark.matches ? "dark" : "light") : mode;
  }

  function setMode(next) {
    mode = next;
    if (mode === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = mode;
    byId("theme").textContent = `Theme: ${mode}`;
    redraw();
  }

  function swapped(value, colors) {
    if (typeof value === "string") return colors.get(value) ?? value;
    if (Array.isArray(value)) return value.map((one) => swapped(one, colors));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, swapped(v, colors)]));
  }

  function themed(drawing) {
    const { light, dark } = pageData().theme;
    const theme = shade() === "dark" ? dark : light;
    const colors = new Map(Object.keys(light.colors).map((k) => [light.colors[k], theme.colors[k]]));
    const { data, layout } = swapped({ data: drawing.data, layout: drawing.layout }, colors);
    return { data, layout: { ...layout, autosize: true, template: { layout: theme.layout } } };
  }

  /* Figures */

  const config = {
    displaylogo: false,
    responsive: true,
    plotlyServerURL: "",
    showSendToCloud: false,
    showEditInChartStudio: false,
    modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
  };

  const drawingOf = (plot) => section(plot.dataset.section).figures[plot.dataset.key];

  const number = (axis) => Number(axis.replace(/\D/g, "") || 1);

  /* The same panels in fewer columns; sizes are in pixels, [across, down]. */
  function regridded(layout, columns) {
    const { panel, gap, size } = layout.meta.grid;
    const axes = Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key));
    const count = Math.max(...axes.map(number));
    const rows = Math.ceil(count / columns);
    const inner = [columns, rows].map((n, k) => n * panel[k] + (n - 1) * gap[k]);
    const least = layout.meta.least - size[0] + inner[0];
    const next = { ...layout, height: layout.height - size[1] + inner[1] };
    next.meta = { ...layout.meta, least };
    for (const key of axes) {
      const k = number(key) - 1;
      const [column, row] = [k % columns, Math.floor(k / columns)];
      const left = (column * (panel[0] + gap[0])) / inner[0];
      const top = 1 - (row * (panel[1] + gap[1])) / inner[1];
      next[key] =
        key[0] === "x"
          ? { ...layout[key], domain: [left, left + panel[0] / inner[0]] }
          : { ...layout[key], domain: [Math.max(0, top - panel[1] / inner[1]), top] };
      if (key[0] === "y") {
        const title = column === 0 ? layout.yaxis.title : undefined;
        Object.assign(next[key], { showticklabels: column === 0, title });
      }
    }
    return next;
  }

  function suited(plot, layout) {
    const { least, grid } = layout.meta ?? {};
    if (printing || !grid || plot.parentElement.clientWidth >= least) return layout;
    const room = plot.parentElement.clientWidth - (least - grid.size[0]);
    const columns = Math.floor((room + grid.gap[0]) / (grid.panel[0] + grid.gap[0]));
    return columns < grid.columns ? regridded(layout, Math.max(1, columns)) : layout;
  }

  function fit(plot, layout) {
    const { least, most } = layout.meta ?? {};
    if (least) plot.style.minWidth = `${least}px`;
    if (most) plot.style.maxWidth = `${Math.max(least ?? 0, most)}px`;
    if (layout.height) Object.assign(plot.style, { height: `${layout.height}px`, minHeight: 0 });
    plot.style.width = printing ? `${Math.max(least ?? 0, SHEET)}px` : "";
    plot.style.zoom = printing ? Math.min(1, SHEET / (least ?? SHEET)) : "";
  }

  function reachable(box) {
    const scrolls = box.scrollWidth > box.clientWidth + 1;
    if (scrolls) Object.assign(box, { tabIndex: 0, role: "group", ariaLabel: "Scrolls sideways" });
    else ["tabindex", "role", "aria-label"].forEach((name) => box.removeAttribute(name));
  }

  function draw(plot) {
    const drawing = drawingOf(plot);
    if (drawing.component) {
      if (plot.dataset.drawn) return;
      plot.classList.add("attention");
      CircuitsVis.render(plot.id, CircuitsVis[drawing.component], drawing.props);
    } else {
      const { data, layout } = themed({ ...drawing, layout: suited(plot, drawing.layout) });
      fit(plot, layout);
      Plotly.react(plot, data, layout, config);
    }
    plot.dataset.drawn = "true";
    reachable(plot.parentElement);
  }

  /* The room that a figure will take, so that nothing moves when it is drawn. */
  function reserve(plot) {
    const drawing = drawingOf(plot);
    if (!drawing.component) fit(plot, suited(plot, drawing.layout));
  }

  function attempt(plot) {
    try {
      draw(plot);
    } catch (error) {
      errors.push(`${plot.id}: ${error}`);
      plot.textContent = "This figure could not be drawn; its numbers are in the table.";
    }
  }

  const redraw = () => {
    document.documentElement.dataset.shade = shade();
    $(".plot[data-drawn]").forEach(attempt);
  };

  const nearby = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        nearby.unobserve(target);
        attempt(target);
      }
    },
    { rootMargin: "600px 0px" },
  );

  /* Tables */

  function element(tag, attributes = {}, children = []) {
    const node = Object.assign(document.createElement(tag), attributes);
    node.append(...children);
    return node;
  }

  function shown(value) {
    if (value === null) return "–";
    if (typeof value !== "number" || Number.isInteger(value)) return String(value);
    return String(Number(value.toPrecision(4))).replaceAll("-", "−");
  }

  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  }

  function ordered(rows, column, direction) {
    const known = rows.filter((row) => row[column] !== null);
    const blank = rows.filter((row) => row[column] === null);
    return [...known.sort((a, b) => direction * compare(a[column], b[column])), ...blank];
  }

  function fill(body, table, count) {
    const cell = (value, k) =>
      element("td", { className: table.numeric[k] ? "number" : "", textContent: shown(value) });
    const rows = table.rows.slice(0, count).map((row) => element("tr", {}, row.map(cell)));
    body.replaceChildren(...rows);
  }

  function heading(table, k, onSort) {
    const button = element("button", { type: "button", textContent: table.names[k] });
    const cell = element("th", { scope: "col", className: table.numeric[k] ? "number" : "" }, [button]);
    button.addEventListener("click", () => {
      const ascending = cell.getAttribute("aria-sort") !== "ascending";
      $("th", cell.parentElement).forEach((one) => one.removeAttribute("aria-sort"));
      cell.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      onSort(k, ascending ? 1 : -1);
    });
    return cell;
  }

  function buildTable(fold) {
    const name = fold.dataset.section;
    const table = unpack(section(name).table);
    const body = element("tbody");
    let count = FIRST_ROWS;
    const sort = (k, direction) => {
      table.rows = ordered(table.rows, k, direction);
      fill(body, table, count);
    };
    const head = element("tr", {}, table.names.map((_, k) => heading(table, k, sort)));
    const download = element("button", { type: "button", className: "quiet", textContent: "CSV" });
    download.addEventListener("click", () => saveTable(name, ""));
    const tools = element("p", { className: "tools" }, [`${table.rows.length} rows`, download]);
    if (table.rows.length > count) tools.append(showAll(table, () => fill(body, table, (count = Infinity))));
    const grid = element("table", {}, [element("thead", {}, [head]), body]);
    const scroll = element("div", { className: "scroll", tabIndex: 0, role: "group", ariaLabel: "Table" }, [grid]);
    fill(body, table, count);
    fold.append(tools, scroll);
  }

  function showAll(table, act) {
    const text = `Show all (now the first ${FIRST_ROWS})`;
    const button = element("button", { type: "button", className: "quiet", textContent: text });
    button.addEventListener("click", () => {
      act();
      button.remove();
    });
    return button;
  }

  /* Contents */

  const wide = matchMedia("(min-width: 70rem)");
  const contents = $("nav details")[0];
  const links = $("nav a");
  const sections = $("main > section");

  function follow() {
    const line = innerHeight * 0.35;
    const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 4;
    const passed = sections.filter((one) => one.getBoundingClientRect().top <= line).length;
    const current = atEnd ? sections.length - 1 : Math.max(0, passed - 1);
    links.forEach((link, k) => {
      if (k === current) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
    $("summary", contents)[0].textContent = wide.matches ? "Contents" : `Contents · ${links[current].textContent}`;
  }

  const settle = () => (contents.open = wide.matches);

  /* Begin */

  let queued = false;
  function soon() {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => {
      queued = false;
      follow();
    });
  }

  $(".plot").forEach(reserve);
  $(".plot").forEach((plot) => nearby.observe(plot));
  $("details.table").forEach((fold) =>
    fold.addEventListener("toggle", () => buildTable(fold), { once: true }),
  );
  $("button[data-csv]").forEach((button) =>
    button.addEventListener("click", () => saveTable(button.dataset.csv, button.dataset.key)),
  );
  $("button[data-json]").forEach((button) =>
    button.addEventListener("click", () => saveJson(button.dataset.json)),
  );
  byId("theme").addEventListener("click", () => setMode(modes[(modes.indexOf(mode) + 1) % modes.length]));
  systemDark.addEventListener("change", () => mode === "system" && redraw());
  links.forEach((link) => link.addEventListener("click", settle));
  wide.addEventListener("change", settle);
  addEventListener("scroll", soon, { passive: true });
  let width = innerWidth;
  addEventListener("resize", () => {
    soon();
    if (innerWidth !== width) {
      $(".plot:not([data-drawn])").forEach(reserve);
      redraw();
    }
    width = innerWidth;
    $(".box").forEach(reachable);
  });
  addEventListener("beforeprint", () => {
    printing = true;
    document.documentElement.dataset.shade = shade();
    $(".plot").forEach(attempt);
  });
  addEventListener("afterprint", () => {
    printing = false;
    redraw();
  });
  settle();
  redraw();
  if (location.hash) byId(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  follow();
})();
