// The page that applications embed to learn whether somebody is still signed
// in (OpenID Connect Session Management 1.0, section 3.3). Each learns of its
// own session_state only: the origin that asks is part of what is compared.
"use strict";

const cookie = document.currentScript.dataset.cookie;

const browserState = () => {
  const pair = document.cookie.split("; ").find((p) => p.startsWith(cookie + "="));
  return pair ? pair.slice(cookie.length + 1) : "";
};

const hash = async (text) => {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...new Uint8Array(digest))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
};

const judge = async (data, origin) => {
  const parts = typeof data === "string" && /^([^ ]+) ([\w-]+)\.([\w-]+)$/.exec(data);
  if (!parts) return "error";
  const [, client, known, salt] = parts;
  return (await hash([client, origin, browserState(), salt].join(" "))) === known ? "unchanged" : "changed";
};

addEventListener("message", async (event) => {
  if (!event.source || event.origin === "null") return;
  let answer = "error";
  try {
    answer = await judge(event.data, event.origin);
  } catch {
    // A page without a secure context has no hash.
  }
  event.source.postMessage(answer, event.origin);
});
