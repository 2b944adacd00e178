// An application in the browser made of npm's oidc-client-ts: sign-in by
// redirect, renewal without a word, sign-out, and a watch on the session. It
// shows what happens as elements that the test waits for.
const { UserManager } = window.oidc

const settings = await (await fetch('/settings')).json()
const manager = new UserManager({
  redirect_uri: `${location.origin}/cb`,
  silent_redirect_uri: `${location.origin}/cb`,
  post_logout_redirect_uri: `${location.origin}/left`,
  loadUserInfo: true,
  automaticSilentRenew: false,
  monitorSession: true,
  checkSessionIntervalInSeconds: 1,
  ...settings,
})

const show = (id, value) => {
  document.getElementById(id)?.remove()
  const element = document.createElement('pre')
  element.id = id
  element.textContent = typeof value === 'string' ? value : JSON.stringify(value)
  document.body.append(element)
}
const showUser = (id, { profile, access_token, refresh_token, id_token, session_state }) =>
  show(id, { profile, access_token, refresh_token, id_token, session_state })

const attempt = (action) => async () => {
  try {
    await action()
  } catch (err) {
    show('failed', err.error ?? err.message)
  }
}
const on = (id, action) => document.getElementById(id).addEventListener('click', attempt(action))

manager.events.addUserSignedOut(() => show('session-ended', 'signed out at the server'))

on('sign-in', () => manager.signinRedirect())
on('renew', async () => showUser('renewed', await manager.signinSilent()))
on('revoke', async () => {
  const { access_token } = await manager.getUser()
  await manager.revokeTokens()
  const answer = await fetch(await manager.metadataService.getUserInfoEndpoint(), { headers: { authorization: `Bearer ${access_token}` } })
  show('revoked', { status: answer.status, challenge: answer.headers.get('www-authenticate') })
})
on('sign-out', () => manager.signoutRedirect())

await attempt(async () => {
  if (location.pathname === '/cb' && window !== window.parent) return manager.signinSilentCallback()
  if (location.pathname === '/cb') return showUser('signed-in', await manager.signinRedirectCallback())
  if (location.pathname === '/left') {
    await manager.signoutRedirectCallback()
    return show('left', 'signed out')
  }
  show('ready', 'ready')
})()
