// What this script adds to the pages of an account is a convenience.
"use strict";

// Times are the browser's own, in words that stay those of the page.
for (const time of document.querySelectorAll("time[datetime][title]")) {
  const at = new Date(time.getAttribute("datetime"));
  time.title = at.toLocaleString(document.documentElement.lang, { dateStyle: "long", timeStyle: "short" });
}

// What is shown once can be kept as a file or on paper.
for (const button of document.querySelectorAll("button[data-downloads]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const text = [...document.getElementById(button.dataset.downloads).children].map((e) => e.textContent.trim()).join("\n") + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = button.dataset.name;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
for (const button of document.querySelectorAll("button[data-prints]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
