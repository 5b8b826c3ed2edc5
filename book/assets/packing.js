// What the packing explorer and the LSTM's run share: a text packed as PyTorch
// packs it, and its layouts drawn. packing.css has the look.
"use strict";

const packing = (() => {
  // --- the batch -----------------------------------------------------------

  const MOST = 200; // documents, and words of each

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
  const some = (list, most) => {
    const shown = list.slice(0, most).join(", ");
    const rest = list.length - most;
    return rest > 0 ? `${shown}, ... ${comma(rest)} more` : shown;
  };

  const brief = (word) => {
    const letters = [...word.slice(0, 80)].slice(0, 40).join("");
    return letters === word ? word : `${letters}…`;
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

  // --- the drawings --------------------------------------------------------

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
  const OWNED = 44; // a cell with the name of its document
  const WIDE = 110;
  const GAP = 8;

  // A larger batch is drawn without its words: a bar a row.
  const isSmall = ({ rows, steps }) => rows <= 20 && steps <= 24;

  const pen = document.createElement("canvas").getContext("2d");
  // Texts are measured in the font that this element has.
  const setFont = (element) =>
    (pen.font = `14px ${getComputedStyle(element).fontFamily}`);
  const widthOf = (text) => pen.measureText(text).width;
  const shorten = (word, width) => {
    if (widthOf(word) <= width) return word;
    const letters = [...word];
    while (letters.length > 1 && widthOf(`${letters.join("")}…`) > width)
      letters.pop();
    return `${letters.join("")}…`;
  };

  // A document's colour is the one that the figures give its row.
  const COLOURS = 5;
  const colour = (doc) => `--doc: var(--pe-doc-${doc % COLOURS})`;

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
      const least = grid.ids ? OWNED : NARROW;
      wide = Math.round(Math.min(WIDE, Math.max(least, widest + 12)));
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
    const cell = draw("g", { style: colour(token[0]) }, box);
    const word = shorten(shownWord(batch, grid, token), wide - 8);
    const [center, middle] = [left + wide / 2, top + high / 2];
    const line = middle + (grid.number ? 4 : grid.ids ? -6 : 0);
    cell.append(draw("text", { class: "pe-word", x: center, y: line }, word));
    if (grid.ids) {
      const under = { class: "pe-owner", x: center, y: middle + 8 };
      cell.append(draw("text", under, `seq ${token[0]}`));
    }
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
      const style = colour(doc);
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
    const under =
      grid.foot && words
        ? [name("pe-seq pe-size", left - 6, below, "batch_sizes")]
        : [];
    return { seqs, under, others };
  };

  const drawGrid = (grid, batch, room) => {
    const size = measure(grid, batch, room);
    const { words, left, wide, high, x, right, bottom } = size;
    const { seqs, under, others } = drawNames(grid, batch, size);
    const past = draw("rect", { class: "pe-past", x: left, y: LINE });
    const now = draw("rect", { class: "pe-now", y: LINE - 1, rx: 4 });
    const picture = draw("g", { "aria-hidden": "true" }, ...others);
    picture.append(...(words ? drawWords : drawBars)(grid, batch, size));
    picture.append(past, now);
    const height = bottom + (words && (grid.foot || !grid.seq) ? LINE + 4 : 8);
    const width = right + (words ? 2 : LINE);
    const svg = draw("svg", { width, height }, picture);
    // The rows' names are a drawing of their own over the left of the other,
    // so that they stay in view when that is scrolled.
    const names = draw(
      "svg",
      {
        class: "pe-names",
        width: left - 2,
        height,
        style: `margin-right: ${2 - left}px`,
        "aria-hidden": "true",
      },
      ...seqs,
      ...under,
    );

    return {
      grid,
      size,
      parts: seqs.length ? [svg, names] : [svg],
      svg,
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

  return {
    MOST,
    LABEL,
    LINE,
    HIGH,
    GAP,
    pack,
    comma,
    count,
    some,
    brief,
    reading,
    makeGrids,
    set,
    draw,
    setFont,
    widthOf,
    isSmall,
    colour,
    drawGrid,
  };
})();
