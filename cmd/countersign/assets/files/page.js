// What this script adds is a convenience: every page works without it.
"use strict";

// Words come with the page, in its language.
const said = document.body.dataset;

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
      hint.textContent = event.getModifierState("CapsLock") ? said.sayCapsLock : "";
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
      button.textContent = said.sayCopied;
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = said.saySelected;
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}

// What is to be kept can be saved as a file, without any address that has it.
for (const button of document.querySelectorAll("button[data-downloads]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const link = document.createElement("a");
    const text = document.getElementById(button.dataset.downloads).textContent;
    link.href = URL.createObjectURL(new Blob([text], {type: button.dataset.media}));
    link.download = button.dataset.file;
    link.click();
    URL.revokeObjectURL(link.href);
    taken = true;
  });
}

// A secret that is shown once is not left behind by mistake.
let taken = !document.querySelector("button[data-keeps]");
document.querySelector("button[data-keeps]")?.addEventListener("click", () => { taken = true; });
addEventListener("beforeunload", (event) => { if (!taken) event.preventDefault(); });

// Where the menu scrolls, the page that is open is in sight.
document.querySelector(".side [aria-current]")?.scrollIntoView({inline: "center", block: "nearest"});

// A menu closes when somebody is done with it.
const menus = document.querySelectorAll("details.menu");
if (menus.length) {
  const close = (except) => menus.forEach((menu) => { if (menu !== except) menu.open = false; });
  addEventListener("click", (event) => close(event.target.closest("details.menu")));
  addEventListener("keydown", (event) => {
    const open = document.querySelector("details.menu[open]");
    if (event.key === "Escape" && open) {
      open.open = false;
      open.querySelector("summary").focus();
    }
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
    document.getElementById("looking").textContent = said.sayStopped;
  });
}

// An answer on its way needs no click.
for (const form of document.querySelectorAll("form[data-sends-itself]")) {
  form.submit();
}
