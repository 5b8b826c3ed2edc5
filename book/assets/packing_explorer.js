// The packing explorer: a reader's own documents, padded, sorted and packed.
// Its numbers are PyTorch's: tests/site/browse_explorer.py compares them. What
// a reader types, or a link brings, goes into the page as text, never as HTML.
// book/_ext/packing_explorer.html has the elements that are filled in here;
// packing.js packs and draws.
"use strict";

(() => {
  const root = document.querySelector(".packing-explorer");
  if (!root) return;

  const { MOST, LINE, GAP, pack, comma, count, some, brief } = packing;
  const { reading, makeGrids, set, draw, setFont, isSmall, drawGrid } = packing;

  const DOCS = "on your mark\nget set\ngo";
  const SAMPLE = 24;
  const LINK = 1_000_000; // letters; Firefox's addresses have 2 ** 20 at most

  // --- words ---------------------------------------------------------------

  const tenth = new Intl.NumberFormat("en-US", {
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
    roundingMode: "halfEven", // as Python does
  });
  const percent = (share) => `${tenth.format(100 * share)}%`;
  const summary = ({ rows, tokens, cells, padding, notes }) => {
    const parts = [
      rows
        ? `${count(rows, "document")}, ${count(tokens, "word")}; padded ` +
          `${count(cells, "cell")}, ${percent(padding)} of them pads.`
        : "There is no document with a word in it: type one to see it packed.",
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

  const places = ({ docs, ids, back, starts }, [doc, step]) =>
    `${brief(docs[doc][step])}: id ${ids[doc][step]}, word ${step} of seq ${doc}. ` +
    `padded[${doc}, ${step}], sorted[${back[doc]}, ${step}], ` +
    `packed column ${step} row ${back[doc]}, ` +
    `data[${starts[step] + back[doc]}].`;

  // --- the drawings --------------------------------------------------------

  // A drawing whose words can be pointed at, and reached by keyboard.
  const drawLayout = (name, grid, batch, room) => {
    const drawing = drawGrid(grid, batch, room);
    const { left, wide, high, x, y } = drawing.size;
    const { svg } = drawing;
    // The one cell that the keyboard stands on; it moves.
    const mark = draw("rect", { class: "pe-mark", rx: 3 });
    const cell = draw("g", { role: "gridcell", tabindex: "0" }, mark);
    const line = draw("g", { role: "row" }, cell);
    svg.append(line);
    set(svg, {
      role: "grid",
      "aria-label": `${name}: ${grid.about}`,
      "aria-rowcount": grid.rows,
      "aria-colcount": grid.columns,
    });

    return {
      ...drawing,
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
  const note = find("#pe-note");
  const told = find(".pe-told");
  const copied = find(".pe-copied");
  const OPENS = copied.textContent; // what stands there until it is copied
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
    const left = part.x - views[name].size.left;
    box.scrollLeft = fit(box.scrollLeft, left, right, box.clientWidth);
    box.scrollTop = fit(box.scrollTop, part.y - LINE, bottom, box.clientHeight);
  };

  const showToken = (next, from) => {
    token = next;
    find(".pe-where").textContent = !batch.rows
      ? ""
      : token
      ? places(batch, token)
      : "Point at a word, or go to it with Tab and the arrow keys, to see " +
        "where it stands in each layout. Escape clears.";
    for (const [name, view] of Object.entries(views)) {
      const part = view.show(token ?? view.grid.token(0, 0), token !== null);
      if (token && name !== from) reveal(name, part);
    }
  };

  const tell = (at) =>
    batch.rows ? reading(batch, at) : "There is nothing to step through.";

  // The layouts stand below the sentence: it keeps the room of the longest,
  // so that they stay where they are from step to step. The sentences are
  // measured at once, one upon the other; of more than SAMPLE steps, some.
  const keepRoom = () => {
    const by = Math.ceil(batch.steps / SAMPLE);
    const steps = [...Array(batch.steps).keys()].filter((at) => at % by === 0);
    const probe = document.createElement("p");
    probe.className = "pe-probe";
    for (const at of [null, ...steps]) {
      const sentence = document.createElement("span");
      sentence.textContent = tell(at);
      probe.append(sentence);
    }
    told.after(probe);
    told.style.minHeight = getComputedStyle(probe).height;
    probe.remove();
  };

  const showStep = (next) => {
    step = next;
    told.textContent = tell(step);
    const last = batch.rows && step === batch.steps - 1;
    find(".pe-forward").textContent = last ? "Start over" : "Step";
    // A button that is disabled in earnest would lose the focus.
    for (const button of [find(".pe-forward"), find(".pe-backward")])
      set(button, { "aria-disabled": !batch.rows });
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
    note.textContent = summary(batch);
  };

  const showLayouts = () => {
    const held = document.activeElement?.closest("[data-layout]");
    setFont(root);
    width = note.clientWidth;
    views = {};
    find(".pe-layouts").hidden = !batch.rows;
    for (const [name, grid] of Object.entries(makeGrids(batch))) {
      if (!batch.rows) continue;
      views[name] = drawLayout(name, grid, batch, width);
      find(`[data-layout=${name}] .pe-small`).textContent = grid.about;
      boxOf(name).replaceChildren(...views[name].parts);
    }
    keepRoom();
    showToken(token);
    showStep(step);
    views[held?.dataset.layout]?.cell.focus();
  };

  const update = () => {
    batch = pack(input.value);
    token = step = null;
    copied.textContent = OPENS;
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
  let pause = null;
  const later = () => {
    clearTimeout(pause);
    pause = setTimeout(() => {
      settle();
      say(note.textContent);
    }, 500);
  };
  // What is said next must not be overtaken by what waits.
  const settle = () => {
    if (pause !== null) {
      clearTimeout(pause);
      pause = null;
      carry();
    }
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
    copied.textContent = said;
    say(said);
  });

  // Beyond the last step, and before the first, nothing is being read.
  const turn = (by) => {
    if (!batch.rows) return;
    const states = batch.steps + 1;
    const now = step ?? batch.steps;
    const next = (now + by + states) % states;
    showStep(next === batch.steps ? null : next);
    settle();
    say(told.textContent);
  };
  find(".pe-forward").addEventListener("click", () => turn(1));
  find(".pe-backward").addEventListener("click", () => turn(-1));

  // --- for a projector -----------------------------------------------------

  const steps = find(".pe-steps");
  const large = find(".pe-large");
  const isLarge = () => document.fullscreenElement === root;
  const zoom = () => {
    const whole = Math.min(innerWidth / 800, innerHeight / 430);
    root.style.zoom = isLarge() ? Math.max(1, whole) : "";
  };
  large.hidden = !document.fullscreenEnabled;
  large.addEventListener("click", async () => {
    try {
      if (isLarge()) await document.exitFullscreen();
      else await root.requestFullscreen();
    } catch {
      say("The browser does not let the explorer fill the screen.");
    }
  });
  let wasLarge = false;
  document.addEventListener("fullscreenchange", () => {
    if (isLarge() === wasLarge) return; // another element's
    wasLarge = isLarge();
    zoom();
    large.textContent = wasLarge ? "Small" : "Large";
    steps.scrollIntoView({ behavior: "instant" });
    say(
      wasLarge
        ? "The explorer fills the screen. Escape leaves it."
        : "The explorer stands in the page again.",
    );
  });
  addEventListener("resize", zoom);

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
      if (event.target.closest(".pe-names")) return null; // it hides words
      const { svg } = view();
      const frame = svg.getBoundingClientRect();
      const scale = svg.width.baseVal.value / frame.width; // 1, but if large
      const [px, py] = [event.clientX - frame.x, event.clientY - frame.y];
      return view().at(px * scale, py * scale);
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
    const now = note.clientWidth;
    if (!now || now === width) return;
    if (!isSmall(batch)) return showLayouts();
    width = now;
    keepRoom();
  }).observe(note); // what is done here leaves its size alone

  const linked = carried();
  take(linked ?? DOCS);
  if (linked !== null) root.scrollIntoView({ behavior: "instant" });
})();
