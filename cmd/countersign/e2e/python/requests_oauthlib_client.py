# Consumers of OAuth 1.0a made of Debian's python3-requests-oauthlib. How it
# talks with the test is in node/talk.mjs.
import json
import sys
import traceback

from oauthlib.oauth1 import SIGNATURE_TYPE_AUTH_HEADER, SIGNATURE_TYPE_BODY, SIGNATURE_TYPE_QUERY
from requests_oauthlib import OAuth1Session

PLACES = {"header": SIGNATURE_TYPE_AUTH_HEADER, "body": SIGNATURE_TYPE_BODY, "query": SIGNATURE_TYPE_QUERY}


def write(message):
    print(json.dumps(message), flush=True)


def session(consumer, place, **more):
    made = OAuth1Session(
        consumer["key"],
        client_secret=consumer["secret"] or None,
        rsa_key=consumer["privateKey"] or None,
        signature_method=consumer["method"],
        signature_type=PLACES[place],
        callback_uri=consumer["callback"],
        **more,
    )
    made.trust_env = False  # or a variable of the environment says who vouches
    made.verify = consumer["authority"] or True
    return made


def flow(consumer, place, secrets):
    started = session(consumer, place)
    started.fetch_request_token(consumer["requestToken"])
    write({"open": started.authorization_url(consumer["authorize"])})
    started.parse_authorization_response(json.loads(sys.stdin.readline())["callback"])
    token = started.fetch_access_token(consumer["accessToken"])
    secrets.append(token["oauth_token_secret"])

    more = {"resource_owner_key": token["oauth_token"]}
    api = session(consumer, place, resource_owner_secret=token["oauth_token_secret"], **more)
    api.auth.client.callback_uri = None
    posted = api.post(consumer["resource"], data={"name": "a b!", "empty": "", "plus": "+~ä"})
    assert posted.status_code == 200, posted.text
    if place != "body":
        got = api.get(consumer["resource"], params={"name": "a b!", "empty": "", "plus": "+~ä"})
        assert got.json()["sub"] == posted.json()["sub"], got.text
    if not consumer["privateKey"]:
        wrong = session(consumer, place, resource_owner_secret="wrong", **more)
        assert wrong.post(consumer["resource"], data={"name": "x"}).status_code == 401
    return posted.json()["sub"]


FLOWS = [
    "HMAC-SHA1, header", "HMAC-SHA1, body", "HMAC-SHA1, query", "HMAC-SHA256, header", "RSA-SHA1, header",
    "PLAINTEXT, header", "PLAINTEXT, body",
]

write({"flows": FLOWS})
for line in sys.stdin:
    call, secrets = json.loads(line), []
    try:
        subject = flow(call["consumer"], call["flow"].split(", ")[1], secrets)
        write({"done": {"subject": subject, "secrets": secrets}})
    except Exception:
        write({"failed": traceback.format_exc()})
