"""How the seller of the day fills Miinto's columns: the mapping as a file, and the slips of its first draft."""

from __future__ import annotations

MAPPING = """\
[links.category]
"Odzież/Koszulki" = "Tops > T-shirts"
"Odzież/Koszule" = "Shirts"
"Odzież/Jeansy" = "Jeans"
"Odzież/Sukienki" = "Dresses"
"Odzież/Kurtki" = "Jackets"

[lookups.colours]
"czarny" = "Black"
"biały" = "White"
"granatowy" = "Navy"
"oliwkowy" = "Olive"
"beżowy" = "Sand"
"czerwony" = "Red"

[lookups.countries]
"Polska" = "PL"
"Portugalia" = "PT"
"Turcja" = "TR"

[fields]
"color" = [{ field = "color", lookup = "colours" }]
"material" = [{ expression = '{"pl_PL.utf8": {{ attributes.fabric|tojson }}}' }]
"madein" = [{ field = "country", lookup = "countries" }]
"c:season_tag:string" = [{ constant = "SS26" }]
"""

SLIPS = {
    '"beżowy" = "Sand"\n': "",
    '"Odzież/Kurtki" = "Jackets"\n': "",
    '"madein"': '"made_in"',
}


def draft() -> str:
    """Return the mapping as it was written first."""
    text = MAPPING
    for right, wrong in SLIPS.items():
        text = text.replace(right, wrong)
    return text
