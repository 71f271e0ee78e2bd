"""docs/dependencies.md names every direct dependency of every extra, and nothing else."""

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def declared() -> dict[str, list[str]]:
    """Return the distributions that setup.cfg names, by extra; those of the package itself under "Always"."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    requirements = {"Always": config["options"]["install_requires"], **config["options.extras_require"]}
    return {extra: _names(lines) for extra, lines in requirements.items()}


def _names(lines: str) -> list[str]:
    names = [re.split(r"[^\w-]", line)[0] for line in lines.split("\n") if line]
    return [name for name in names if name != "crossdock"]


def explained() -> dict[str, list[str]]:
    """Return the distributions that the page gives a reason for, by heading."""
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    sections = re.split(r"^## (.+)$", page, flags=re.MULTILINE)[1:]
    rows = r"^\| ([\w-]+) \| \S.* \|$"
    return {
        extra: [name for name in re.findall(rows, section, re.MULTILINE) if name != "distribution"]
        for extra, section in zip(sections[::2], sections[1::2], strict=True)
    }


def test_every_dependency_has_its_reason_and_every_reason_its_dependency() -> None:
    assert explained() == declared()


def test_every_dependency_says_from_which_version() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    lists = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    lines = [line for text in lists for line in text.split("\n") if line and not line.startswith("crossdock[")]
    assert [line for line in lines if not re.fullmatch(r"[\w-]+(\[\w+\])?>=[\d.]+", line)] == []
