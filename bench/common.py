"""What the benchmarks share: databases of their own, a fresh process per case, a table.

The script that starts the cases imports no more than this, because Linux counts the memory of who starts a process
into the peak of what is started.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import NullPool, create_engine, make_url, text

POSTGRES = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
FOLDER = Path(__file__).parent


class Databases:
    """Databases of one measurement; all are gone at its end.

    Args:
        folder: for those of SQLite.
        postgres: SQLAlchemy URL of a server where databases may be made.
    """

    def __init__(self, folder: Path, postgres: str) -> None:
        self._folder = folder
        self._server = create_engine(postgres, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        self._made: list[str] = []

    def new(self, kind: str, *, like: str = "") -> str:
        """Return the URL of a new database, `sqlite` or `postgresql`: empty, or a copy of the one at the URL `like`."""
        name = f"crossdock_bench_{uuid4().hex[:12]}"
        if kind == "sqlite":
            file = self._folder / f"{name}.sqlite"
            if like:
                shutil.copy(like.removeprefix("sqlite:///"), file)
            return f"sqlite:///{file}"
        self._execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {make_url(like).database}" if like else ""))
        self._made.append(name)
        return self._server.url.set(database=name).render_as_string(hide_password=False)

    def drop(self) -> None:
        """Drop the databases on the server."""
        for name in self._made:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with self._server.connect() as connection:
            connection.execute(text(statement))


@contextmanager
def databases(postgres: str) -> Iterator[tuple[Path, Databases]]:
    """Give a folder and databases for one measurement."""
    with tempfile.TemporaryDirectory(prefix="crossdock-bench-") as folder:
        made = Databases(Path(folder), postgres)
        try:
            yield Path(folder), made
        finally:
            made.drop()


def case(script: str, *arguments: object, python: str = sys.executable) -> Any:
    """Run one case in a process of its own and return the JSON that it printed last."""
    command = [python, str(FOLDER / script), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def show(rows: Sequence[Sequence[object]]) -> None:
    """Print a table; the first row is its head. Texts stand left, numbers right."""
    texts = [[f"{cell:,.2f}" if isinstance(cell, float) else f"{cell}" for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    numbers = [isinstance(cell, int | float) for cell in rows[-1]]
    for row in texts:
        cells = zip(row, widths, numbers, strict=True)
        print("  ".join(text.rjust(width) if number else text.ljust(width) for text, width, number in cells).rstrip())
