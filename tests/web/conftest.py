"""Installations to be served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from web_site import CONTENT, Site


@pytest.fixture
def empty_site(tmp_path: Path) -> Iterator[Site]:
    """Give a site whose feed has a link, and no version yet."""
    site = Site(tmp_path / "installation", f"sqlite:///{tmp_path / 'site.sqlite'}")
    yield site
    site.hub.close()


@pytest.fixture
def site(empty_site: Site) -> Site:
    """Give a site whose feed is out."""
    empty_site.publish(CONTENT)
    return empty_site


@pytest.fixture
def any_site(tmp_path: Path, database_url: str) -> Iterator[Site]:
    """Give the same on each database."""
    site = Site(tmp_path / "installation", database_url)
    yield site
    site.hub.close()
