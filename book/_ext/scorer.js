// How the site's search ranks what it finds. By itself, a heading that is
// called as the query stands level with every page that has one of its words
// in a heading. Here what leads to one place of a page, a section or a name
// of the package, comes before what leads to a whole page.
var Scorer = {
  score: ([docname, title, anchor, descr, score, filename]) =>
    score + (anchor ? 100 : 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
