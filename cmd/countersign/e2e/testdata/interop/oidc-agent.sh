# A client that is registered, without a secret:
oidc-gen --iss={{.Issuer}} --client-id={{.ClientID}} --client-secret= --flow=device --scope="openid profile email offline_access" work
oidc-token work

# One that registers itself. oidc-agent calls itself a web application, which
# has no scheme of its own; an administrator approves it while it waits.
oidc-gen --iss={{.Issuer}} --flow=code --no-scheme --port=4242 --scope="openid profile email offline_access" work

# One that is approved in advance, by an initial access token:
oidc-gen --iss={{.Issuer}} --at={{.InitialToken}} --flow=code --no-scheme --port=4242 --scope="openid profile email offline_access" work
