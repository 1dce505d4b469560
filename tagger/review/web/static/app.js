// Keys, copying, and what the server may ask for. Everything works without this file; it only saves the hand a way.
"use strict";

(() => {
  const typing = (element) => element.matches("input:not([type=radio]):not([type=checkbox]), textarea, select");
  const byKey = (key) => document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  const help = () => document.getElementById("keys");

  function chosen() {
    return document.querySelector("#answer-form input[name=choice]:checked");
  }

  // the reason is asked for before the form leaves the page; the server asks again
  function demand() {
    const why = document.getElementById("why");
    const choice = chosen();
    if (why) why.required = Boolean(choice && choice.dataset.why === "1");
  }

  function press(element) {
    if (element.matches("input[type=radio]")) {
      element.checked = true;
      element.focus();
      demand();
    } else if (element.matches("input[type=text], input[type=search], textarea")) {
      element.focus();
      element.select();
    } else if (element.matches("details > summary")) {
      element.parentElement.open = true;
      const first = element.parentElement.querySelector("input, select");
      if (first) first.focus();
    } else {
      element.click();
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape") {
      if (typing(event.target)) event.target.blur();
      return;
    }
    if (typing(event.target) || (help() && help().open)) return;
    if (event.key === "?") {
      event.preventDefault();
      if (help()) help().showModal();
      return;
    }
    const element = byKey(event.key.toLowerCase());
    if (!element || element.disabled) return;
    event.preventDefault();
    press(element);
  });

  document.addEventListener("click", async (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens).showModal();
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    const label = button.querySelector(".label");
    try {
      await navigator.clipboard.writeText(source.dataset.text);
    } catch {
      // no clipboard without a safe context: select the words, so that one more key copies them
      getSelection().selectAllChildren(source);
      return;
    }
    label.textContent = button.dataset.copied;
  });

  document.addEventListener("change", demand);
  document.addEventListener("submit", (event) => {
    const box = event.target.querySelector("#page-error");
    if (box) box.remove();
  });

  // an error page is shown as it is, and a login that ended goes to the login page
  document.addEventListener("htmx:beforeSwap", (event) => {
    const status = event.detail.xhr.status;
    if (status >= 400 && status < 500) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });
  document.addEventListener("htmx:load", demand);
  document.addEventListener("DOMContentLoaded", demand);
})();
