// The packing explorer: a reader's own documents, padded, sorted and packed.
// Its numbers are PyTorch's: tests/site/browse_explorer.py compares them. What
// a reader types, or a link brings, goes into the page as text, never as HTML.
// book/_ext/packing_explorer.html has the elements that are filled in here.
"use strict";

(() => {
  const root = document.querySelector(".packing-explorer");
  if (!root) return;

  const DOCS = "on your mark\nget set\ngo";
  const MOST = 200; // documents, and words of each
  const LINK = 1_000_000; // letters; Firefox's addresses have 2 ** 20 at most

  // --- the batch -----------------------------------------------------------

  // Where Python's str.split cuts. JavaScript's \s also takes U+FEFF, and it
  // leaves out U+001C to U+001F and U+0085.
  const SPACE =
    /[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;
  const tokenize = (text) => text.split(SPACE).filter(Boolean);

  const running = (numbers) => {
    let sum = 0;
    return [0, ...numbers.map((number) => (sum += number))];
  };

  const pack = (text) => {
    const lines = text.split("\n");
    if (lines.at(-1) === "") lines.pop(); // a file ends with a line's end
    const all = lines.map(tokenize);
    const full = all.filter((words) => words.length);
    const docs = full.slice(0, MOST).map((words) => words.slice(0, MOST));
    const notes = {
      skipped: all.length - full.length,
      documents: full.length > MOST,
      words: full.slice(0, MOST).some((words) => words.length > MOST),
    };

    // Vocabulary.from_texts: 0 is the pad; no text can produce it.
    const numbers = new Map([
      ["<pad>", 1],
      ["<unk>", 1],
    ]);
    const ids = docs.map((words) =>
      words.map((word) => {
        if (!numbers.has(word)) numbers.set(word, numbers.size);
        return numbers.get(word);
      }),
    );

    // Longest first; sort keeps the order of ties.
    const lengths = docs.map((words) => words.length);
    const order = [...lengths.keys()].sort((a, b) => lengths[b] - lengths[a]);
    const back = [];
    order.forEach((doc, row) => (back[doc] = row));

    const rows = docs.length;
    const steps = rows ? lengths[order[0]] : 0;
    const sizes = [];
    const data = [];
    let alive = rows;
    for (let step = 0; step < steps; step++) {
      while (lengths[order[alive - 1]] <= step) alive--;
      sizes.push(alive);
      for (let row = 0; row < alive; row++) data.push(ids[order[row]][step]);
    }

    const cells = rows * steps;
    const tokens = data.length;
    return {
      docs,
      ids,
      lengths,
      order,
      back,
      rows,
      steps,
      sizes,
      data,
      cells,
      tokens,
      notes,
      starts: running(sizes),
      padding: cells ? (cells - tokens) / cells : 0,
      costs: {
        padded: [cells, rows * Math.max(0, steps - 1)],
        packed: [tokens, tokens - rows],
      },
    };
  };

  // --- words ---------------------------------------------------------------

  const comma = (number) => number.toLocaleString("en-US");
  const count = (number, noun) =>
    `${comma(number)} ${noun}${number === 1 ? "" : "s"}`;
  const tenth = new Intl.NumberFormat("en-US", {
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
    roundingMode: "halfEven", // as Python does
  });
  const percent = (share) => `${tenth.format(100 * share)}%`;
  const some = (list, most) => {
    const shown = list.slice(0, most).join(", ");
    const rest = list.length - most;
    return rest > 0 ? `${shown}, ... ${comma(rest)} more` : shown;
  };

  const brief = (word) => {
    const letters = [...word.slice(0, 80)].slice(0, 40).join("");
    return letters === word ? word : `${letters}…`;
  };

  const summary = ({ rows, tokens, cells, padding, notes }) => {
    const parts = [
      rows
        ? `${count(rows, "document")}, ${count(tokens, "word")}; padded ` +
          `${count(cells, "cell")}, ${percent(padding)} of them pads.`
        : "There is no document with a word in it.",
    ];
    if (notes.skipped)
      parts.push(
        `${count(notes.skipped, "line")} without a word left out: ` +
          "a PackedSequence cannot hold an empty sequence.",
      );
    if (notes.documents)
      parts.push(`Only the first ${MOST} documents are taken.`);
    if (notes.words)
      parts.push(`Only the first ${MOST} words of a document are taken.`);
    return parts.join(" ");
  };

  const reading = (batch, step) => {
    if (step === null)
      return (
        "Step plays how an LSTM reads the packed batch, one column at a " +
        "time."
      );
    const alive = batch.order.slice(0, batch.sizes[step]);
    const words = alive.map((doc) => brief(batch.docs[doc][step]));
    const gone = alive
      .filter((doc) => batch.lengths[doc] === step + 1)
      .map((doc) => `seq ${doc}`);
    const rows = alive.length > 1 ? `${alive.length} rows` : "row";
    const [drop, final] =
      gone.length > 1
        ? ["drop", "their states are final"]
        : ["drops", "its state is final"];
    return (
      `t=${step}: batch_sizes[${step}] is ${alive.length}. The LSTM reads ` +
      `${count(alive.length, "word")} (${some(words, 6)}) and updates the ` +
      `first ${rows} of its state. ` +
      (gone.length
        ? `Then ${some(gone, 6)} ${drop} out: ${final}.`
        : "No row drops out.")
    );
  };

  const places = ({ docs, ids, back, starts }, [doc, step]) =>
    `${brief(docs[doc][step])}: id ${ids[doc][step]}, word ${step} of seq ${doc}. ` +
    `padded[${doc}, ${step}], sorted[${back[doc]}, ${step}], ` +
    `packed column ${step} row ${back[doc]}, ` +
    `data[${starts[step] + back[doc]}].`;

  // --- the four drawings ---------------------------------------------------

  // A drawing is a grid. token(row, column) is the [doc, step] that stands in
  // a cell, place the way back; gaps counts those before a column; read gives
  // the columns of a step of the LSTM, from and to.
  const makeGrids = (batch) => {
    const { lengths, order, back, rows, steps, sizes, starts } = batch;
    const { cells, tokens } = batch;
    const stepOf = sizes.flatMap((size, step) => Array(size).fill(step));
    const known = (doc, step) => (step < lengths[doc] ? [doc, step] : null);
    const rectangle = { rows, columns: steps, head: (step) => `t=${step}` };
    const sorted = {
      ...rectangle,
      seq: (row) => order[row],
      token: (row, step) => known(order[row], step),
      place: ([doc, step]) => [back[doc], step],
      read: (step) => [step, step + 1],
    };
    return {
      padded: {
        ...rectangle,
        about: `${count(cells, "cell")}, ${count(cells - tokens, "pad")}`,
        pads: true,
        seq: (row) => row,
        token: known,
        place: (token) => token,
      },
      sorted: { ...sorted, about: "the longest first", pads: true },
      packed: {
        ...sorted,
        about: `${count(tokens, "cell")}, no pad`,
        foot: (step) => sizes[step],
        number: (row, step) => starts[step] + row,
        gaps: (step) => step,
      },
      data: {
        about: "the columns one behind the other, as ids",
        rows: 1,
        columns: tokens,
        ids: true,
        head: (k) => k,
        token: (_, k) =>
          k < tokens ? [order[k - starts[stepOf[k]]], stepOf[k]] : null,
        place: ([doc, step]) => [0, starts[step] + back[doc]],
        gaps: (k) => stepOf[k],
        read: (step) => [starts[step], starts[step + 1]],
      },
    };
  };

  const set = (element, attributes) => {
    for (const [key, value] of Object.entries(attributes))
      element.setAttribute(key, value);
  };
  const draw = (name, attributes, ...children) => {
    const space = "http://www.w3.org/2000/svg";
    const element = document.createElementNS(space, name);
    set(element, attributes);
    element.append(...children);
    return element;
  };

  // Pixels: the names of the rows, a line of text, a word's cell.
  const LABEL = 50;
  const FOOTED = 76;
  const LINE = 20;
  const HIGH = 34;
  const NARROW = 40;
  const WIDE = 110;
  const GAP = 8;

  // A larger batch is drawn without its words: a bar a row.
  const isSmall = ({ rows, steps }) => rows <= 20 && steps <= 24;

  const pen = document.createElement("canvas").getContext("2d");
  const widthOf = (text) => pen.measureText(text).width;
  const shorten = (word, width) => {
    if (widthOf(word) <= width) return word;
    const letters = [...word];
    while (letters.length > 1 && widthOf(`${letters.join("")}…`) > width)
      letters.pop();
    return `${letters.join("")}…`;
  };

  // The documents' colours run through three of the theme's.
  const colour = (doc, rows) => {
    const share = rows > 1 ? (200 * doc) / (rows - 1) : 100;
    const [from, to] =
      share <= 100 ? ["success", "primary"] : ["primary", "accent"];
    const part = (share <= 100 ? share : share - 100).toFixed(1);
    return (
      `--doc: color-mix(in oklab, var(--pst-color-${to}) ${part}%, ` +
      `var(--pst-color-${from}))`
    );
  };

  const HATCH = "url(#pe-hatch)";

  const shownWord = ({ docs, ids }, grid, [doc, step]) =>
    grid.ids ? String(ids[doc][step]) : brief(docs[doc][step]);

  // How large the cells are, and where they stand.
  const measure = (grid, batch, room) => {
    const words = isSmall(batch);
    const left = !grid.seq ? 8 : grid.foot && words ? FOOTED : LABEL;
    let wide = (room - left - LINE) / grid.columns;
    let high = LINE;
    if (words) {
      const texts = batch.order.flatMap((doc) =>
        batch.docs[doc].map((_, step) => shownWord(batch, grid, [doc, step])),
      );
      const widest = Math.max(...texts.map(widthOf));
      wide = Math.round(Math.min(WIDE, Math.max(NARROW, widest + 12)));
      high = HIGH;
    } else if (grid.seq) {
      wide = Math.min(12, Math.max(2, wide));
      high = Math.min(LINE, Math.max(2, 320 / grid.rows));
    }
    const gaps = (words && grid.gaps) || (() => 0);
    const x = (column) => left + column * wide + GAP * gaps(column);
    const y = (row) => LINE + row * high;
    const right = x(grid.columns - 1) + wide;
    return { words, left, wide, high, x, y, right, bottom: y(grid.rows) };
  };

  const drawCell = (grid, batch, { wide, high, x, y }, row, column) => {
    const token = grid.token(row, column);
    const [left, top] = [x(column), y(row)];
    const box = draw("rect", {
      class: token ? "pe-cell" : "pe-pad",
      fill: HATCH,
      x: left + 1.5,
      y: top + 1.5,
      width: wide - 3,
      height: high - 3,
      rx: 3,
    });
    if (!token) return draw("g", {}, box);
    const cell = draw("g", { style: colour(token[0], batch.rows) }, box);
    const word = shorten(shownWord(batch, grid, token), wide - 8);
    const middle = top + high / 2 + (grid.number ? 4 : 0);
    cell.append(
      draw("text", { class: "pe-word", x: left + wide / 2, y: middle }, word),
    );
    if (grid.number) {
      const corner = { class: "pe-number", x: left + 5, y: top + 9 };
      cell.append(draw("text", corner, grid.number(row, column)));
    }
    return cell;
  };

  const drawWords = (grid, batch, size) =>
    [...Array(grid.rows).keys()].map((row) => {
      const line = draw("g", { class: "pe-row" });
      for (let column = 0; column < grid.columns; column++)
        if (grid.pads || grid.token(row, column))
          line.append(drawCell(grid, batch, size, row, column));
      return line;
    });

  const drawBars = (grid, batch, { wide, high, x, y }) => {
    const bar = (kind, from, to, row, look) =>
      draw("rect", {
        class: kind,
        x: x(from),
        y: y(row),
        width: (to - from) * wide,
        height: high,
        ...look,
      });
    if (!grid.seq)
      return batch.sizes.map((_, step) =>
        bar("pe-step", ...grid.read(step), 0),
      );
    return [...Array(grid.rows).keys()].flatMap((row) => {
      const doc = grid.seq(row);
      const length = batch.lengths[doc];
      const style = colour(doc, batch.rows);
      return [
        bar("pe-bar", 0, length, row, { style }),
        ...(grid.pads && length < grid.columns
          ? [bar("pe-rest", length, grid.columns, row, { fill: HATCH })]
          : []),
      ];
    });
  };

  const drawNames = (grid, batch, { words, left, wide, high, ...size }) => {
    const { x, y, bottom } = size;
    const name = (kind, px, py, text) =>
      draw("text", { class: `pe-name ${kind}`, x: px, y: py }, text);
    const shown = (number, all) =>
      all ? [...Array(number).keys()] : [...new Set([0, number - 1])];
    const below = bottom + LINE / 2 + 2;
    const seqs = grid.seq
      ? shown(grid.rows, high >= 12).map((row) =>
          name("pe-seq", left - 6, y(row) + high / 2, `seq ${grid.seq(row)}`),
        )
      : [];
    const others = shown(grid.columns, words).flatMap((column) => {
      const middle = x(column) + wide / 2;
      return [
        name("", middle, LINE / 2, grid.head(column)),
        ...(grid.foot && words
          ? [name("pe-size", middle, below, grid.foot(column))]
          : []),
      ];
    });
    if (grid.foot && words)
      others.push(name("pe-seq pe-size", left - 6, below, "batch_sizes"));
    if (!grid.seq && words)
      batch.sizes.forEach((_, step) => {
        const [from, to] = grid.read(step);
        const [start, end] = [x(from) + 3, x(to - 1) + wide - 3];
        const line = `M${start} ${bottom + 3}H${end}`;
        others.push(
          draw("path", { class: "pe-bracket", d: line }),
          name("", (start + end) / 2, below + 1, `t=${step}`),
        );
      });
    return { seqs, others };
  };

  const drawGrid = (name, grid, batch, room) => {
    const size = measure(grid, batch, room);
    const { words, left, wide, high, x, y, right, bottom } = size;
    const { seqs, others } = drawNames(grid, batch, size);
    const past = draw("rect", { class: "pe-past", x: left, y: LINE });
    const now = draw("rect", { class: "pe-now", y: LINE - 1, rx: 4 });
    const picture = draw("g", { "aria-hidden": "true" }, ...seqs, ...others);
    picture.append(...(words ? drawWords : drawBars)(grid, batch, size));
    picture.append(past, now);
    // The one cell that the keyboard stands on; it moves.
    const mark = draw("rect", { class: "pe-mark", rx: 3 });
    const cell = draw("g", { role: "gridcell", tabindex: "0" }, mark);
    const line = draw("g", { role: "row" }, cell);
    const svg = draw(
      "svg",
      {
        width: right + (words ? 2 : LINE),
        height: bottom + (words && (grid.foot || !grid.seq) ? LINE + 4 : 8),
        role: "grid",
        "aria-label": `${name}: ${grid.about}`,
        "aria-rowcount": grid.rows,
        "aria-colcount": grid.columns,
      },
      picture,
      line,
    );

    return {
      grid,
      svg,
      cell,
      // The token under a point.
      at(px, py) {
        const row = Math.floor((py - LINE) / high);
        let column = Math.min(Math.floor((px - left) / wide), grid.columns - 1);
        while (column > 0 && x(column) > px) column--;
        const inside = row >= 0 && row < grid.rows && column >= 0;
        const over = inside && px <= x(column) + wide;
        return over ? grid.token(row, column) : null;
      },
      // Put the cell at a token; return where that is.
      show(token, marked) {
        const [row, column] = grid.place(token);
        set(line, { "aria-rowindex": row + 1 });
        set(cell, {
          "aria-colindex": column + 1,
          "aria-label": places(batch, token),
        });
        const width = Math.max(wide, 5);
        const height = Math.max(high, 5);
        const at = {
          x: x(column) - (width - wide) / 2,
          y: y(row) - (height - high) / 2,
          width,
          height,
        };
        set(mark, at);
        svg.classList.toggle("pe-marked", marked);
        return at;
      },
      // Frame the column that is read; return where that is.
      play(step) {
        if (!grid.read) return null;
        svg.classList.toggle("pe-playing", step !== null);
        const rows = step === null ? grid.rows : batch.sizes[step];
        seqs.forEach((text, i) => {
          const row = seqs.length === grid.rows ? i : i * (grid.rows - 1);
          text.classList.toggle("pe-gone", row >= rows);
        });
        if (step === null) return null;
        const [from, to] = grid.read(step);
        const start = x(from);
        const width = x(to - 1) + wide - start;
        const height = (grid.seq ? rows : 1) * high;
        set(past, { width: Math.max(0, start - left), height: bottom - LINE });
        set(now, { x: start - 1, width: width + 2, height: height + 2 });
        return { x: start, y: LINE, width, height: high };
      },
    };
  };

  // --- the page ------------------------------------------------------------

  const template = root.querySelector("template");
  root.classList.add("pe-live");
  set(root, { role: "group", "aria-label": "The packing explorer" });
  root.replaceChildren(template.content.cloneNode(true));
  const find = (selector) => root.querySelector(selector);
  const input = find("textarea");
  const status = find(".pe-status");
  const boxOf = (name) => find(`[data-layout=${name}] .pe-box`);

  let batch;
  let views = {}; // the four drawings by their names
  let token = null; // the word that is marked, as [doc, step]
  let step = null; // the column that is read
  let width = 0; // for which they were drawn

  const say = (text) => (status.textContent = text);

  // Scroll a drawing in its own box until a part of it is seen.
  const reveal = (name, part) => {
    const box = boxOf(name);
    const fit = (scroll, start, end, room) =>
      end > scroll + room ? end - room : Math.min(scroll, start);
    const right = part.x + part.width + GAP;
    const bottom = part.y + part.height + LINE;
    const left = part.x - LABEL;
    box.scrollLeft = fit(box.scrollLeft, left, right, box.clientWidth);
    box.scrollTop = fit(box.scrollTop, part.y - LINE, bottom, box.clientHeight);
  };

  const showToken = (next, from) => {
    token = next;
    find(".pe-where").textContent = token
      ? places(batch, token)
      : "Point at a word, or go to it with Tab and the arrow keys, to see " +
        "where it stands in each layout. Escape clears.";
    for (const [name, view] of Object.entries(views)) {
      const part = view.show(token ?? view.grid.token(0, 0), token !== null);
      if (token && name !== from) reveal(name, part);
    }
  };

  const showStep = (next) => {
    step = next;
    find(".pe-told").textContent = reading(batch, step);
    for (const [name, view] of Object.entries(views)) {
      const part = view.play(step);
      if (part) reveal(name, part);
    }
  };

  const showNumbers = () => {
    const fields = {
      data: batch.data,
      batch_sizes: batch.sizes,
      sorted_indices: batch.order,
      unsorted_indices: batch.back,
    };
    for (const [name, values] of Object.entries(fields)) {
      const field = find(`[data-field=${name}]`);
      field.textContent = `[${some(values, 40)}]`;
      field.dataset.values = values.join(" ");
    }
    for (const [name, counts] of Object.entries(batch.costs))
      find(`[data-cost=${name}]`)
        .querySelectorAll("td")
        .forEach((cell, i) => (cell.textContent = comma(counts[i])));
    find(".pe-padding").textContent = percent(batch.padding);
    find(".pe-padding").dataset.value = batch.padding;
    find("#pe-note").textContent = summary(batch);
  };

  const showLayouts = () => {
    const held = document.activeElement?.closest("[data-layout]");
    pen.font = `14px ${getComputedStyle(root).fontFamily}`;
    width = root.clientWidth;
    views = {};
    find(".pe-layouts").hidden = !batch.rows;
    for (const [name, grid] of Object.entries(makeGrids(batch))) {
      if (!batch.rows) continue;
      views[name] = drawGrid(name, grid, batch, width);
      find(`[data-layout=${name}] .pe-small`).textContent = grid.about;
      boxOf(name).replaceChildren(views[name].svg);
    }
    showToken(token);
    showStep(step);
    views[held?.dataset.layout]?.cell.focus();
  };

  const update = () => {
    batch = pack(input.value);
    token = step = null;
    find(".pe-copied").textContent = "";
    showNumbers();
    showLayouts();
  };
  const take = (text) => {
    input.value = text;
    update();
  };

  // --- the address ---------------------------------------------------------

  const link = () => `#${new URLSearchParams({ docs: input.value })}`;
  const carried = () => new URLSearchParams(location.hash.slice(1)).get("docs");
  const carry = () => {
    const hash = link();
    const kept = hash.length > LINK || input.value === DOCS;
    const bare = location.pathname + location.search;
    history.replaceState(history.state, "", kept ? bare : hash);
  };

  // A browser counts how often the address is changed, and a reader who
  // listens wants no word at each key: both wait for a pause.
  let pause;
  const later = () => {
    clearTimeout(pause);
    pause = setTimeout(() => {
      carry();
      say(find("#pe-note").textContent);
    }, 500);
  };

  // --- what the reader does ------------------------------------------------

  input.addEventListener("input", () => {
    update();
    later();
  });
  find(".pe-reset").addEventListener("click", () => {
    take(DOCS);
    later();
  });
  find(".pe-copy").addEventListener("click", async () => {
    carry();
    const hash = link();
    let said = "These documents are too long for a link.";
    if (hash.length <= LINK)
      try {
        await navigator.clipboard.writeText(location.href.split("#")[0] + hash);
        said = "The link is copied.";
      } catch {
        said = "Copy the page's address: it carries the documents.";
      }
    find(".pe-copied").textContent = said;
    say(said);
  });

  // Beyond the last step, and before the first, nothing is being read.
  const turn = (by) => {
    const states = batch.steps + 1;
    const now = step ?? batch.steps;
    const next = (now + by + states) % states;
    showStep(next === batch.steps ? null : next);
    say(find(".pe-told").textContent);
  };
  find(".pe-forward").addEventListener("click", () => turn(1));
  find(".pe-backward").addEventListener("click", () => turn(-1));

  const KEYS = {
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
  };
  // The word beside this one; a row that is too short gives its last.
  const neighbour = (grid, [row, column], key, whole) => {
    const last = (of) => {
      let at = grid.columns - 1;
      while (!grid.token(of, at)) at--;
      return at;
    };
    if (key === "Home") return grid.token(whole ? 0 : row, 0);
    if (key === "End") {
      const to = whole ? grid.rows - 1 : row;
      return grid.token(to, last(to));
    }
    const [down, over] = KEYS[key];
    const to = row + down;
    if (to < 0 || to >= grid.rows) return null;
    if (over) return column + over < 0 ? null : grid.token(to, column + over);
    return grid.token(to, Math.min(column, last(to)));
  };

  for (const name of ["padded", "sorted", "packed", "data"]) {
    const box = boxOf(name);
    const view = () => views[name];
    const under = (event) => {
      const frame = view().svg.getBoundingClientRect();
      return view().at(event.clientX - frame.x, event.clientY - frame.y);
    };
    box.addEventListener("pointermove", (event) => {
      const found = view() && under(event);
      if (found && String(found) !== String(token)) showToken(found, name);
    });
    // A finger that is lifted leaves its mark; a mouse that goes takes it.
    box.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse" && !box.matches(":focus-within"))
        showToken(null);
    });
    box.addEventListener("click", (event) => {
      const found = view() && under(event);
      if (!found) return;
      showToken(found, name);
      view().cell.focus({ preventScroll: true });
    });
    box.addEventListener("focusin", () => {
      showToken(token ?? view().grid.token(0, 0), name);
    });
    box.addEventListener("keydown", (event) => {
      const known = event.key in KEYS || ["Home", "End"].includes(event.key);
      if (!known || event.altKey || event.metaKey) return;
      event.preventDefault();
      const { grid, cell } = view();
      const at = grid.place(token ?? grid.token(0, 0));
      const next = neighbour(grid, at, event.key, event.ctrlKey);
      if (!next) return;
      showToken(next);
      // A cell that is focused anew is read aloud, and stands in view.
      cell.blur();
      cell.focus();
    });
  }
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    showToken(null);
    showStep(null);
  });

  addEventListener("hashchange", () => {
    const text = carried();
    if (text !== null && text !== input.value) take(text);
  });
  new ResizeObserver(() => {
    // Nothing is as wide as 0 but what is hidden.
    const now = root.clientWidth;
    if (now && now !== width && !isSmall(batch)) showLayouts();
  }).observe(root);

  const linked = carried();
  take(linked ?? DOCS);
  if (linked !== null) root.scrollIntoView({ behavior: "instant" });
})();
