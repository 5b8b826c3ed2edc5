// Rank the sections of the book for the words of a query, above what Sphinx
// finds. SECTIONS comes from _static/sections.js, which book/_ext writes;
// Stemmer and stopwords from Sphinx's language_data.js.
"use strict";

(() => {
  const SHOWN = 8;
  // Words that readers use for one another. A section with the neighbour of a
  // word counts for less than one with the word itself.
  const NEIGHBOURS = [
    "accuracy score metric f1",
    "attention attends attend looks transformer multiheadattention",
    "average mean pool pooling reduce",
    "backward backprop gradient grad gradients derivative",
    "bidirectional bilstm directions both",
    "changed changes differs different differ inconsistent vary varies moves",
    "crash crashes kills killed aborts segfault",
    "cuda gpu device",
    "dataparallel parallel multi multiple several distributed",
    "cut truncated disappeared missing lost lose loses dropped shorter short",
    "deploy serve service production inference export onnx script compile dynamo",
    "document documents sentence sentences sequence sequences text texts sample samples example examples",
    "encoder decoder seq2seq",
    "final last",
    "hidden state states h_n hx",
    "empty blank zero 0 nothing",
    "id ids token tokens index indices word words",
    "learn learns train trains stuck chance converge",
    "left prefix beginning start",
    "length lengths size sizes",
    "load save checkpoint restore reload pickle",
    "low lower small smaller suspiciously good",
    "memory oom ram",
    "labels predictions outputs results rows targets",
    "order reorder reordered mixed shuffled permuted sorted sort unsorted swapped scrambled jumbled aligned match mismatch",
    "pad pads padded padding",
    "random reproducible repeatable deterministic nondeterministic",
    "refused error exception fails failed raises cannot unsupported",
    "slow slower fast faster speed time",
    "validation test eval evaluation",
    "wrong incorrect bad worse garbage nonsense",
  ].map((group) => group.split(" "));
  const DISCOUNT = 0.35;
  const CODE = 1.5; // a name of code says more than a word
  const LIKENESS = 2; // up to three times the score for what readers ask
  // What every chapter has answers no question by itself.
  const FRAME = [
    "What you will be able to do",
    "Recap",
    "Exercises",
    "Where this comes from",
  ];

  const stemmer = new Stemmer();
  const stem = (word) => stemmer.stemWord(word);

  // The same words as Stemmer.words in section_search.py.
  const split = (text) => {
    const found = [];
    for (const word of text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? []) {
      if (word.includes("_")) found.push(word);
      for (const part of word.split("_"))
        if (part && !stopwords.includes(part)) found.push(stem(part));
    }
    return found;
  };

  const neighbours = new Map();
  for (const group of NEIGHBOURS) {
    const stems = [...new Set(group.flatMap(split))];
    for (const word of stems)
      neighbours.set(word, [...(neighbours.get(word) ?? []), ...stems]);
  }

  // How many sections have a word, and how long sections are: Okapi BM25.
  const having = new Map();
  let total = 0;
  for (const section of SECTIONS) {
    section.length = 0;
    for (const [word, count] of Object.entries(section.words)) {
      having.set(word, (having.get(word) ?? 0) + 1);
      section.length += count;
    }
    total += section.length;
  }
  const usual = total / SECTIONS.length;
  const rarity = (word) => {
    const n = having.get(word) ?? 0;
    const rare = Math.log(1 + (SECTIONS.length - n + 0.5) / (n + 0.5));
    return word.includes("_") ? CODE * rare : rare;
  };
  const weight = (section, word) => {
    const count = Object.hasOwn(section.words, word)
      ? section.words[word]
      : 0;
    const norm = 1.2 * (0.4 + (0.6 * section.length) / usual);
    return count ? (rarity(word) * count * 2.2) / (count + norm) : 0;
  };

  // Words scattered over a section say less than the same words in one phrase:
  // the share, by rarity, that a query has in common with a phrase, up to 1.
  const sum = (words) => words.reduce((all, word) => all + rarity(word), 0);
  const likeness = (words, phrase) => {
    const near = (word) =>
      !phrase.includes(word) &&
      (neighbours.get(word) ?? []).some((other) => phrase.includes(other));
    const shared =
      sum(words.filter((word) => phrase.includes(word))) +
      sum(words.filter(near)) * DISCOUNT;
    return shared && shared / Math.sqrt(sum(words) * sum(phrase));
  };
  for (const section of SECTIONS)
    section.phrases = [section.title, ...section.asked].map((text) => [
      ...new Set(split(text)),
    ]);

  const rank = (query) => {
    const words = [...new Set(split(query))];
    const phrase = split(query).join(" ");
    const scored = SECTIONS.map((section) => {
      let score = 0;
      for (const word of words) {
        const own = weight(section, word);
        const others = (neighbours.get(word) ?? [])
          .filter((other) => other !== word)
          .map((other) => weight(section, other) * DISCOUNT);
        score += Math.max(own, ...others, 0);
      }
      const like = section.phrases.map((text) => likeness(words, text));
      score *= 1 + LIKENESS * Math.max(...like);
      // A heading that says what was asked, word for word, comes first.
      if (phrase && ` ${split(section.title).join(" ")} `.includes(` ${phrase} `))
        score += 20;
      if (FRAME.includes(section.title)) score *= 0.5;
      // A section is a better answer than a page, a chapter than a reference.
      if (!section.page) score *= 0.7;
      if (!/\/(\d|mistakes\/)/.test(section.address)) score *= 0.7;
      return { section, score };
    }).filter(({ score }) => score > 0);
    scored.sort((a, b) => b.score - a.score);
    const best = scored.length ? scored[0].score : 0;
    return scored
      .filter(({ score }) => score > best / 4)
      .slice(0, SHOWN)
      .map(({ section }) => section);
  };

  const show = (sections) => {
    const box = document.createElement("section");
    box.id = "section-results";
    const heading = document.createElement("h2");
    heading.textContent = "Sections";
    const list = document.createElement("ol");
    for (const section of sections) {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = section.address;
      link.textContent = section.title;
      item.append(link);
      if (section.page) item.append(` in ${section.page}`);
      const summary = document.createElement("p");
      summary.textContent = section.summary;
      item.append(summary);
      list.append(item);
    }
    box.append(heading, list);
    const results = document.getElementById("search-results");
    results.before(box);
    // Sphinx wants every word on one page, and else says that nothing was
    // found, below sections that were.
    new MutationObserver(() => {
      const said = results.querySelector(".search-summary");
      if (said?.textContent.startsWith("Your search did not match"))
        said.textContent = "No page has all of these words.";
    }).observe(results, { childList: true, subtree: true });
  };

  const query = new URLSearchParams(window.location.search).get("q") ?? "";
  const sections = rank(query);
  if (sections.length) show(sections);
})();
