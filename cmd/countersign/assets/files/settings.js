// What this script adds to the forms of clients is told while they are filled in;
// the server looks at everything again.
"use strict";

// Redirect URIs are looked at line by line.
const loopback = /^http:\/\/(localhost|127(\.\d+){3}|\[::1\])([:/?]|$)/i;
const remark = (line, all, words) => {
  if (!/^[a-z][a-z0-9+.-]*:./i.test(line)) return words.sayRelative;
  if (/^(javascript|data|vbscript|file|blob|about):/i.test(line)) return words.sayCode;
  if (line.includes("#")) return words.sayFragment;
  if (line.includes("*")) return words.sayWildcard;
  if (all.indexOf(line) !== all.lastIndexOf(line)) return words.sayTwice;
  return /^http:/i.test(line) && !loopback.test(line) ? words.sayPlain : "";
};
for (const list of document.querySelectorAll("[data-addresses]")) {
  const text = document.getElementById(list.dataset.addresses);
  let timer;
  const look = () => {
    const all = text.value.split("\n").map((line) => line.trim()).filter(Boolean);
    list.replaceChildren(...[...new Set(all)].flatMap((line) => {
      const words = remark(line, all, list.dataset);
      if (!words) return [];
      const item = document.createElement("li");
      const address = document.createElement("code");
      address.textContent = line;
      item.append(address, " " + words);
      return [item];
    }));
  };
  text.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(look, 400); });
  text.addEventListener("blur", look);
}

// What the scope lets the client learn is listed with what its grants do.
const scope = document.querySelector(".able") && document.getElementById("scope");
if (scope) {
  const openid = ["openid", "profile", "email", "address", "phone"];
  const look = () => {
    const asked = scope.value.split(/\s+/).filter(Boolean);
    const all = !asked.length && (document.getElementById("type-oidc")?.checked || scope.form.classList.contains("is-oidc"));
    for (const item of document.querySelectorAll("[data-scope]")) {
      item.hidden = !(all ? openid : asked).includes(item.dataset.scope);
    }
  };
  scope.form.addEventListener("input", look);
  look();
}

// A secret that somebody types is weighed by how many there are like it.
for (const hint of document.querySelectorAll("[data-strength]")) {
  const input = document.getElementById(hint.dataset.strength);
  input.addEventListener("input", () => {
    const kinds = [[/[a-z]/, 26], [/[A-Z]/, 26], [/[0-9]/, 10], [/[^a-zA-Z0-9]/, 33]];
    const pool = kinds.reduce((sum, [kind, n]) => sum + (kind.test(input.value) ? n : 0), 0);
    const bits = pool && Math.min(input.value.length, 2 * new Set(input.value).size) * Math.log2(pool);
    hint.textContent = !bits ? "" : bits < 60 ? hint.dataset.sayWeak : bits < 100 ? hint.dataset.sayFair : hint.dataset.sayStrong;
  });
}

// All rows of a table are ticked at once.
for (const all of document.querySelectorAll("[data-ticks]")) {
  const boxes = [...document.getElementById(all.dataset.ticks).elements].filter((box) => box.name === "key");
  const look = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    all.checked = ticked === boxes.length;
    all.indeterminate = ticked > 0 && !all.checked;
  };
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    document.dispatchEvent(new Event("ticked"));
  });
  for (const box of boxes) box.addEventListener("change", look);
  document.addEventListener("ticked", look);
  addEventListener("pageshow", look); // a page that is gone back to has its ticks
  all.closest("label").hidden = false;
}
