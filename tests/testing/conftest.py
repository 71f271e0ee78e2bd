from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import crossdock
from crossdock.testing import Rehearsal, rehearse
from crossdock.testing.miinto import Miinto


@pytest.fixture(scope="session")
def fresh_installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of an installation in which nothing has happened, to be copied: making its schema takes long."""
    folder = tmp_path_factory.mktemp("installation") / "hub"
    crossdock.init(folder).close()
    return folder


@pytest.fixture
def rehearsal(fresh_installation: Path, tmp_path: Path) -> Iterator[Rehearsal]:
    """Give a hub that works against Miinto's twin."""
    shutil.copytree(fresh_installation, tmp_path / "hub")
    with rehearse(tmp_path / "hub", Miinto) as rehearsal:
        yield rehearsal
