"""An OSLC tool that makes friends with a server.

It reads the rootservices document with Debian's python3-rdflib and asks for a
consumer key as Eclipse Lyo's client does. It is told {"rootservices": URL,
"secret": text}, and prints the first value of each property, and its key.
"""

import json
import sys
from urllib.request import Request, urlopen

from rdflib import Graph, Literal

JFS = "http://jazz.net/xmlns/prod/jazz/jfs/1.0/"

told = json.loads(sys.stdin.readline())
with urlopen(Request(told["rootservices"], headers={"Accept": "application/rdf+xml", "OSLC-Core-Version": "2.0"})) as answer:
    media_type = answer.headers["Content-Type"]
    graph = Graph().parse(data=answer.read(), format="xml", publicID=told["rootservices"])

properties = {}
for subject, predicate, value in graph:
    kind = "literal" if isinstance(value, Literal) else "link"
    properties.setdefault(str(predicate), {"of": str(subject), "kind": kind, "value": str(value)})

body = json.dumps({"trusted": True, "secretType": "string", "name": "Lyo friend", "secret": told["secret"]}).encode()
headers = {"Content-Type": "application/json", "Accept": "application/json"}
with urlopen(Request(properties[JFS + "oauthRequestConsumerKeyUrl"]["value"], data=body, headers=headers)) as answer:
    assert "json" in answer.headers["Content-Type"], answer.headers["Content-Type"]
    key = json.load(answer)["key"]

print(json.dumps({"type": media_type, "properties": properties, "key": key}), flush=True)
