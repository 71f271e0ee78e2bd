"""Drives the Miinto twin by `miinto-api-wrapper`, a public client, and prints as JSON what the client made of it.

Runs in the judge's own environment. The client's hosts are fixed, so `requests.request` is bent to the twin; the client
still signs for the hosts it believes in.

Arguments: base URL of the twin, identifier, secret, an active shop, an inactive shop.
"""

import json
import sys
from urllib.parse import urlsplit

import requests
from miintoapi.miintoapi import MiintoApi

base, identifier, secret, shop, inactive_shop = sys.argv[1:]
send = requests.request
hosts = set()


def to_twin(method, url, **options):
    parts = urlsplit(url)
    hosts.add(parts.hostname)
    query = f"?{parts.query}" if parts.query else ""
    return send(method, f"{base}{parts.path}{query}", timeout=10, **options)


requests.request = to_twin


def decide(client, transfer, **positions):
    """The client has no call for this; it is put together from the client's own signing and sending."""
    endpoint = f"/shops/{shop}/transfers/{transfer}"
    signed = client.generate_signature(
        {
            "method": "PATCH",
            "anchor_host": client.order_host,
            "endpoint": endpoint,
            "query": "",
            "url": f"https://{client.order_host}{endpoint}",
            "payload": json.dumps(positions),
        }
    )
    return client.miinto_http_request(shop, signed)


level = {"stock": 3, "group": "ABC012346", "brand": "Acme", "color": "Black", "size": "M"}
client = MiintoApi({"identifier": identifier, "secret": secret, "timezone_mod": 0})
stranger = MiintoApi({"identifier": identifier, "secret": "wrong", "timezone_mod": 0})
report = {
    "login": {key: client.auth_data[key] for key in ("status", "version", "accessorId", "codes")},
    "wrong_login": stranger.auth_data,
    "details": client.fetch_shop_details(shop),
    "inactive": client.get_collection(inactive_shop),
    "transfers": client.get_collection(shop),
}
first, second = (row["id"] for row in report["transfers"][1]["data"])
report |= {
    "accepted": decide(client, first, acceptedPositions=[{"id": 902}], declinedPositions=[{"id": 903}]),
    "unknown_position": decide(client, second, acceptedPositions=[{"id": 999}]),
    "lost": decide(client, second, acceptedPositions=[{"id": 901}]),
    "transfers_left": client.get_collection(shop),
    "orders": client.get_collection(shop, "orders", "accepted"),
    "stock": client.update_stock(shop, [level]),
    "bad_stock": client.update_stock(shop, [level | {"stock": -1}]),
}
client.order_host = "127.0.0.1"
report["details_by_loopback_host"] = client.fetch_shop_details(shop)
client.auth_data["miinto_token"] = "0" * 40
report["wrong_token"] = client.fetch_shop_details(shop)
report["hosts"] = sorted(hosts)
json.dump(report, sys.stdout)
