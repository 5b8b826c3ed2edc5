// A packed LSTM runs over the three documents, step by step: what it reads,
// which rows of its state change, and which are final and become h_n.
// tests/site/browse_lstm.py compares each step with PyTorch.
// book/_ext/lstm_run.html has the elements that are filled in here; packing.js
// packs and draws.
"use strict";

(() => {
  const root = document.querySelector(".lstm-run");
  if (!root) return;

  const { LABEL, LINE, HIGH, pack, count, reading, makeGrids } = packing;
  const { set, draw, setFont, widthOf, colour, drawGrid } = packing;

  const DOCS = ["on your mark", "get set", "go"];
  const MIXED = ["go", "on your mark", "get set"]; // as in the chapter
  const PAUSE = 2500; // milliseconds a step, to read its sentence
  const ARROW = 36; // pixels between the state and h_n

  // --- the run -------------------------------------------------------------

  // Places in the run: 0 is before the first step, and after place steps, the
  // last, h_n is returned. Row r of the state belongs to seq order[r].
  const stateAt = (batch, place) => {
    const read = Math.min(place, batch.steps);
    return batch.order.map((doc) => {
      const words = Math.min(read, batch.lengths[doc]);
      return {
        doc,
        text: batch.docs[doc].slice(0, words).join(" ") || "0",
        zero: words === 0,
        final: words === batch.lengths[doc],
        changed: place === read && words === read && read > 0,
      };
    });
  };

  const tell = (batch, place) => {
    if (place === 0)
      return (
        "Before the first step the state is zero. It has a row for each " +
        "document, the longest first."
      );
    if (place <= batch.steps) return reading(batch, place - 1);
    return (
      `${count(batch.tokens, "word")} read in ${count(batch.steps, "step")}, ` +
      "no pad. h_n has the final states in the order in which the documents " +
      "were given: its row i is row unsorted_indices[i] of the state, " +
      `[${batch.back.join(", ")}].`
    );
  };

  const describe = (rows) =>
    rows
      .map(
        ({ doc, text, zero, final }) =>
          `seq ${doc} ${zero ? "zero" : `after ${text}`}` +
          (final ? ", final" : ""),
      )
      .join("; ");

  // --- the state and h_n ---------------------------------------------------

  const drawState = (batch, place) => {
    const rows = stateAt(batch, place);
    const done = place > batch.steps;
    const alive = place && !done ? batch.sizes[place - 1] : 0;
    const wide = Math.ceil(
      Math.max(...batch.docs.map((words) => widthOf(words.join(" ")))) + 16,
    );
    const right = LABEL + wide + ARROW; // where h_n begins
    const y = (row) => LINE + row * HIGH;
    const bottom = y(batch.rows);
    const name = (kind, x, py, text) =>
      draw("text", { class: `pe-name ${kind}`, x, y: py }, text);
    const box = (kind, x, row) =>
      draw("rect", {
        class: kind,
        x: x + 1.5,
        y: y(row) + 1.5,
        width: wide - 3,
        height: HIGH - 3,
        rx: 3,
      });
    const word = (x, py, text) =>
      draw("text", { class: "pe-word", x: x + wide / 2, y: py }, text);

    const picture = draw("g", { "aria-hidden": "true" });
    picture.append(
      name("", LABEL + wide / 2, LINE / 2, "h, c"),
      name("", right + wide / 2, LINE / 2, "h_n"),
    );
    rows.forEach(({ doc, text, zero, final, changed }, row) => {
      const rest = place && !done && row >= alive;
      const middle = y(row) + HIGH / 2;
      const kind = `lr-row${final ? " lr-final" : ""}`;
      const line = draw("g", { class: kind, style: colour(doc) });
      line.dataset.seq = doc;
      const fresh = changed ? " lr-new" : "";
      line.append(
        name(rest ? "pe-seq pe-gone" : "pe-seq", LABEL - 6, middle, `seq ${doc}`),
        box(`${zero ? "lr-zero" : "pe-cell"}${fresh}`, LABEL, row),
        word(LABEL, middle + (final ? 5 : 0), text),
      );
      if (final) {
        const end = y(doc) + HIGH / 2;
        const from = LABEL + wide;
        line.append(
          name("pe-number", LABEL + 6, y(row) + 8, "final"),
          draw("path", {
            class: `lr-arrow${done ? " lr-moved" : ""}`,
            d:
              `M${from} ${middle}C${from + 18} ${middle} ${right - 24} ${end} ` +
              `${right - 4} ${end}m-5 -4l5 4l-5 4`,
          }),
        );
      }
      picture.append(line);
    });
    // The rows of h_n, in the order in which the documents were given.
    batch.docs.forEach((words, doc) => {
      const middle = y(doc) + HIGH / 2;
      const line = draw("g", { class: "lr-h", style: colour(doc) });
      line.append(
        box(done ? "pe-cell lr-new" : "lr-zero", right, doc),
        name("lr-right", right + wide + 6, middle, `seq ${doc}`),
      );
      if (done) line.append(word(right, middle, words.join(" ")));
      picture.append(line);
    });
    if (alive)
      picture.append(
        draw("rect", {
          class: "pe-now",
          x: LABEL - 1,
          y: LINE - 1,
          width: wide + 2,
          height: alive * HIGH + 2,
          rx: 4,
        }),
        name(
          "pe-size",
          LABEL + wide / 2,
          bottom + LINE / 2 + 2,
          `${alive} of ${count(batch.rows, "row")}`,
        ),
      );
    return draw(
      "svg",
      {
        class: alive ? "pe-playing" : "",
        width: right + wide + 44,
        height: bottom + LINE + 4,
        role: "img",
        "aria-label":
          `${done ? "h_n is returned; state" : "state"}: ${describe(rows)}`,
      },
      picture,
    );
  };

  // --- the page ------------------------------------------------------------

  // What stands there without scripts is what is printed.
  const template = root.querySelector("template");
  const still = document.createElement("div");
  still.className = "lr-still";
  still.append(...[...root.childNodes].filter((node) => node !== template));
  root.classList.add("pe-live");
  set(root, { role: "group", "aria-label": "The packed run, step by step" });
  root.replaceChildren(template.content.cloneNode(true), still);
  const find = (selector) => root.querySelector(selector);
  const range = find("[type=range]");
  const play = find(".lr-play");
  const boxOf = (name) => find(`[data-layout=${name}] .pe-box`);

  let batch;
  let packed; // its drawing
  let place = 0;
  let timer = null;

  const show = (next) => {
    place = next;
    const told = tell(batch, place);
    const step = place && place <= batch.steps ? place - 1 : null;
    packed.play(step);
    boxOf("packed").classList.toggle("lr-read", place > batch.steps);
    const column = step === null ? "" : `; column t=${step} is read`;
    set(packed.svg, { "aria-label": `${packed.grid.about}${column}` });
    boxOf("state").replaceChildren(drawState(batch, place));
    find(".pe-told").textContent = told;
    range.value = place;
    set(range, { "aria-valuetext": told });
    // A button that is disabled in earnest would lose the focus.
    set(find(".lr-backward"), { "aria-disabled": place === 0 });
    set(find(".lr-forward"), { "aria-disabled": place > batch.steps });
  };

  const take = (docs) => {
    batch = pack(docs.join("\n"));
    packed = drawGrid(makeGrids(batch).packed, batch, root.clientWidth);
    set(packed.svg, { role: "img" });
    boxOf("packed").replaceChildren(...packed.parts);
    range.max = batch.steps + 1;
    show(place);
  };

  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  };

  // A slider says its own value; the buttons need a voice.
  const turn = (next) => {
    if (next < 0 || next > batch.steps + 1) return;
    show(next);
    find(".pe-status").textContent = find(".pe-told").textContent;
    if (next > batch.steps) stop();
  };

  const start = () => {
    play.textContent = "Pause";
    timer = setInterval(() => turn(place + 1), PAUSE);
    turn(place > batch.steps ? 0 : place + 1);
  };

  // --- what the reader does ------------------------------------------------

  find(".lr-forward").addEventListener("click", () => {
    stop();
    turn(place + 1);
  });
  find(".lr-backward").addEventListener("click", () => {
    stop();
    turn(place - 1);
  });
  play.addEventListener("click", () => (timer === null ? start() : stop()));
  range.addEventListener("input", () => {
    stop();
    show(Number(range.value));
  });
  find("[type=checkbox]").addEventListener("change", (event) => {
    stop();
    take(event.target.checked ? MIXED : DOCS);
  });
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    stop();
    turn(0);
  });
  document.addEventListener("visibilitychange", stop);

  // Who prefers no motion steps.
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const heed = () => {
    stop();
    play.hidden = calm.matches;
  };
  calm.addEventListener("change", heed);
  heed();

  setFont(root);
  take(DOCS);
})();
