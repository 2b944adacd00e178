// Passkeys need a script; everything else on these pages works without.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

// read turns the server's options into what the browser takes.
const read = (json) => {
  const options = JSON.parse(json);
  options.challenge = bytes(options.challenge);
  if (options.user) options.user.id = bytes(options.user.id);
  for (const list of ["excludeCredentials", "allowCredentials"]) {
    for (const one of options[list] || []) one.id = bytes(one.id);
  }
  return options;
};

// write turns what the browser made into what the server takes.
const write = (credential) => {
  const response = { clientDataJSON: text(credential.response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return JSON.stringify({
    id: credential.id, rawId: text(credential.rawId), type: credential.type, response,
    authenticatorAttachment: credential.authenticatorAttachment || undefined, clientExtensionResults: credential.getClientExtensionResults(),
  });
};

// Where in the form the words for a problem are, in the language of the page.
const problems = { NotAllowedError: "sayNotAllowed", InvalidStateError: "sayInvalidState", SecurityError: "saySecurity" };

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential) break;
  const say = form.querySelector("[role=status]");
  const send = (credential) => {
    form.elements.credential.value = write(credential);
    form.submit();
  };
  let waiting = new AbortController();
  form.hidden = false;
  for (const other of document.querySelectorAll("[data-with-passkey]")) other.hidden = false;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    waiting.abort();
    say.textContent = "";
    try {
      const publicKey = read(form.dataset.options);
      send(await (form.dataset.passkey === "create" ? navigator.credentials.create({ publicKey }) : navigator.credentials.get({ publicKey })));
    } catch (error) {
      say.textContent = form.dataset[problems[error.name] || "sayOther"];
    }
  });

  // Where the browser can, it offers passkeys in the field for the username.
  if (form.dataset.passkey === "offer" && PublicKeyCredential.isConditionalMediationAvailable) {
    PublicKeyCredential.isConditionalMediationAvailable().then(async (can) => {
      if (!can) return;
      try {
        send(await navigator.credentials.get({ publicKey: read(form.dataset.options), mediation: "conditional", signal: waiting.signal }));
      } catch {
        // Another way was taken.
      }
    });
  }
}
