// A reader in the dark mode prints on white paper too.
"use strict";

(() => {
  const page = document.documentElement;
  let shown;
  addEventListener("beforeprint", () => {
    shown ??= page.dataset.theme;
    page.dataset.theme = "light";
  });
  addEventListener("afterprint", () => {
    page.dataset.theme = shown;
    shown = undefined;
  });
})();
