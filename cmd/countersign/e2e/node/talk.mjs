// How a script talks with the test that runs it: lines of JSON. The test plays
// the person and the administrator, and does what the script asks for.
import { createInterface } from 'node:readline'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const read = async () => {
  const { value, done } = await lines.next()
  return done ? null : JSON.parse(value)
}
const write = (message) => console.log(JSON.stringify(message))

// ask has something done, such as {"open": URL} in the person's browser, and
// returns what came of it.
export const ask = async (request) => {
  write(request)
  return read()
}

// The person's browser opens an address, and comes back to the application at
// the URL that is returned. What comes by form_post is a request.
export const visit = async (address) => {
  const { callback, form } = await ask({ open: String(address) })
  if (!form) return new URL(callback)
  const body = new URLSearchParams(form)
  return new Request(callback, { method: 'POST', body })
}

// serve goes through the flows that the test names, one after another. A flow
// returns the subject that it saw signed in, and the secrets that must not be
// in any log.
export const serve = async (flows) => {
  write({ flows: Object.keys(flows) })
  for (let call = await read(); call; call = await read()) {
    const secrets = []
    const keep = (tokens) => {
      secrets.push(tokens.access_token, tokens.refresh_token, tokens.id_token, tokens.client_secret, tokens.device_code)
      return tokens
    }
    try {
      const subject = await flows[call.flow]({ ...call, keep })
      write({ done: { subject, secrets: secrets.filter(Boolean) } })
    } catch (err) {
      const cause = err.cause instanceof Response ? await err.cause.text().catch(() => '') : JSON.stringify(err.cause)
      write({ failed: `${err.stack}\n${err.error ?? ''} ${err.error_description ?? ''} ${cause ?? ''}` })
    }
  }
  process.exit(0)
}
