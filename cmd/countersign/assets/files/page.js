// What this script adds is a convenience: every page works without it.
"use strict";

// A password can be looked at while it is typed.
for (const button of document.querySelectorAll("button[data-reveals]")) {
  const input = document.getElementById(button.dataset.reveals);
  const show = (shown) => {
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    show(input.type === "password");
    input.focus();
  });
  // Nobody's password manager or form history gets to see plain text.
  input.form.addEventListener("submit", () => show(false));
}

// A password that is refused because of Caps Lock is a riddle.
for (const hint of document.querySelectorAll("[data-caps-lock]")) {
  const input = document.getElementById(hint.dataset.capsLock);
  const tell = (event) => {
    if (event.getModifierState) {
      hint.textContent = event.getModifierState("CapsLock") ? "Caps Lock is on." : "";
    }
  };
  input.addEventListener("keydown", tell);
  input.addEventListener("keyup", tell);
  input.addEventListener("blur", () => { hint.textContent = ""; });
}

// What is to be passed on can be copied.
for (const button of document.querySelectorAll("button[data-copies]")) {
  if (!navigator.clipboard) break;
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}

// A page that waits looks again by itself, until it is asked to stop.
for (const button of document.querySelectorAll("button[data-looks-again]")) {
  const seconds = Number(button.dataset.seconds);
  const timer = setTimeout(() => location.replace(button.dataset.looksAgain), seconds * 1000);
  button.hidden = false;
  button.addEventListener("click", () => {
    clearTimeout(timer);
    button.hidden = true;
    document.getElementById("looking").textContent = "This page no longer looks again by itself.";
  });
}

// An answer on its way needs no click.
for (const form of document.querySelectorAll("form[data-sends-itself]")) {
  form.submit();
}
