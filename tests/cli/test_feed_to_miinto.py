"""From a catalogue to what Miinto has taken: built, linked, served, pulled and judged by the twin's own rules."""

from __future__ import annotations

from command import Cli

from crossdock.twins.kit import serve
from crossdock.twins.miinto import FeedAddress, MiintoTwin
from crossdock.web.server import serving

CATALOG = """\
sku,name,price,currency,quantity,gtin,product,brand,color,size,image,material,madein,description
TOP-M,Linen top,199.00,PLN,5,5901234123457,P1,Acme,White,M,https://img.example.com/1.jpg,"{""en_EN.utf8"":""Linen""}",PT,"A ""light"" top"
TOP-L,Linen top,199.00,PLN,0,,P1,Acme,White,L,https://img.example.com/1.jpg,"{""en_EN.utf8"":""Linen""}",PT,Żółć
HAT,Acme hat,19.00,PLN,3,,P2,Acme,White,One,https://img.example.com/2.jpg,"{""en_EN.utf8"":""Wool""}",PT,A hat
"""  # noqa: E501 (a row is a row)


def test_miinto_takes_what_is_right_and_the_download_is_told(cli: Cli) -> None:
    (cli.folder / "catalog.csv").write_text(CATALOG)
    twin = MiintoTwin()
    with serve(twin.app) as endpoint:
        settings = {"endpoint": endpoint, **twin.settings(), "main_market": "pl"}
        cli("account", "add", "miinto", "north", *(f"--set={name}={value}" for name, value in settings.items()))
        cli("catalog", "import", cli.folder / "catalog.csv", "--layout", "plain", "--keep-all")
        cli("account", "enable", "north", "feed")
        cli("offers", "create", "north", "--all")
        cli("run", "north", "resolve")
        cli("run", "north", "feed")
        link = cli.json("feed", "link", "north", "--renew", "--user", "miinto")
        with cli.hub() as hub, serving(hub) as server:
            url = link["link"].replace("http://127.0.0.1:8765", server.url)
            address = FeedAddress(url=url, user="miinto", password=link["password"])
            twin.set_feed(twin.account.identifier, address)
            (pull,) = twin.pull_feeds()
    assert (pull["fault"], pull["rejected"], pull["remarks"]) == (None, [], [])
    assert pull["accepted"] == ["TOP-L", "TOP-M"]
    (download,) = cli.json("feed", "log", "north")["downloads"]
    assert (download["kind"], download["status"], download["bytes"]) == ("whole", 200, pull["bytes"])
