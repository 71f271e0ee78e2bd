"""A mapping as a file that people read and edit: TOML, written in a fixed order, read with every fault at once.

[favourites]                      # the platform's categories that you use: id = path
"Shoes > Sneakers" = "Shoes > Sneakers"

[links.category]                  # your category = the platform's
"Buty/Sportowe" = "Shoes > Sneakers"

[links.product]                   # the code of a product (the SKU of a variant without one) = the platform's
"RUN-1" = "Shoes > Sneakers"

[lookups.colours]
"czarny" = "Black"

[fields]                          # the first rule that gives anything counts
"brand" = [{ field = "brand" }, { constant = "Example" }]
"color" = [{ field = "color", lookup = "colours", default = "Other" }]
"title" = [{ expression = "{{ product_name }} {{ attributes.fit }}" }]

[markets.se.fields]               # before those for all markets
"title" = [{ field = "title_sv" }]
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from crossdock.core.errors import ConfigError
from crossdock.core.model import text_faults
from crossdock.core.rules import ALL_MARKETS, Rule, RuleKind, rule_faults
from crossdock.core.store.mapping import Content, LinkKind

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
SECTIONS: Final = ("favourites", "links", "lookups", "fields", "markets")


# --- writing ---------------------------------------------------------------------------------------------------------


def write(content: Content, title: str) -> str:
    """Return the file of a mapping; the same mapping always gives the same text.

    Args:
        content: the mapping.
        title: the first line, a comment.
    """
    return "\n".join([f"# {title}", *_lines(content)]) + "\n"


def _lines(content: Content) -> Iterator[str]:
    yield from _table(("favourites",), content.favourites)
    for kind in LinkKind:
        yield from _table(("links", kind.value), {own: to for (of, own), to in content.links.items() if of is kind})
    for name in sorted(content.lookups):
        yield from _table(("lookups", name), content.lookups[name], always=True)
    for market in sorted({market for market, _ in content.rules}):
        place = ("fields",) if market == ALL_MARKETS else ("markets", market, "fields")
        yield f"\n[{'.'.join(map(_key, place))}]"
        for (of, name), rules in sorted(content.rules.items()):
            if of == market and rules:
                yield f"{_quoted(name)} = ["
                yield from (f"    {_rule(rule)}," for rule in rules)
                yield "]"


def _table(place: tuple[str, ...], entries: Mapping[str, str], *, always: bool = False) -> Iterator[str]:
    if entries or always:
        yield f"\n[{'.'.join(map(_key, place))}]"
        yield from (f"{_quoted(name)} = {_quoted(entries[name])}" for name in sorted(entries))


def _rule(rule: Rule) -> str:
    if rule.kind is RuleKind.LOOKUP:
        parts = {"field": rule.text, "lookup": rule.table}
        parts |= {} if rule.default is None else {"default": rule.default}
    else:
        parts = {rule.kind.value: rule.text}
    return "{ " + ", ".join(f"{name} = {_quoted(text)}" for name, text in parts.items()) + " }"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML escapes as JSON does, and DEL too


# --- reading ---------------------------------------------------------------------------------------------------------


def read(text: str | bytes, name: str) -> Content:
    """Return the mapping that a file holds.

    Args:
        text: the file's text, or its bytes in UTF-8.
        name: what to call it in errors.

    Raises:
        ConfigError: with every fault, each with its place.
    """
    try:
        document = tomllib.loads(text if isinstance(text, str) else text.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name} is not UTF-8: {error.reason} at byte {error.start}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} is no TOML: {error}.") from None
    reader = _Reader()
    content = reader.content(document)
    if reader.faults:
        count = len(reader.faults)
        raise ConfigError(f"{name}: {count} fault(s); nothing was changed.", faults=reader.faults)
    return content


class _Reader:
    """Reads the parts of a document, and gathers what is wrong with them."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def content(self, document: Mapping[str, Any]) -> Content:
        self.faults += [f"{fault}" for fault in text_faults(document)]
        self._only(document, SECTIONS, "")
        links = self._section(document, "links", "")
        self._only(links, [*LinkKind], "links.")
        lookups = {
            table: self._texts(entries, f"lookups.{table}")
            for table, entries in self._section(document, "lookups", "").items()
        }
        return Content(
            favourites=self._texts(document.get("favourites", {}), "favourites"),
            links={
                (kind, own): category
                for kind in LinkKind
                for own, category in self._texts(links.get(kind.value, {}), f"links.{kind.value}").items()
            },
            lookups=lookups,
            rules=self._all_rules(document, lookups),
        )

    def _all_rules(
        self, document: Mapping[str, Any], lookups: Mapping[str, Mapping[str, str]]
    ) -> dict[tuple[str, str], tuple[Rule, ...]]:
        found = self._fields(self._section(document, "fields", ""), ALL_MARKETS, "fields", lookups)
        for market, said in self._section(document, "markets", "").items():
            place = f"markets.{market}"
            if not market or not isinstance(said, dict):
                self.faults.append(f"{place}: write [markets.CODE.fields]")
                continue
            self._only(said, ("fields",), f"{place}.")
            found |= self._fields(self._section(said, "fields", f"{place}."), market, f"{place}.fields", lookups)
        return found

    def _fields(
        self, fields: Mapping[str, Any], market: str, place: str, lookups: Mapping[str, Mapping[str, str]]
    ) -> dict[tuple[str, str], tuple[Rule, ...]]:
        found = {}
        for name, listed in fields.items():
            if not isinstance(listed, list) or not name:
                self.faults.append(f'{place}.{name}: write a list of rules, such as [{{ field = "brand" }}]')
                continue
            rules = [self._rule(said, f"{place}.{name}[{n}]", lookups) for n, said in enumerate(listed, start=1)]
            sound = tuple(rule for rule in rules if rule is not None)
            if sound:
                found[market, name] = sound
        return found

    def _rule(self, said: object, place: str, lookups: Mapping[str, Mapping[str, str]]) -> Rule | None:
        if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
            self.faults.append(f'{place}: write a rule as {{ field = "brand" }}, with texts only')
            return None
        keys = frozenset(said)
        if keys == {"constant"}:
            rule = Rule(kind=RuleKind.CONSTANT, text=said["constant"])
        elif keys == {"expression"}:
            rule = Rule(kind=RuleKind.EXPRESSION, text=said["expression"])
        elif keys == {"field"}:
            rule = Rule(kind=RuleKind.FIELD, text=said["field"])
        elif keys in ({"field", "lookup"}, {"field", "lookup", "default"}):
            table, default = said["lookup"], said.get("default")
            rule = Rule(kind=RuleKind.LOOKUP, text=said["field"], table=table, default=default)
        else:
            shown = ", ".join(sorted(keys)) or "nothing"
            self.faults.append(
                f"{place}: {shown} makes no rule; a rule is constant, field, expression, or field and "
                "lookup with or without default"
            )
            return None
        self.faults += [f"{place}: {fault}" for fault in rule_faults(rule, lookups)]
        return rule

    def _section(self, document: Mapping[str, Any], name: str, above: str) -> Mapping[str, Any]:
        section = document.get(name, {})
        if isinstance(section, dict):
            return section
        self.faults.append(f"{above}{name}: write a table, [{above}{name}]")
        return {}

    def _texts(self, entries: object, place: str) -> dict[str, str]:
        if not isinstance(entries, dict):
            self.faults.append(f"{place}: write a table, [{place}]")
            return {}
        for name, text in entries.items():
            if not isinstance(text, str) or not text or not name:
                self.faults.append(f'{place}.{name}: {text!r} is no text; write "{name or "name"}" = "text"')
        return {name: text for name, text in entries.items() if isinstance(text, str)}

    def _only(self, table: Mapping[str, Any], known: Any, above: str) -> None:
        for name in table:
            if name not in known:
                self.faults.append(f"{above}{name}: there is no such thing; there are {', '.join(known)}")
