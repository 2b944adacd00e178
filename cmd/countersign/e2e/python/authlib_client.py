# Relying parties made of Debian's python3-authlib, one for each flow. How it
# talks with the test is in node/talk.mjs. It stands for itself: the test has
# clients registered for it as it asks.
import json
import os
import sys
import time
import traceback

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # plain http, on loopback only

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from authlib.oidc.core import CodeIDToken

SCOPE = "openid profile email offline_access"


def write(message):
    print(json.dumps(message), flush=True)


def ask(request):
    write(request)
    return json.loads(sys.stdin.readline())


class Soon:
    """Lets an assertion expire in a minute: the library's hour is longer than
    the server takes. With claims of one's own it needs a fresh one each time."""

    def sign(self, auth, token_endpoint):
        self.claims = {"exp": int(time.time()) + 60}
        return super().sign(auth, token_endpoint)


class SoonPrivateKeyJWT(Soon, PrivateKeyJWT):
    pass


class SoonClientSecretJWT(Soon, ClientSecretJWT):
    pass


class Party:
    """A client of the server, and what it got."""

    def __init__(self, call, *args, scope=SCOPE, auth=None):
        self.call = call
        self.metadata = requests.get(call["issuer"] + "/.well-known/openid-configuration", timeout=30).json()
        redirect = ["--redirect-uri", call["redirectURI"]]
        self.client = ask({"register": redirect + ["--scope", scope, "--approve", *args]})["client"]
        method = auth(self) if auth else self.client["token_endpoint_auth_method"]
        self.session = OAuth2Session(
            self.client["client_id"],
            self.client.get("client_secret"),
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
            scope=scope,
            redirect_uri=call["redirectURI"],
            code_challenge_method="S256",
            token_endpoint=self.metadata["token_endpoint"],
        )
        if auth:
            self.session.register_client_auth_method(method)
            self.session.token_endpoint_auth_method = method.name

    def keep(self, tokens):
        for name in ("access_token", "refresh_token", "id_token"):
            if tokens.get(name):
                self.call["secrets"].append(tokens[name])
        return tokens

    def sign_in(self):
        """Goes through the code flow, and judges the ID token."""
        verifier, nonce = generate_token(48), generate_token(20)
        address, state = self.session.create_authorization_url(
            self.metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce
        )
        callback = ask({"open": address})["callback"]
        tokens = self.keep(
            self.session.fetch_token(
                self.metadata["token_endpoint"], authorization_response=callback, state=state, code_verifier=verifier
            )
        )
        keys = JsonWebKey.import_key_set(requests.get(self.metadata["jwks_uri"], timeout=30).json())
        claims = JsonWebToken(["RS256"]).decode(
            tokens["id_token"],
            keys,
            claims_cls=CodeIDToken,
            claims_options={"iss": {"value": self.call["issuer"]}, "aud": {"value": self.client["client_id"]}},
            claims_params={"nonce": nonce, "client_id": self.client["client_id"], "access_token": tokens["access_token"]},
        )
        claims.validate()
        return claims["sub"]

    def userinfo(self):
        return self.session.get(self.metadata["userinfo_endpoint"]).json()

    def introspect(self, token):
        return self.session.introspect_token(self.metadata["introspection_endpoint"], token=token).json()

    def use_tokens(self, subject):
        """Does with the tokens what they are for, and ends them."""
        assert self.userinfo()["sub"] == subject
        assert self.introspect(self.session.token["access_token"])["sub"] == subject
        before = self.session.token["access_token"]
        self.keep(self.session.refresh_token(self.metadata["token_endpoint"]))
        assert self.session.token["access_token"] != before
        answer = self.session.revoke_token(
            self.metadata["revocation_endpoint"], token=self.session.token["refresh_token"]
        )
        assert answer.status_code == 200, answer.text
        assert self.introspect(self.session.token["access_token"]) == {"active": False}
        return subject


def code(call, *args, **more):
    party = Party(call, *args, **more)
    return party.use_tokens(party.sign_in())


def private_key_jwt(call):
    key = JsonWebKey.generate_key("EC", "P-256", is_private=True)
    public = {"keys": [{**key.as_dict(is_private=False), "use": "sig"}]}

    def auth(party):
        method = SoonPrivateKeyJWT(party.metadata["token_endpoint"], alg="ES256")
        party.client["client_secret"] = key.as_pem(is_private=True).decode()
        return method

    return code(
        call, "--set", "token_endpoint_auth_method=private_key_jwt", "--set", "jwks=" + json.dumps(public), auth=auth
    )


def client_secret_jwt(call):
    return code(
        call,
        "--set",
        "token_endpoint_auth_method=client_secret_jwt",
        auth=lambda party: SoonClientSecretJWT(party.metadata["token_endpoint"], alg="HS256"),
    )


def client_credentials(call):
    party = Party(call, "--grant", "client_credentials", scope="api")
    tokens = party.keep(party.session.fetch_token(party.metadata["token_endpoint"], grant_type="client_credentials"))
    assert party.introspect(tokens["access_token"])["scope"] == "api"
    return None


def password(call):
    party = Party(call, "--grant", "password")
    party.keep(
        party.session.fetch_token(
            party.metadata["token_endpoint"], username=call["username"], password=call["password"], grant_type="password"
        )
    )
    return party.use_tokens(party.userinfo()["sub"])


FLOWS = {
    "code, client_secret_basic": code,
    "code, client_secret_post": lambda call: code(call, "--set", "token_endpoint_auth_method=client_secret_post"),
    "code, private_key_jwt": private_key_jwt,
    "code, client_secret_jwt": client_secret_jwt,
    "client credentials": client_credentials,
    "password": password,
}

write({"flows": list(FLOWS)})
for line in sys.stdin:
    call = {**json.loads(line), "secrets": []}
    try:
        write({"done": {"subject": FLOWS[call["flow"]](call), "secrets": call["secrets"]}})
    except Exception:
        write({"failed": traceback.format_exc()})
